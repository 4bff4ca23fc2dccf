//! Processor seconds, exponents and memory of scoring up to 100,000 suspects and 1,000 owners, on synthetic answers.
//!
//! ```text
//! scaling [LARGEST NUMBER OF SUSPECTS]
//! ```
//! One draw of 100 images for each of up to 100 owners is timed on one thread. The whole evaluation (1,000 owners, 20
//! draws, five budgets) is as many times the largest one as it has more fingerprints; the exponents say that it may be.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::{error::Error, fs};

use bertillon_scoring::{BUDGETS, DRAWS, Population};
use rustix::time::{ClockId, clock_gettime};

/// Budget of the curves.
const BUDGET: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let largest = std::env::args().nth(1).map_or(Ok(100_000), |largest| largest.parse())?;
    println!("# suspects, owners, seconds, ns a distance, exponent, resident MB");
    let mut last: Option<(f64, f64)> = None;
    for step in 0..5 {
        let suspects = largest >> (2 * (4 - step));
        let point = measure(suspects, 50, &mut last, suspects as f64)?;
        if suspects == largest {
            println!("# a bit an answer: {} MB", suspects.div_ceil(512) * 64 * 20_001 / 1_000_000);
            whole(largest, point / 50.0)?;
        }
    }
    let mut last = None;
    for owners in [10, 30, 100] {
        measure(largest / 16, owners, &mut last, owners as f64)?;
    }
    Ok(())
}

/// Seconds of one draw for each owner, and the exponent since the last measurement.
fn measure(
    suspects: usize,
    owners: usize,
    last: &mut Option<(f64, f64)>,
    size: f64,
) -> Result<f64, Box<dyn Error>> {
    let population = Population::synthetic(suspects, owners, 20_000, 1)?;
    let table = population.table()?;
    let mut seconds = f64::INFINITY;
    for _ in 0..5 {
        let start = processor_seconds();
        population.evaluate(&table, 1, BUDGET)?;
        seconds = seconds.min(processor_seconds() - start);
    }
    let exponent = last.map(|(before, size_before)| {
        format!("{:.2}", (seconds / before).ln() / (size / size_before).ln())
    });
    *last = Some((seconds, size));
    println!(
        "{suspects}\t{owners}\t{seconds:.6}\t{:.2}\t{}\t{}",
        seconds * 1e9 / (suspects * owners) as f64,
        exponent.as_deref().unwrap_or("-"),
        resident_megabytes()
    );
    Ok(seconds)
}

/// What 1,000 owners, 20 draws and five budgets would take, by one owner's draw of each budget.
fn whole(suspects: usize, at_usual_budget: f64) -> Result<(), Box<dyn Error>> {
    let population = Population::synthetic(suspects, 20, 20_000, 1)?;
    let table = population.table()?;
    let mut all = 0.0;
    for budget in BUDGETS {
        let start = processor_seconds();
        population.evaluate(&table, 1, budget)?;
        all += (processor_seconds() - start) / 20.0;
    }
    println!("# one fingerprint of {BUDGET} images: {at_usual_budget:.6} s");
    println!(
        "# whole evaluation, {suspects} suspects, 1000 owners, {DRAWS} draws, five budgets: {:.0} s",
        all * 1000.0 * DRAWS as f64
    );
    Ok(())
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Resident memory as Linux tells it; 0 where it does not.
fn resident_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1000
}

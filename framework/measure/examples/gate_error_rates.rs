//! How often the gate is wrong on real draws: `cargo run -p bertillon-measure --example gate_error_rates RESULTS`.
//!
//! RESULTS is the `results.json` of a run with many draws (`--set evaluation.draws=200`). Two disjoint sets of ten
//! are taken from them again and again: nothing has changed, so every alarm is a false one. Then NEW loses what the
//! gate says that it would find nine times in ten, all at once of one fingerprint, and alarms are counted anew.

#![allow(clippy::print_stdout, reason = "an example prints what it finds")]

use std::error::Error;

use bertillon_measure::{
    Stream,
    results::Results,
    tracking::{Baseline, Comparison, List, Outcome, Verdict, compare},
};

/// Pairs of runs.
const PAIRS: u64 = 1000;

/// Draws of a run.
const DRAWS: usize = 10;

/// Losses that are let pass.
const TOLERANCE: f64 = 0.0;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give the results.json of a run with many draws")?;
    let results: Results = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let whole = Baseline::of(&results, None);
    let draws = whole.evaluation.draws;
    if draws < 2 * DRAWS {
        return Err(format!("{draws} draws are too few to take two runs of {DRAWS} from").into());
    }
    let pair = |seed: u64| -> (Baseline, Baseline) {
        let mut stream = Stream::named(seed, ["gate error rates"]);
        let chosen = stream.sample_indices(draws, 2 * DRAWS);
        (some_draws(&whole, &chosen[..DRAWS]), some_draws(&whole, &chosen[DRAWS..]))
    };

    let (mut alarms, mut primary) = (0_u64, 0_u64);
    let mut stated = vec![0.0; whole.fingerprints.len()];
    for seed in 0..PAIRS {
        let (base, new) = pair(seed);
        let found = compare(&base, &new, TOLERANCE);
        alarms += u64::from(found.gate.outcome == Outcome::Failed);
        primary += u64::from(lost(&found, List::Primary).next().is_some());
        for (sum, row) in stated.iter_mut().zip(primary_rows(&found)) {
            *sum += row.smallest_loss.unwrap_or(f64::NAN);
        }
    }
    println!("{PAIRS} pairs of {DRAWS} draws against {DRAWS}, nothing changed:");
    println!("  gate failed {:.2} %, by a fingerprint {:.2} %", share(alarms), share(primary));

    println!(
        "the loss that the gate says it would find, taken from every draw of one fingerprint:"
    );
    for (index, fingerprint) in whole.fingerprints.iter().enumerate() {
        let (mut caught, mut pairs) = (0_u64, 0_u64);
        for seed in 0..PAIRS {
            let (base, new) = pair(seed);
            let (base, mut new) = (without_kinds(base), without_kinds(new));
            let Some(loss) = primary_rows(&compare(&base, &new, TOLERANCE))
                .nth(index)
                .and_then(|row| row.smallest_loss)
            else {
                continue;
            };
            let primary = whole.evaluation.primary_budget;
            let budgets = new.fingerprints[index].budgets.iter_mut();
            for budget in budgets.filter(|budget| budget.budget == primary) {
                budget.draws.iter_mut().for_each(|draw| draw.rate -= loss);
            }
            let found = compare(&base, &new, TOLERANCE);
            let named = lost(&found, List::Primary).any(|name| name == fingerprint.name);
            caught += u64::from(named);
            pairs += 1;
        }
        println!(
            "  {}: {:.1} points stated in the mean, found {:.1} %",
            fingerprint.name,
            100.0 * stated[index] / PAIRS as f64,
            100.0 * caught as f64 / pairs as f64
        );
    }
    Ok(())
}

fn share(count: u64) -> f64 {
    100.0 * count as f64 / PAIRS as f64
}

fn primary_rows(found: &Comparison) -> impl Iterator<Item = &bertillon_measure::tracking::Row> {
    found.rows.iter().filter(|row| row.list == Some(List::Primary))
}

/// Fingerprints with a loss in a list.
fn lost(found: &Comparison, list: List) -> impl Iterator<Item = &str> {
    let lost = move |row: &&bertillon_measure::tracking::Row| {
        row.list == Some(list) && row.verdict == Some(Verdict::Loss)
    };
    found.rows.iter().filter(lost).map(|row| row.fingerprint.as_str())
}

/// The run over all variants only: kinds are a list of their own and take nothing from the first.
fn without_kinds(mut run: Baseline) -> Baseline {
    let budgets = run.fingerprints.iter_mut().flat_map(|fingerprint| &mut fingerprint.budgets);
    budgets.for_each(|budget| budget.kinds.clear());
    run
}

/// The run with these draws only, at the primary budget only.
fn some_draws(whole: &Baseline, chosen: &[u32]) -> Baseline {
    let mut run = whole.clone();
    run.evaluation.draws = chosen.len();
    for fingerprint in &mut run.fingerprints {
        fingerprint.budgets.retain(|budget| budget.budget == whole.evaluation.primary_budget);
        for budget in &mut fingerprint.budgets {
            let draws = std::mem::take(&mut budget.draws);
            budget.draws = chosen.iter().map(|&draw| draws[draw as usize].clone()).collect();
            if let Some(hits) = &mut budget.hits {
                // Hits by family are of all draws together: they serve the interval, which decides nothing.
                hits.families.clear();
                for kind in &mut hits.kinds {
                    kind.accepted = chosen.iter().map(|&d| kind.accepted[d as usize]).collect();
                }
                for (kind, hits) in budget.kinds.iter_mut().zip(&hits.kinds) {
                    let accepted: f64 = hits.accepted.iter().sum();
                    kind.rate = accepted / (hits.positives * chosen.len()) as f64;
                }
            }
        }
    }
    run
}

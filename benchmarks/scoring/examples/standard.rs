//! Processor seconds of the paper's standard evaluation, on one thread: 20 draws, every owner, every suspect, five
//! budgets; beside it a floor, the matrix of all pairs, and what top-3 answers cost.
//!
//! ```text
//! standard [FOLDER of .npy answers, as the authors of FBI name them] [REPEATS]
//! ```
//! Without a folder the answers are synthetic: 781 models, 23 owners, 20,000 images. One line a figure: what, seconds
//! (the least of the repeats).

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::{error::Error, fs, hint::black_box, path::Path, path::PathBuf};

use bertillon_measure::{AnswerTable, Answers, PairDistances};
use bertillon_scoring::{BUDGETS, DRAWS, Population};
use rustix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().filter(|folder| !folder.is_empty());
    let repeats = arguments.next().map_or(Ok(9), |repeats| repeats.parse())?;
    let population = match folder {
        Some(folder) => read(Path::new(&folder))?,
        None => Population::synthetic(781, 23, 20_000, 1)?,
    };
    rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(|| {
        let (models, owners) = (population.models.len(), population.owners.len());
        println!("# {owners} owners, {models} suspects, {} images", population.truth.len());
        let table = population.table()?;
        report("table", repeats, || Ok(population.table()?.models()))?;
        let top1 = evaluation("evaluation", &population, &table, repeats)?;
        println!(
            "# {:.2} ns a distance",
            top1 * 1e9 / (DRAWS * BUDGETS.len() * owners * models) as f64
        );
        let floor = floor(&population, repeats)?;
        println!("# {:.2} times the floor", top1 / floor);
        report("pairs", repeats, || Ok(PairDistances::of(&population.models, &population.truth)?))?;
        let all: Vec<u32> = (0..).take(table.queries()).collect();
        report("pairs of a table", repeats, || Ok(PairDistances::on(&table, &all)?))?;
        drop(table);
        let mut totals = [0.0; 2];
        for (total, ranks) in totals.iter_mut().zip([1, 3]) {
            let population = Population::synthetic(models, owners, 20_000, ranks)?;
            let what = format!("synthetic top-{ranks}");
            *total = evaluation(&what, &population, &population.table()?, repeats)?;
        }
        println!("# top-3 costs {:.2} times top-1", totals[1] / totals[0]);
        Ok(())
    })
}

/// The standard evaluation, by budget; returns the sum.
fn evaluation(
    what: &str,
    population: &Population,
    table: &AnswerTable,
    repeats: usize,
) -> Result<f64> {
    let mut sum = 0.0;
    for budget in BUDGETS {
        let run = || Ok(population.evaluate(table, DRAWS, budget)?);
        sum += report(&format!("{what} L={budget}"), repeats, run)?;
    }
    println!("{what} sum\t{sum:.6}");
    Ok(sum)
}

/// What no evaluation can do without: the draws, one read of every row that is asked, and one look-up a distance.
fn floor(population: &Population, repeats: usize) -> Result<f64> {
    let fingerprints: Vec<(usize, &str)> = (0..DRAWS)
        .flat_map(|draw| population.owners.iter().map(move |(_, name)| (draw, name.as_str())))
        .collect();
    let images = population.truth.len();
    let models = population.models.len();
    let mut total = report("floor draws", repeats, || {
        Ok(BUDGETS.map(|budget| {
            let draws =
                fingerprints.iter().map(|&(draw, name)| population.draw(draw, name, budget));
            draws.map(|rows| rows[0]).fold(0, u32::wrapping_add)
        }))
    })?;
    let asked: Vec<Vec<u32>> = BUDGETS
        .iter()
        .flat_map(|&budget| fingerprints.iter().map(move |&(draw, name)| (draw, name, budget)))
        .map(|(draw, name, budget)| population.draw(draw, name, budget))
        .collect();
    let rows = vec![[1_u64; 8]; images * models.div_ceil(512)];
    total += report("floor bytes", repeats, || {
        let mut sum = [0; 8];
        for asked in &asked {
            for tile in rows.chunks_exact(images) {
                for &row in asked {
                    sum = std::array::from_fn(|word| sum[word] ^ tile[row as usize][word]);
                }
            }
        }
        Ok(sum)
    })?;
    let mut out = vec![0.0; models];
    total += report("floor look-ups", repeats, || {
        for budget in BUDGETS {
            let cells = vec![0.5; (budget * 17 / 20 + 1) * (budget * 3 / 20 + 1)];
            let places: Vec<usize> = (0..models).map(|i| i * 7919 % cells.len()).collect();
            for _ in &fingerprints {
                for (out, &place) in out.iter_mut().zip(black_box(&places)) {
                    *out = cells[place];
                }
                black_box(&out);
            }
        }
        Ok(())
    })?;
    println!("floor sum\t{total:.6}");
    Ok(total)
}

/// Prints and returns the least processor time of some runs, in seconds.
fn report<T>(what: &str, repeats: usize, mut run: impl FnMut() -> Result<T>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..repeats {
        let start = processor_seconds();
        black_box(run()?);
        least = least.min(processor_seconds() - start);
    }
    println!("{what}\t{least:.6}");
    Ok(least)
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// A folder of answers: `ground_truth.npy`, and a file for each model; the vanillas' names have no `-`.
fn read(folder: &Path) -> Result<Population> {
    let truth = labels(&folder.join("ground_truth.npy"))?;
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let (mut models, mut owners) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let model = file.extension().is_some_and(|extension| extension == "npy")
            && !matches!(&*name, "ground_truth" | "images_names");
        if !model {
            continue;
        }
        if !name.contains('-') {
            owners.push((models.len(), name));
        }
        models.push(Answers::top1(labels(&file)?));
    }
    Ok(Population { truth, models, owners })
}

/// Labels of a `.npy` file of little-endian 64-bit integers.
fn labels(file: &Path) -> Result<Vec<u16>> {
    let bytes = fs::read(file)?;
    let refuse = || format!("{}: not a .npy file of 64-bit integers", file.display());
    let length =
        bytes.get(8..10).map(|length| usize::from(length[0]) + 256 * usize::from(length[1]));
    let start = 10 + length.ok_or_else(refuse)?;
    let (header, body) = bytes.split_at_checked(start).ok_or_else(refuse)?;
    if !String::from_utf8_lossy(header).contains("'<i8'") {
        return Err(refuse().into());
    }
    let (labels, _) = body.as_chunks::<8>();
    labels.iter().map(|&label| Ok(u16::try_from(i64::from_le_bytes(label))?)).collect()
}

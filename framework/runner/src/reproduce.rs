//! A share of a finished run, computed again from its provenance.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bertillon::{CellDigest, Provenance, Stream, suite::Suite, untrusted};

use crate::{
    Options, Progress, RunError,
    cache::Cache,
    cells::{Cell, Phase, Work},
    context::Context,
    digests, enrolment,
    plan::Plan,
    population::{self, Place},
    run,
    work::Needed,
};

/// Bytes of the largest provenance that is read.
const LARGEST: u64 = 1 << 30;

/// Files of a run that are the same to the byte on the same machine.
const FILES: [&str; 2] = ["results.json", "pairs.parquet"];

/// What to compute again.
#[derive(Debug, Clone, Default)]
pub struct Reproduction {
    /// Cells drawn at random; all, and the results with them, where it is left out.
    pub sample: Option<usize>,
    /// Seed of that draw.
    pub seed: u64,
    /// Cache from which crafted queries that are not drawn are taken, where they are those of the run.
    pub cache: PathBuf,
}

/// How a cell compares with that of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellVerdict {
    /// To the byte.
    Equal,
    /// The best labels are equal, something else is not.
    EqualInLabels,
    /// Labels differ.
    Different,
    /// The run has no such cell.
    Unknown,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Reproduced {
    /// Cells of the run.
    pub of: usize,
    /// Those computed again: phase, name, how they compare.
    pub cells: Vec<(Phase, String, CellVerdict)>,
    /// Files of the results, where they were made again: name, whether they are equal to the byte.
    pub files: Vec<(&'static str, bool)>,
    /// What is not as it was then: the program, the machine, images or models.
    pub changed: Vec<String>,
}

/// Reads the provenance of a finished run.
///
/// # Errors
/// When there is none, or it is of a version that did not note what came of cells.
pub fn provenance_of(folder: &Path) -> Result<Provenance, RunError> {
    let path = folder.join("provenance.json");
    let wrong = |problem: String| RunError::File { path: path.clone(), problem };
    let text = untrusted::read(&path, LARGEST)
        .map_err(|error| wrong(format!("can't be read ({error}); name the folder of a run")))?;
    let provenance: Provenance = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("is no provenance of a run ({error})")))?;
    match provenance.suite_path.as_os_str().is_empty() {
        true => Err(wrong(
            "is of a version that did not keep what it takes; run the suite again".to_owned(),
        )),
        false => Ok(provenance),
    }
}

/// Computes cells of a run again, in a cache of its own below `options.cache`, and compares them with what the run found.
///
/// # Errors
/// When the suite, the data or the machine can't be used, or the work is interrupted.
pub fn reproduce(
    folder: &Path,
    provenance: &Provenance,
    suite: &Suite,
    reproduction: &Reproduction,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Reproduced, RunError> {
    let cache = Cache::open(&options.cache)?;
    let plan = Arc::new(Plan::new(suite, options)?);
    let workers = options.workers()?;
    let cells = plan.cells();
    let comparable: Vec<&Cell> =
        cells.iter().filter(|cell| !matches!(cell.work, Work::Vanilla(_))).collect();
    let sampled: Vec<&Cell> = match reproduction.sample {
        None => comparable.clone(),
        Some(count) => {
            let mut stream = Stream::named(reproduction.seed, ["reproduce"]);
            let drawn = stream.sample_indices(comparable.len(), count.min(comparable.len()));
            let mut drawn: Vec<usize> = drawn.into_iter().map(|index| index as usize).collect();
            drawn.sort_unstable();
            drawn.into_iter().map(|index| comparable[index]).collect()
        }
    };
    let mut reproduced = Reproduced {
        of: comparable.len(),
        changed: changed(provenance, &plan, options),
        ..Reproduced::default()
    };
    borrow_banks(&plan, provenance, reproduction, &cells, &sampled, &cache)?;
    let context = Context::new(&plan, &cache, &workers, options, progress);
    for (cell, verdict) in compute(&context, &sampled, provenance)? {
        reproduced.cells.push((cell.work.phase(), cell.name.clone(), verdict));
    }
    if reproduction.sample.is_none() {
        run::run_plan(&plan, &cache, options, progress)?;
        for name in FILES {
            let read = |folder: &Path| fs::read(folder.join(name)).ok();
            let (then, now) = (read(folder), read(&options.out));
            reproduced.files.push((name, then.is_some() && then == now));
        }
    }
    Ok(reproduced)
}

/// What is not as it was when the run was made.
fn changed(provenance: &Provenance, plan: &Plan, options: &Options) -> Vec<String> {
    let mut changed = Vec::new();
    let mut compare = |what: &str, then: &str, now: &str| {
        if then != now {
            changed.push(format!("{what}: then {then:.16}, now {now:.16}"));
        }
    };
    compare("version", &provenance.bertillon, env!("CARGO_PKG_VERSION"));
    compare("source", &provenance.source, bertillon::SOURCE_DIGEST);
    compare("device", &provenance.device, &format!("{:?}", options.device));
    compare("images", &provenance.data, &plan.data_digest);
    if plan.recorded.is_none() {
        for [name, digest] in &provenance.models {
            let now = plan.families.iter().find(|family| family.vanilla.name == *name);
            let now = now.map_or("none", |family| family.vanilla.digest.as_str());
            compare(&format!("model `{name}`"), digest, now);
        }
    }
    changed
}

/// Takes over the crafted queries that are only needed to ask models: they are those of the run if their digest says so.
fn borrow_banks(
    plan: &Plan,
    provenance: &Provenance,
    reproduction: &Reproduction,
    cells: &[Cell],
    sampled: &[&Cell],
    cache: &Cache,
) -> Result<(), RunError> {
    if !reproduction.cache.is_dir() {
        return Ok(());
    }
    let theirs = Cache::open(&reproduction.cache)?;
    for cell in cells {
        let Work::Bank { fingerprint, owner } = cell.work else { continue };
        if sampled.iter().any(|sampled| sampled.work == cell.work) {
            continue;
        }
        let key = plan.bank_key(&plan.fingerprints[fingerprint], owner);
        if let Ok(Some(bank)) = theirs.get(key)
            && compared(cell, Some(&digests::of_bank(cell, &bank)), provenance)
                == CellVerdict::Equal
        {
            cache.put(key, &bank)?;
        }
    }
    Ok(())
}

fn compute<'a>(
    context: &Context<'_>,
    sampled: &[&'a Cell],
    provenance: &Provenance,
) -> Result<Vec<(&'a Cell, CellVerdict)>, RunError> {
    let mut found = Vec::new();
    for phase in Phase::ALL {
        let cells: Vec<&'a Cell> =
            sampled.iter().filter(|cell| cell.work.phase() == phase).copied().collect();
        if cells.is_empty() {
            continue;
        }
        let Needed { vanillas, banks } = Needed::of(context, phase)?;
        let digest = |cell: &&'a Cell| -> Result<Option<CellDigest>, RunError> {
            Ok(match cell.work {
                Work::Vanilla(_) => None,
                Work::Rehearsal { owner, fingerprint, index } => {
                    let place = Place::Rehearsal { fingerprint, index };
                    let answers = population::rehearsal_answers(context, owner, place)?;
                    Some(digests::of_rehearsal(cell, answers.as_ref()))
                }
                Work::Bank { fingerprint, owner } => {
                    let bank = enrolment::bank(context, fingerprint, owner, &vanillas)?;
                    bank.ok().map(|bank| digests::of_bank(cell, &bank))
                }
                Work::Model(model) => {
                    let outcome = population::cell(context, model, &vanillas, &banks)?;
                    Some(digests::of_model(cell, &outcome))
                }
            })
        };
        let computed = context.step(phase.step(), &cells, |_| 1.0, digest)?;
        found.extend(
            cells
                .into_iter()
                .zip(computed)
                .map(|(cell, digest)| (cell, compared(cell, digest.as_ref(), provenance))),
        );
    }
    Ok(found)
}

/// How a cell compares, of which there is no digest where it failed.
fn compared(cell: &Cell, now: Option<&CellDigest>, provenance: &Provenance) -> CellVerdict {
    let phase = cell.work.phase().word();
    let then = provenance.cells.iter().find(|then| then.phase == phase && then.name == cell.name);
    match (then, now) {
        (None, None) => CellVerdict::Equal,
        (None, Some(_)) => CellVerdict::Unknown,
        (Some(then), Some(now)) if then.content == now.content => CellVerdict::Equal,
        (Some(then), Some(now)) if then.labels == now.labels => CellVerdict::EqualInLabels,
        (Some(_), _) => CellVerdict::Different,
    }
}

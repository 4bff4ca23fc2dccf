//! The files of a finished run: `results.json`, `pairs.parquet`, `provenance.json`.

mod pairs;

use std::{fs, path::Path, time::Duration};

use bertillon::{
    CellDigest, GpuTally, NEAR_TIE, OnGpu, Provenance, registry,
    results::{PairsFile, Results},
};
use serde::Serialize;

use crate::{
    Options, RunError,
    context::Context,
    files::{sweep, write_whole},
    judgement::Pairs,
    plan::LIBTORCH,
};

/// Makes the results folder and tries it, before anything is computed; what a killed run left unfinished in it goes.
pub(crate) fn check_writable(folder: &Path) -> Result<(), RunError> {
    let tried = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    tried.map_err(|error| RunError::File {
        path: folder.to_owned(),
        problem: format!("results can't be written here ({error}); choose a folder with --out"),
    })?;
    sweep(folder);
    Ok(())
}

/// Writes all files, each whole or not at all, `results.json` last; notes in the results which pairs are theirs.
pub(crate) fn write(
    context: &Context<'_>,
    options: &Options,
    results: &mut Results,
    pairs: &Pairs,
    cells: Vec<CellDigest>,
    elapsed: Duration,
) -> Result<(), RunError> {
    let folder = &options.out;
    let table = pairs::encode(context.plan, pairs, context.workers).map_err(|error| {
        RunError::File { path: folder.join("pairs.parquet"), problem: error.to_string() }
    })?;
    write_whole(&folder.join("pairs.parquet"), &table.bytes)?;
    let blake3 = blake3::hash(&table.bytes).to_hex().to_string();
    results.pairs = Some(PairsFile { blake3, rows: table.rows });
    let provenance = provenance(context, options, cells, elapsed)?;
    write_whole(&folder.join("provenance.json"), &json(&provenance))?;
    write_whole(&folder.join("results.json"), &json(results))
}

/// What was answered on a GPU, which the user is told too.
fn on_gpu(context: &Context<'_>) -> Option<OnGpu> {
    let GpuTally { answers, near_ties, halved } = GpuTally::take();
    if answers == 0 {
        return None;
    }
    if near_ties > 0 {
        context.progress.warn(&format!(
            "{near_ties} of {answers} answers are near ties (two best logits within {NEAR_TIE} of the spread of all): \
             another device may answer them otherwise"
        ));
    }
    if halved > 0 {
        context
            .progress
            .warn(&format!("{halved} batches did not fit into the GPU's memory and were halved"));
    }
    Some(OnGpu { answers, near_ties, halved })
}

/// A file of plain data.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data serialises");
    text.push(b'\n');
    text
}

fn provenance(
    context: &Context<'_>,
    options: &Options,
    cells: Vec<CellDigest>,
    elapsed: Duration,
) -> Result<Provenance, RunError> {
    let plan = context.plan;
    let source = plan.suite.source();
    let source =
        source.map_err(|error| RunError::User(format!("the working directory: {error}")))?;
    let derivations = plan.variants.iter().filter_map(|variant| variant.derivation.as_ref());
    let recipes = derivations.map(|derivation| &derivation.recipe);
    let methods = plan.fingerprints.iter().map(|fingerprint| &fingerprint.recipe);
    #[expect(clippy::disallowed_methods, reason = "provenance says when, and enters no result")]
    let now = std::time::SystemTime::now();
    Ok(Provenance {
        bertillon: env!("CARGO_PKG_VERSION").to_owned(),
        source: bertillon::SOURCE_DIGEST.to_owned(),
        libtorch: LIBTORCH.to_owned(),
        command: options.command.clone(),
        suite: source.text,
        suite_path: source.path,
        given_outside: source.given_outside,
        working_folder: source.outside,
        skip_bad_images: options.skip_bad_images,
        data: plan.data_digest.clone(),
        models: match &plan.recorded {
            Some(recorded) => context.workers.install(|| recorded.digests()),
            None => plan
                .families
                .iter()
                .map(|family| [family.vanilla.name.clone(), family.vanilla.digest.clone()])
                .collect(),
        },
        plugins: recipes
            .chain(methods)
            .map(|r| [r.plugin.clone(), r.parameters.clone(), r.source.clone()])
            .collect(),
        libraries: registry::libraries()
            .unwrap_or_default()
            .into_iter()
            .map(|l| [l.path.display().to_string(), l.built_from.clone(), l.digest.clone()])
            .collect(),
        device: format!("{:?}", options.device),
        gpu: on_gpu(context),
        threads: options.threads,
        seconds: elapsed.as_secs_f64(),
        finished_unix_s: now
            .duration_since(std::time::UNIX_EPOCH)
            .map(|since| since.as_secs())
            .unwrap_or_default(),
        cells,
    })
}

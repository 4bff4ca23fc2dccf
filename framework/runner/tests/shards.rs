//! A plan that is worked on in shares comes to the same bytes as a run of its suite.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

mod harness;

use std::{fs, path::Path};

use bertillon::suite::Suite;
use bertillon_runner::{
    CellVerdict, FrozenPlan, Options, Phase, Reproduction, RunError, Shard, freeze, merge,
    provenance_of, reproduce, run_frozen, standing, work,
};
use harness::{Quiet, options, run, suite};

/// Benign and crafted queries, rehearsals, variants that leave a network without convolutions as it is, and one that always
/// fails.
const REST: &str = r#"
    [[variants]]
    plugin = "prune"
    layers = "conv"
    grid   = { amount = [0.3, 0.5] }

    [[variants]]
    plugin        = "finetune"
    epochs        = 1
    learning_rate = 1e30

    [[fingerprints]]
    name     = "FBI"
    method   = "fbi"
    selector = "random"

    [[fingerprints]]
    name   = "IP-Guard"
    method = "ip-guard"
    attack = { name = "bp", steps = 3 }
    bank   = 5

    [evaluation]
    budgets    = [5]
    draws      = 2
    task       = ["detection", "identification"]
    identification = { by = ["family", "variation"] }
    rehearsals = [{ plugin = "jpeg", quality = 80 }, { plugin = "half" }]
"#;

fn text() -> String {
    suite("shared", &["lenet-a", "lenet-b", "mlp-a"], REST)
}

fn parsed() -> Suite {
    tch::set_num_threads(1);
    Suite::parse(Path::new("suite.toml"), &text(), &[]).unwrap()
}

/// As workers and the merge have it: what failed is believed.
fn believing(folder: &Path) -> Options {
    Options { retry_failures: false, ..options(folder) }
}

fn files(options: &Options) -> [Vec<u8>; 2] {
    ["results.json", "pairs.parquet"].map(|name| fs::read(options.out.join(name)).unwrap())
}

#[test]
fn shares_in_any_order_come_to_the_bytes_of_one_run() {
    let [alone, shared] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let results = run(&text(), &options(alone.path())).unwrap();
    assert_eq!(results.failures.len(), 3, "{:?}", results.failures);

    let suite = parsed();
    let options = believing(shared.path());
    let frozen = freeze(&suite, &options).unwrap();
    let path = shared.path().join("plan.json");
    frozen.write(&path).unwrap();
    assert!(FrozenPlan::is_in(&path));
    let frozen = FrozenPlan::read(&path).unwrap();
    let suite = Suite::from_source(frozen.suite.clone()).unwrap();
    // 3 vanillas and 2 rehearsals of each; their banks; vanillas and 3 variants of each.
    let of_phase = |phase| frozen.cells.iter().filter(|cell| cell.phase == phase).count();
    assert_eq!(Phase::ALL.map(of_phase), [9, 3, 12]);

    let told = |shard, phase| {
        work(&frozen, &suite, &options, Shard::new(shard, 3).unwrap(), phase, &Quiet).unwrap()
    };
    // The last phase of a share comes first: what it needs of others it makes on the way.
    told(2, Some(Phase::Models));
    let Err(RunError::Missing(missing)) = merge(&frozen, &suite, &options, &Quiet) else {
        panic!("cells of two shares are missing");
    };
    let standings = standing(&frozen, &suite, &options, 3).unwrap();
    let lacking: Vec<String> = standings.iter().flat_map(|s| s.missing.clone()).collect();
    assert_eq!(missing, lacking);
    let models = standings.iter().find(|standing| standing.phase == Phase::Models).unwrap();
    assert!(!models.shards.contains(&2), "{models:?}");
    assert!(!options.out.join("results.json").exists());

    let worked = [3, 1, 2].map(|shard| told(shard, None));
    assert_eq!(worked.iter().map(|w| w.failures.len()).sum::<usize>() + failed_in(&standings), 3);
    let again = told(1, None);
    assert_eq!((again.done, again.failures.len()), (0, 0));
    merge(&frozen, &suite, &options, &Quiet).unwrap();
    assert_eq!(files(&options), files(&self::options(alone.path())));
    // A run of the same plan tries again what failed, and fails as it did.
    let run_again = self::options(shared.path());
    run_frozen(&frozen, &suite, &run_again, &Quiet).unwrap();
    assert_eq!(files(&run_again), files(&self::options(alone.path())));
}

fn failed_in(standings: &[bertillon_runner::Standing]) -> usize {
    standings.iter().map(|standing| standing.failed.len()).sum()
}

#[test]
fn a_plan_is_refused_where_it_would_come_to_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let options = believing(folder.path());
    let frozen = freeze(&parsed(), &options).unwrap();
    let path = folder.path().join("plan.json");
    let refused = |from: &str, to: &str| {
        frozen.write(&path).unwrap();
        let changed = fs::read_to_string(&path).unwrap().replace(from, to);
        fs::write(&path, changed).unwrap();
        let attempt = FrozenPlan::read(&path).and_then(|frozen| {
            let suite = Suite::from_source(frozen.suite.clone())?;
            standing(&frozen, &suite, &options, 1)
        });
        attempt.unwrap_err().to_string()
    };
    let processor = format!("\"processor\": \"{}\"", bertillon::cpu_capability());
    let error = refused(&processor, "\"processor\": \"abacus\"");
    assert!(error.contains("vectors of the processor `abacus`"), "{error}");
    let error = refused("pool = 200", "pool = 100");
    assert!(error.contains("was changed since it was frozen"), "{error}");
    let error = refused("bertillon-plan-1", "bertillon-plan-9");
    assert!(error.contains("has format bertillon-plan-9"), "{error}");
    let error = refused("{", "[");
    assert!(error.contains("is no plan"), "{error}");
}

#[test]
fn a_run_is_computed_again_and_a_change_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    run(&text(), &options).unwrap();
    let mut provenance = provenance_of(&options.out).unwrap();
    assert_eq!(provenance.cells.len(), 2 * 3 + 3 + 4 * 3);
    let suite = Suite::from_source(provenance.suite_source()).unwrap();
    let again = |provenance: &_, sample: Option<usize>| {
        let scratch = tempfile::tempdir().unwrap();
        let reproduction = Reproduction { sample, seed: 0, cache: options.cache.clone() };
        let scratch = self::options(scratch.path());
        reproduce(&options.out, provenance, &suite, &reproduction, &scratch, &Quiet).unwrap()
    };
    let all = again(&provenance, None);
    assert_eq!((all.of, all.cells.len()), (21, 21));
    let differing: Vec<_> =
        all.cells.iter().filter(|(_, _, verdict)| *verdict != CellVerdict::Equal).collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert_eq!(all.files, [("results.json", true), ("pairs.parquet", true)]);

    // What another machine might have found: other scores behind the same labels, and other labels.
    provenance.cells.iter_mut().for_each(|cell| cell.content = "other".to_owned());
    let labels = again(&provenance, Some(4));
    assert!(labels.cells.iter().all(|(_, _, verdict)| *verdict == CellVerdict::EqualInLabels));
    assert_eq!((labels.cells.len(), labels.files.len()), (4, 0));
    provenance.cells.iter_mut().for_each(|cell| cell.labels = "other".to_owned());
    let other = again(&provenance, Some(2));
    assert!(other.cells.iter().all(|(_, _, verdict)| *verdict == CellVerdict::Different));
}

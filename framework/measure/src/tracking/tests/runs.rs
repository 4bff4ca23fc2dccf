//! Whole runs against each other.

use super::*;
use crate::{
    Provenance,
    results::{Failure, Results},
};

fn pair(base: &Accepted, new: &Accepted) -> Comparison {
    let a = fingerprint("FBI", 4, &queries(1, base.len()), base);
    let b = fingerprint("FBI", 4, &queries(2, new.len()), new);
    compare(&run(1, vec![a]), &run(2, vec![b]), 0.01)
}

fn wobble(draw: usize, family: usize, kind: usize) -> f64 {
    ((draw * 7 + family * 5 + kind * 3) % 4) as f64 * 0.25
}

#[test]
fn the_same_queries_with_the_same_hits_are_no_change() {
    let accepted = steady(3, 2.0, wobble);
    let same = fingerprint("FBI", 4, &queries(1, 3), &accepted);
    let found = compare(&run(1, vec![same.clone()]), &run(1, vec![same]), 0.01);
    assert_eq!(found.gate.outcome, Outcome::Passed);
    assert_eq!(found.rows.len(), 4);
    assert!(found.rows.iter().all(|row| row.change == Change::Same && row.difference == 0.0));
    assert!(found.inputs.is_empty() && found.obstacles.is_empty(), "{:?}", found.inputs);
    assert_eq!(found.rows[0].smallest_loss, Some(0.01), "whatever is lost beyond the tolerance");
}

#[test]
fn the_same_queries_with_other_hits_are_a_change_without_a_test() {
    let before = steady(3, 2.0, |_, _, _| 0.0);
    // One of eight families loses one of its four pairs of one kind, in each draw: 8 of 96 of that kind.
    let after = steady(3, 2.0, |_, family, kind| if (family, kind) == (5, 2) { -1.0 } else { 0.0 });
    let of = |accepted| run(1, vec![fingerprint("FBI", 4, &queries(1, 3), accepted)]);
    let found = compare(&of(&before), &of(&after), 0.02);
    assert_eq!(found.gate.outcome, Outcome::Failed);
    let verdicts: Vec<_> = found.rows.iter().map(|row| row.verdict.unwrap()).collect();
    // -1/96 over all is tolerated, -1/32 of one kind is not.
    assert_eq!(verdicts, [Verdict::Tolerated, Verdict::Same, Verdict::Same, Verdict::Loss]);
    let Change::Certain { difference } = found.rows[3].change else {
        panic!("{:?}", found.rows[3])
    };
    assert!((difference + 1.0 / 32.0).abs() < 1e-12);
    assert_eq!(compare(&of(&before), &of(&after), 0.04).gate.outcome, Outcome::Passed);
    assert_eq!(compare(&of(&after), &of(&before), 0.0).rows[3].verdict, Some(Verdict::Gain));
}

#[test]
fn more_draws_of_the_same_seed_are_judged_by_those_that_both_have() {
    let long = steady(8, 2.0, |draw, _, _| draw as f64 / 8.0);
    let short = long[..3].to_vec();
    let of =
        |draws: usize, accepted| run(1, vec![fingerprint("FBI", 4, &queries(1, draws), accepted)]);
    let found = compare(&of(3, &short), &of(8, &long), 0.01);
    assert!(found.rows.iter().all(|row| row.change == Change::Same), "{:?}", found.rows);
    assert!(found.rows[0].difference != 0.0, "the means differ by the draws that only one has");
}

#[test]
fn a_loss_of_every_draw_fails_and_names_its_row() {
    let before = steady(10, 2.0, wobble);
    let after = steady(10, 2.0, |draw, family, kind| {
        wobble(draw + 1, family, kind) - if kind == 1 { 1.0 } else { 0.0 }
    });
    let found = pair(&before, &after);
    assert_eq!(found.gate.outcome, Outcome::Failed);
    let lost: Vec<_> = found
        .rows
        .iter()
        .filter(|row| row.verdict == Some(Verdict::Loss))
        .map(|row| row.kind.as_deref())
        .collect();
    assert_eq!(lost, [None, Some("half")]);
    assert_eq!(found.gate.tests, [1, 3]);
    // 1 of 12 pairs lost: a third of the pairs of "half" lose a quarter.
    assert!((found.rows[0].difference + 1.0 / 12.0).abs() < 0.01, "{}", found.rows[0].difference);
}

#[test]
fn few_draws_that_show_a_loss_decide_nothing_and_say_how_many_would() {
    let found = pair(&steady(3, 3.0, wobble), &steady(3, 1.0, wobble));
    assert_eq!(found.rows[0].verdict, Some(Verdict::Undecided));
    assert_eq!((found.gate.outcome, found.rows[0].smallest_loss), (Outcome::Undecided, None));
    // 1 and 3 tests at 0.025 each: C(8, 4) = 70 >= 40, C(10, 5) = 252 >= 120.
    assert_eq!(found.gate.draws_needed, [Some(4), Some(5)]);
    let gained = pair(&steady(3, 1.0, wobble), &steady(3, 3.0, wobble));
    assert_eq!(gained.gate.outcome, Outcome::Passed, "a gain needs no test to pass");
}

#[test]
fn queries_that_were_crafted_once_are_told_apart_by_owners() {
    // All draws of a run ask the same, or sample one bank: ten copies are no ten repetitions.
    let one = |seed: u64| vec![format!("bank-{seed}"); 10];
    let before = steady(10, 2.0, |_, _, _| 0.0);
    let drop = |_, family, _| if family < 4 { -0.1 } else { 0.05 };
    let after = steady(10, 2.0, drop);
    let of = |seed, accepted| run(seed, vec![fingerprint("G", 4, &one(seed), accepted)]);
    let found = compare(&of(1, &before), &of(2, &after), 0.0);
    let test = found.rows[0].change.permutation().unwrap();
    assert_eq!((test.unit, test.arrangements), (Unit::Owners, 256));
    assert_eq!(found.gate.outcome, Outcome::Passed, "four of eight owners lose a little");
    let worse = steady(10, 2.0, |_, _, _| -0.5);
    let found = compare(&of(1, &before), &of(2, &worse), 0.0);
    assert_eq!(found.rows[0].verdict, Some(Verdict::Loss), "all eight owners lose");
    assert!((found.rows[0].adjusted.unwrap() - 1.0 / 256.0).abs() < 1e-12);

    let crafted = |seed, accepted: &Accepted| {
        let mut one = fingerprint("G", 4, &queries(seed, 10), accepted);
        one.budgets[0].hits.as_mut().unwrap().bank = Some(100);
        run(seed, vec![one])
    };
    let found = compare(&crafted(1, &before), &crafted(2, &after), 0.0);
    assert_eq!(found.rows[0].change.permutation().unwrap().unit, Unit::Owners);
}

#[test]
fn the_interval_of_families_contains_the_difference_and_needs_six() {
    let before = steady(10, 2.0, wobble);
    let after = steady(10, 2.0, |draw, family, kind| {
        wobble(draw + 1, family, kind) - if family < 2 { 1.5 } else { 0.0 }
    });
    let found = pair(&before, &after);
    let spread = found.rows[0].families.unwrap();
    let [low, high] = spread.ci95.unwrap();
    assert_eq!(spread.families, 8);
    assert!(low < found.rows[0].difference && found.rows[0].difference < high);
    // Two of eight families: some replicates hold neither, so the interval reaches about zero.
    assert!(high > -0.03 && low < -0.15, "{low} {high}");
    let few = |accepted: &Accepted| accepted.iter().map(|draw| draw[..5].to_vec()).collect();
    assert_eq!(pair(&few(&before), &few(&after)).rows[0].families.unwrap().ci95, None);
}

#[test]
fn what_is_missing_or_failed_fails_and_what_is_new_is_listed() {
    let accepted = steady(10, 2.0, wobble);
    let of = |name| fingerprint(name, 4, &queries(1, 10), &accepted);
    let base = run(1, vec![of("A"), of("B")]);
    let mut narrower = of("A");
    narrower.budgets[0].kinds.pop();
    let found = compare(&base, &run(1, vec![narrower, of("C")]), 0.01);
    assert_eq!(found.missing, ["A: jpeg", "B"]);
    assert_eq!(found.added, ["C"]);
    assert_eq!(found.gate.outcome, Outcome::Failed);

    let mut failed = run(1, vec![of("A"), of("B")]);
    failed.failures.push("derive half of lenet-a: out of memory".to_owned());
    failed.models.pop();
    let found = compare(&base, &failed, 0.01);
    assert_eq!(found.gate.outcome, Outcome::Failed, "whatever else is the matter");
    assert_eq!(found.failures.len(), 1);
}

#[test]
fn runs_of_other_populations_or_questions_are_not_compared() {
    type Altered<'a> = &'a dyn Fn(&mut Baseline);
    let accepted = steady(10, 2.0, wobble);
    let base = run(1, vec![fingerprint("A", 4, &queries(1, 10), &accepted)]);
    let after = |change: &dyn Fn(&mut Baseline)| {
        let mut new = base.clone();
        change(&mut new);
        compare(&base, &new, 0.01)
    };
    let cases: [(Altered<'_>, &str); 7] = [
        (
            &|new| new.evaluation.false_positive_rate = 0.01,
            "target false-positive rate differs: 0.05 and 0.01",
        ),
        (&|new| new.evaluation.protocol = "nominal".to_owned(), "protocol differs"),
        (&|new| new.models[0].kept = false, "models judged in BASE only: 1: lenet-a"),
        (&|new| new.models[1].name = "vgg-a".to_owned(), "models judged in NEW only: 1: vgg-a"),
        (
            &|new| new.models[0].digest = Some("11".to_owned()),
            "models with other weights or answers: 1: lenet-a",
        ),
        (
            &|new| new.inputs.as_mut().unwrap().data = "11".to_owned(),
            "digest of the images differs",
        ),
        (&|new| new.fingerprints.clear(), "without detection"),
    ];
    for (change, expected) in cases {
        let found = after(change);
        assert!(found.obstacles.iter().any(|o| o.contains(expected)), "{:?}", found.obstacles);
        assert_ne!(found.gate.outcome, Outcome::Passed, "{expected}");
        assert!(found.rows.iter().all(|row| matches!(row.change, Change::Untested { .. })));
    }
    // Other versions and settings are told, and stand in no way.
    let found = after(&|new| {
        new.seed = 9;
        new.evaluation.draws = 20;
        let inputs = new.inputs.as_mut().unwrap();
        inputs.libtorch = "2.12.0".to_owned();
        inputs.plugins.push(["fbi", "22"].map(str::to_owned));
        inputs.suite = "[evaluation]\nbudgets = [5]".to_owned();
    });
    let what: Vec<&str> = found.inputs.iter().map(|change| change.what.as_str()).collect();
    let expected =
        ["seed", "draws", "libtorch", "source of plugin fbi", "suite: evaluation.budgets"];
    assert_eq!(what, expected);
    assert_eq!((found.gate.outcome, found.obstacles.len()), (Outcome::Passed, 0));
}

#[test]
fn a_baseline_keeps_what_is_compared_and_reads_back() {
    let mut results: Results = serde_json::from_str(
        r#"{"schema": 1, "suite": "s", "seed": 3, "evaluation": {"task": "detection", "protocol": "pooled",
        "negatives": "all", "false_positive_rate": 0.05, "max_accuracy_drop": 0.15, "primary_budget": 10,
        "draws": 1, "pool": 5}, "population": {"vanillas": 1, "variants": 1, "kept": 1, "positives": 1,
        "negatives": 1, "models": [
        {"name": "a", "family": "a", "kind": "vanilla", "detail": null, "parameter": null, "group": "vanilla",
         "accuracy": 0.9, "kept": true, "changes": null, "unchanged": false},
        {"name": "half of a", "family": "a", "kind": "half", "detail": null, "parameter": null, "group": "weights",
         "accuracy": 0.8, "agreement": 0.7, "kept": false, "changes": null, "unchanged": false}]},
        "fingerprints": [], "failures": [], "warnings": []}"#,
    )
    .unwrap();
    results.failures.push(Failure {
        step: "derive".to_owned(),
        subject: "half of a".to_owned(),
        plugin: None,
        reason: "broken".to_owned(),
    });
    let provenance: Provenance = serde_json::from_str(
        r#"{"bertillon": "0.1.0", "models": [["a", "0123456789abcdef0123456789abcdef"]],
        "plugins": [["half", "{}", "ff"], ["half", "{\"x\":1}", "ff"]], "seconds": 3}"#,
    )
    .unwrap();
    let baseline = Baseline::of(&results, Some(&provenance));
    assert_eq!(baseline.models[0].digest.as_deref(), Some("0123456789abcdef"));
    assert_eq!(baseline.models[0].accuracy, None, "the digest says it");
    assert_eq!((baseline.models[1].accuracy, baseline.models[1].kept), (Some(0.8), false));
    assert_eq!(baseline.failures, ["derive half of a: broken"]);
    assert_eq!(baseline.inputs.as_ref().unwrap().plugins, [["half", "ff"].map(str::to_owned)]);
    let text = serde_json::to_string(&baseline).unwrap();
    assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), baseline);
}

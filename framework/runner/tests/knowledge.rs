//! What an owner knows decides which pairs count.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

mod harness;

use bertillon::results::Results;
use bertillon_runner::RunError;

/// Four families, two of one ancestry, of a vanilla and two posterized variants each.
fn run(fingerprint: &str, evaluation: &str) -> Result<Results, RunError> {
    let folder = tempfile::tempdir().unwrap();
    let rest = format!(
        r#"
        [[variants]]
        plugin = "posterize"
        grid = {{ bits = [6, 5] }}
        [[fingerprints]]
        name = "FBI"
        method = "fbi"
        selector = "random"
        {fingerprint}
        [evaluation]
        budgets = [50]
        draws = 2
        {evaluation}
        "#
    );
    harness::run(
        &harness::suite("knowledge", &["lenet-a", "lenet-b", "mlp-a", "vgg-a"], &rest),
        &harness::options(folder.path()),
    )
}

fn counts(results: &Results) -> (usize, usize) {
    (results.fingerprints[0].positives, results.fingerprints[0].negatives)
}

/// Message, marked text and explanation of the first mistake.
fn refusal(outcome: Result<Results, RunError>) -> [String; 3] {
    let Err(RunError::Suite(error)) = outcome else { panic!("{outcome:?}") };
    let first = &error.diagnostics[0];
    [first.message.clone(), error.text[first.at.clone()].to_owned(), first.label.clone()]
}

#[test]
fn every_pair_counts_when_nothing_is_left_out() {
    assert_eq!(counts(&run("", "").unwrap()), (12, 36));
}

#[test]
fn strangers_are_the_families_that_an_owner_does_not_know() {
    let evaluation = "peers = [\"lenet-a\", \"lenet-b\"]\nnegatives = \"strangers\"";
    // The owners of the LeNets know each other, two families of three models are strangers to each; the other two
    // owners know both LeNets, and one family is a stranger to each.
    assert_eq!(counts(&run("", evaluation).unwrap()), (12, 18));
}

#[test]
fn a_rehearsed_variant_is_never_a_positive_and_its_group_is_told() {
    let rehearsals = "rehearsals = [{ plugin = \"posterize\", grid = { bits = [5] } }]";
    let results = run("delegate = \"middle\"", rehearsals).unwrap();
    assert_eq!(counts(&results), (8, 36));
    assert_eq!(results.fingerprints[0].knowledge, ["labels", "rehearsals"]);
    let rows = &results.fingerprints[0].budgets[0].variations;
    let seen: Vec<(&str, Option<&str>, bool, usize)> = rows
        .iter()
        .map(|row| (row.kind.as_str(), row.parameter.as_deref(), row.rehearsed, row.positives))
        .collect();
    assert_eq!(
        seen,
        [
            ("vanilla", None, false, 4),
            ("posterize", None, true, 4),
            ("posterize", Some("6"), true, 4),
        ]
    );
}

#[test]
fn a_delegate_among_rehearsals_needs_some() {
    let [message, marked, _] = refusal(run("delegate = \"far\"", ""));
    assert_eq!((message.as_str(), marked.as_str()), ("no rehearsals", "\"fbi\""));
}

#[test]
fn an_unknown_peer_is_marked() {
    let [message, marked, _] = refusal(run("", "peers = [\"lenet-a\", \"lenet-z\"]"));
    assert_eq!((message.as_str(), marked.as_str()), ("unknown peer", "\"lenet-z\""));
}

#[test]
fn thresholds_of_other_families_are_told_apart_from_pooled_ones() {
    let results = run("", "protocol = \"leave-one-family-out\"").unwrap();
    assert_eq!(results.evaluation.protocol, "leave-one-family-out");
    assert_eq!(counts(&results), (12, 36));
}

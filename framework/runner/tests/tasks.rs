//! Tasks beside detection: who is known, who is asked what, and which cases count.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

mod harness;

use bertillon::results::{IdentificationResult, Results};

/// Four families of a vanilla and three posterized variants each.
fn run(fingerprint: &str, evaluation: &str) -> Results {
    let folder = tempfile::tempdir().unwrap();
    let rest = format!(
        r#"
        [[variants]]
        plugin = "posterize"
        grid = {{ bits = [6, 5] }}
        [[variants]]
        plugin = "half"
        {fingerprint}
        [evaluation]
        budgets = [20]
        draws = 3
        {evaluation}
        "#
    );
    harness::run(
        &harness::suite("tasks", &["lenet-a", "lenet-b", "mlp-a", "vgg-a"], &rest),
        &harness::options(folder.path()),
    )
    .unwrap()
}

fn fbi(selector: &str) -> String {
    format!("[[fingerprints]]\nname = \"FBI\"\nmethod = \"fbi\"\nselector = {selector}")
}

fn identified(selector: &str, identification: &str) -> IdentificationResult {
    let task = "task = \"identification\"\nrehearsals = [{ plugin = \"posterize\", bits = 5 }]";
    let results = run(&fbi(selector), &format!("{task}\nidentification = {identification}"));
    assert!(results.fingerprints.is_empty() && results.sequential.is_empty());
    let [found] = &results.identification[..] else { panic!("{:?}", results.identification) };
    found.clone()
}

#[test]
fn owners_who_choose_alike_ask_a_suspect_the_same_images() {
    let unknown = "{ unknown = 0.25 }";
    let found = identified("\"random\"", unknown);
    assert_eq!((found.group.as_str(), found.budget, found.draws), ("family", 20, 3));
    assert_eq!(found.rates.queries, 20.0);
    // The mistakes of three networks differ, so each of the owners known asks images of her own too.
    let apart = identified("{ plugin = \"correctness\", wrong = 0.5 }", unknown);
    assert!(apart.rates.queries > 30.0 && apart.rates.queries <= 60.0, "{}", apart.rates.queries);
}

#[test]
fn one_of_four_families_is_unknown_in_each_draw() {
    let rates = identified("\"random\"", "{ unknown = 0.25 }").rates;
    assert_eq!((rates.known, rates.unknown), (12.0, 4.0));
    let sum = rates.correct.mean + rates.wrong.mean + rates.abstained.mean;
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    let rates = identified("\"entropy\"", "{ unknown = 0.0 }").rates;
    assert_eq!((rates.known, rates.unknown, rates.unknown_answered), (16.0, 0.0, None));
    // A guess would be right for a quarter.
    assert!(rates.closed_set_accuracy.mean > 0.5, "{:?}", rates.closed_set_accuracy);
}

#[test]
fn kinds_that_an_owner_rehearsed_are_named_and_the_others_are_unknown() {
    let found = identified("\"random\"", "{ by = \"variation\" }");
    assert_eq!(found.group, "variation");
    // Of each family its vanilla and posterize/6 have a name, half has none, and posterize/5 was rehearsed.
    assert_eq!((found.rates.known, found.rates.unknown), (8.0, 4.0));
    let kinds: Vec<&str> = found.rates.variations.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["vanilla", "posterize", "posterize"]);
}

#[test]
fn sequential_tests_know_every_model_and_need_no_fingerprint() {
    let asked = "task = \"sequential\"\nsequential = { goals = [\"detection\", \"family\", \"model\"], \
                 scores = [\"mean\", \"best\"], top_k = [1, 3] }";
    let results = run("", asked);
    let rows: Vec<(&str, &str, &str, usize)> = results
        .sequential
        .iter()
        .map(|row| (row.group.as_str(), row.score.as_str(), row.access.as_str(), row.cases))
        .collect();
    // Detection by two scores, own and other models apart; identification by the mean alone.
    let of = |access| {
        [
            ("family", "mean", access, 16),
            ("family", "mean", access, 48),
            ("family", "best", access, 16),
            ("family", "best", access, 48),
            ("family", "mean", access, 16),
            ("model", "mean", access, 16),
        ]
    };
    assert_eq!(rows, [of("top1"), of("top3")].concat());
    for row in &results.sequential {
        assert_eq!(row.wrong, 0.0, "{row:?}");
        let last = row.queries.quantiles.last().unwrap();
        assert!(row.queries.mean >= 1.0 && row.queries.mean <= f64::from(last.queries), "{row:?}");
    }
}

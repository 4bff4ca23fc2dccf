mod permutations;
mod runs;
mod simulation;

use super::*;
use crate::results::{Evaluation, FamilyHits, Hits, KindHits};

/// Accepted pairs of one run: `[draw][family][kind]`.
type Accepted = Vec<Vec<Vec<f64>>>;

const KINDS: [&str; 3] = ["vanilla", "half", "jpeg"];

/// One fingerprint at 100 queries that accepted so much of `each` pairs a family and kind; queries named as given.
fn fingerprint(
    name: &str,
    each: u32,
    queries: &[String],
    accepted: &Accepted,
) -> TrackedFingerprint {
    let families = accepted[0].len();
    let kinds = accepted[0][0].len();
    let positives = each as usize * families;
    let sum =
        |draw: &Vec<Vec<f64>>, kind: usize| draw.iter().map(|family| family[kind]).sum::<f64>();
    let hits = Hits {
        bank: None,
        kinds: (0..kinds)
            .map(|kind| KindHits {
                kind: KINDS
                    .get(kind)
                    .map_or_else(|| format!("kind-{kind}"), |kind| (*kind).to_owned()),
                detail: None,
                positives,
                accepted: accepted.iter().map(|draw| sum(draw, kind)).collect(),
            })
            .collect(),
        families: (0..families)
            .map(|family| FamilyHits {
                family: format!("family-{family}"),
                positives: vec![each; kinds],
                accepted: (0..kinds)
                    .map(|kind| accepted.iter().map(|draw| draw[family][kind]).sum())
                    .collect(),
            })
            .collect(),
    };
    let rate =
        |draw: &Vec<Vec<f64>>| draw.iter().flatten().sum::<f64>() / (positives * kinds) as f64;
    let draws = accepted.iter().zip(queries);
    TrackedFingerprint {
        name: name.to_owned(),
        method: "fbi".to_owned(),
        budgets: vec![TrackedBudget {
            budget: 100,
            positives: positives * kinds,
            draws: draws
                .map(|(draw, queries)| TrackedDraw { queries: queries.clone(), rate: rate(draw) })
                .collect(),
            kinds: hits
                .kinds
                .iter()
                .map(|kind| TrackedKind {
                    kind: kind.kind.clone(),
                    detail: None,
                    positives,
                    rate: kind.accepted.iter().sum::<f64>()
                        / (positives * kind.accepted.len()) as f64,
                })
                .collect(),
            hits: Some(hits),
        }],
    }
}

/// Names of the queries of so many draws of a run.
fn queries(seed: u64, draws: usize) -> Vec<String> {
    (0..draws).map(|draw| format!("{seed}-{draw}")).collect()
}

fn run(seed: u64, fingerprints: Vec<TrackedFingerprint>) -> Baseline {
    let model = |name: &str| TrackedModel {
        name: name.to_owned(),
        kept: true,
        digest: Some("00".to_owned()),
        accuracy: None,
        agreement: None,
    };
    Baseline {
        baseline_schema: BASELINE_SCHEMA,
        suite: "small".to_owned(),
        seed,
        evaluation: Evaluation {
            task: "detection".to_owned(),
            protocol: "pooled".to_owned(),
            negatives: "all".to_owned(),
            false_positive_rate: 0.05,
            max_accuracy_drop: 0.15,
            primary_budget: 100,
            draws: 10,
            pool: 1000,
        },
        inputs: Some(Inputs::default()),
        models: vec![model("lenet-a"), model("mlp-a")],
        fingerprints,
        failures: Vec::new(),
    }
}

/// Every draw accepts so many of four pairs in each of eight families and three kinds, plus what `more` adds.
fn steady(draws: usize, count: f64, more: impl Fn(usize, usize, usize) -> f64) -> Accepted {
    let cell = |draw, family, kind| count + more(draw, family, kind);
    (0..draws)
        .map(|draw| (0..8).map(|f| (0..3).map(|k| cell(draw, f, k)).collect()).collect())
        .collect()
}

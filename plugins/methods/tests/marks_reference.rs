//! Marks on the answers recorded by the authors of FBI, against values that numpy computed.
//!
//! Needs `../shared` beside the repository, which is not part of it; without it the test says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bertillon::{
    AnswerTable, Answers, FingerprintMethod, Group, Memory, Owner, Peer, Pool, Rehearsal, Stream,
    Suspects, Variation, npy, registry::Configure,
};
use bertillon_methods::marks::{Choice, Marks, Params};
use serde_json::Value;
use tch::Device;

/// Images, in the reference and here.
const IMAGES: usize = 20_000;

struct Recorded {
    truth: Arc<[u16]>,
    models: BTreeMap<String, Answers>,
    vanillas: Vec<String>,
    kept: Vec<String>,
    table: AnswerTable,
}

/// `JPEG-dla102-90` is a variant of `dla102`.
fn family(name: &str) -> &str {
    name.split('-').nth(1).unwrap_or(name)
}

/// Its kind with what tells kinds of pruning apart: `JPEG`, `PRUNE/conv`; none for a vanilla.
fn kind(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('-').collect();
    match parts[..] {
        [_] => None,
        ["PRUNE", _, layers, ..] => Some(format!("PRUNE/{layers}")),
        [kind, ..] => Some(kind.to_owned()),
        [] => None,
    }
}

fn load(folder: &Path) -> Option<Recorded> {
    let Ok(files) = fs::read_dir(folder) else {
        println!("skipped: no recorded answers in {}", folder.display());
        return None;
    };
    let mut models: BTreeMap<String, Answers> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "images_names")
        .map(|name| {
            let path = folder.join(format!("{name}.npy"));
            (name, npy::read_answers(&path, 1, 1000).unwrap())
        })
        .collect();
    let truth: Arc<[u16]> = models.remove("ground_truth").unwrap().as_slice().into();
    models.retain(|_, answers| answers.len() == IMAGES);
    let vanillas: Vec<String> = models.keys().filter(|n| kind(n).is_none()).cloned().collect();
    let keeps = |name: &&String| {
        let accuracy = |name: &str| models[name].accuracy(&truth);
        accuracy(name) / accuracy(family(name)) - 1.0 > -0.15
    };
    let kept: Vec<String> = models.keys().filter(keeps).cloned().collect();
    let columns: Vec<Answers> = kept.iter().map(|name| models[name].clone()).collect();
    let table = AnswerTable::with_truth(&columns, &truth).unwrap();
    Some(Recorded { truth, models, vanillas, kept, table })
}

impl Recorded {
    /// An owner who knows the first 10 other vanillas by name, and her kept variants of these kinds.
    fn owner(&self, name: &str, rehearsed: &[&str]) -> Owner {
        let peers = self.vanillas.iter().filter(|peer| *peer != name).take(10);
        let peer = |name: &String| Peer { name: name.clone(), answers: self.models[name].clone() };
        let is_rehearsed = |variant: &&String| {
            let kind = kind(variant);
            family(variant) == name && kind.is_some_and(|kind| rehearsed.contains(&kind.as_str()))
        };
        let rehearsal = |variant: &String| Rehearsal {
            variation: Variation {
                kind: variant.clone(),
                detail: None,
                parameter: None,
                group: Group::Input,
            },
            answers: self.models[variant].clone(),
        };
        Owner {
            name: name.to_owned(),
            model: None,
            answers: self.models[name].clone(),
            pool: Arc::new(Pool { images: None, truth: self.truth.clone(), classes: 1000 }),
            peers: peers.map(peer).collect(),
            rehearsals: self.kept.iter().filter(is_rehearsed).map(rehearsal).collect(),
            device: Device::Cpu,
            memory: Memory::default(),
        }
    }
}

/// Rates of true pairs at the largest threshold that accepts at most 5 % of the false ones.
fn check(what: &str, positives: &[f64], negatives: &[f64], expected: &Value) {
    let mut sorted = negatives.to_vec();
    sorted.sort_by(f64::total_cmp);
    let all = negatives.len() as f64;
    let threshold = sorted[(0.05 * all) as usize];
    let equal = |distance: f64| (distance - threshold).abs() < 1e-12;
    let share = |distances: &[f64], test: &dyn Fn(f64) -> bool| {
        distances.iter().filter(|&&distance| test(distance)).count() as f64 / distances.len() as f64
    };
    let below = |distance: f64| distance < threshold && !equal(distance);
    let (tpr, fpr) = (share(positives, &below), share(negatives, &below));
    let accepted = (0.05 - fpr) / share(negatives, &equal);
    let figures = [
        ("positives", positives.len() as f64),
        ("negatives", all),
        ("threshold", threshold),
        ("tpr", tpr),
        ("fpr", fpr),
        ("tpr_randomised", tpr + accepted * share(positives, &equal)),
    ];
    for (name, actual) in figures {
        let expected = expected[name].as_f64().unwrap();
        assert!((actual - expected).abs() < 1e-9, "{what}: {name} is {actual}, not {expected}");
    }
}

#[test]
fn images_distances_and_rates_of_five_sets_of_rehearsals_are_those_of_numpy() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let Some(recorded) = load(&shared.join("fbi-predictions")) else { return };
    let text = fs::read_to_string(shared.join("fbi-reference-2.json")).unwrap();
    let reference: Value = serde_json::from_str(&text).unwrap();
    let (_, reference) =
        reference.as_object().unwrap().iter().find(|(key, _)| key.starts_with("marks")).unwrap();
    let input = ["JPEG", "POSTERIZE", "HIST", "RS"];
    let weights = ["PRUNE/all", "PRUNE/conv", "PRUNE/last", "HALF"];
    let sets: [(&str, &[&str]); 5] = [
        ("none", &[]),
        (
            "jpeg, posterize, prune/conv, randomized-smoothing",
            &["JPEG", "POSTERIZE", "PRUNE/conv", "RS"],
        ),
        ("input group", &input),
        ("weights group", &weights),
        ("training group", &["FINETUNE"]),
    ];
    let params = Params { choice: Choice::Best, survivors: false, ..Params::default() };
    let method = Marks::configure(params).unwrap();
    let mut checked = 0;
    for (set, rehearsed) in sets {
        let owners: Vec<Owner> =
            recorded.vanillas.iter().map(|name| recorded.owner(name, rehearsed)).collect();
        for budget in [10, 20, 50] {
            let what = format!("rehearsals: {set}; L={budget}");
            let expected = &reference[&what];
            let (mut all, mut unseen, mut negatives) = (Vec::new(), Vec::new(), Vec::new());
            for owner in &owners {
                let mut stream = Stream::named(0, ["draw"]);
                let fingerprint = method.enroll(owner, None, budget, &mut stream).unwrap();
                let mut distances = vec![f64::NAN; recorded.kept.len()];
                let queries = &fingerprint.queries.pool;
                let suspects = Suspects::new(&recorded.table, queries, 1);
                method.distances(&fingerprint, &suspects, &mut distances).unwrap();
                if expected["example"]["owner"] == *owner.name {
                    let images: Vec<u64> = queries.iter().map(|&image| image.into()).collect();
                    let mut sorted = images.clone();
                    sorted.sort_unstable();
                    let given = expected["example"]["images"].as_array().unwrap();
                    let given: Vec<u64> = given.iter().map(|i| i.as_u64().unwrap()).collect();
                    assert!(
                        images == given || sorted == given,
                        "{what}: {images:?}, not {given:?}"
                    );
                    for (suspect, expected) in expected["example"]["distances"].as_object().unwrap()
                    {
                        let column = recorded.kept.iter().position(|name| name == suspect).unwrap();
                        let difference = distances[column] - expected.as_f64().unwrap();
                        assert!(difference.abs() < 1e-9, "{what}, {suspect}");
                        checked += 1;
                    }
                }
                let peers: Vec<&str> = owner.peers.iter().map(|peer| peer.name.as_str()).collect();
                for (suspect, &distance) in recorded.kept.iter().zip(&distances) {
                    if family(suspect) == owner.name {
                        all.push(distance);
                        if kind(suspect).is_some_and(|kind| !rehearsed.contains(&kind.as_str())) {
                            unseen.push(distance);
                        }
                    } else if !peers.contains(&family(suspect)) {
                        negatives.push(distance);
                    }
                }
            }
            check(&what, &all, &negatives, &expected["all kinds"]);
            check(&what, &unseen, &negatives, &expected["kinds not rehearsed, without vanillas"]);
        }
    }
    assert_eq!(checked, 25);
}

//! The examples in Python do what they say, by a second implementation in Rust.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod harness;

use std::collections::BTreeMap;

use bertillon::{
    AnswerTable, Images, Mode, Model, Stream, Suspects,
    testkit::{self, ToyModel},
};
use harness::{example, method, python, selector, variant, with};
use serde_json::json;
use tch::Device;

/// The toy model's answers to images that were sharpened in Rust.
fn logits_of_sharpened(images: &Images, amount: f64) -> tch::Tensor {
    let shape = images.shape();
    let (height, width) = (shape.height as i64, shape.width as i64);
    let mut bytes = Vec::new();
    for image in 0..images.len() {
        for plane in images.image(image).chunks_exact(shape.height * shape.width) {
            let at = |row: i64, column: i64| {
                let row = row.clamp(0, height - 1);
                f64::from(plane[(row * width + column.clamp(0, width - 1)) as usize])
            };
            for (row, column) in (0..height).flat_map(|r| (0..width).map(move |c| (r, c))) {
                let around = (-1..=1).flat_map(|i| (-1..=1).map(move |j| (i, j)));
                let mean = around.map(|(i, j)| at(row + i, column + j)).sum::<f64>() / 9.0;
                let own = at(row, column);
                let sharp = (own + amount * (own - mean)).round_ties_even().clamp(0.0, 255.0);
                bytes.push(sharp as u8);
            }
        }
    }
    let sharpened = Images::new(bytes, shape).unwrap().tensor(Device::Cpu);
    ToyModel::new(0).logits(&sharpened, Mode::Evaluation).unwrap()
}

#[test]
fn sharpen_is_unsharp_masking() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python("numpy", &folder) else { return };
    let script = example("sharpen.py", &python);
    for (amount, name) in
        [(None, "sharpen/1.0"), (Some(0.5), "sharpen/0.5"), (Some(3.0), "sharpen/3.0")]
    {
        let parameters = amount.map_or(json!({}), |amount| json!({ "amount": amount }));
        let generator = variant(&with(script.clone(), "parameters", parameters)).unwrap();
        assert_eq!(generator.variation().to_string(), name);
        let derived =
            generator.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).unwrap();
        let images = testkit::images(5, 2);
        let expected = logits_of_sharpened(&images, amount.unwrap_or(1.0));
        for model in [&*derived.model, &*derived.model.fork().unwrap()] {
            let logits = model.logits(&images.tensor(Device::Cpu), Mode::Evaluation).unwrap();
            assert_eq!(logits, expected, "{name}");
        }
    }
    let unknown = with(script, "parameters", json!({ "amuont": 1 }));
    let error = variant(&unknown).err().unwrap().to_string();
    assert!(error.contains("unknown parameter `amuont`; there are: amount"), "{error}");
}

#[test]
fn a_program_can_edit_the_weights_of_a_torchscript_file() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python("torch", &folder) else { return };
    let script = with(example("jitter.py", &python), "memory_limit", json!(1 << 16));
    let derive = |amount: f64| {
        let parameters = with(script.clone(), "parameters", json!({ "amount": amount }));
        let generator = variant(&parameters).unwrap();
        generator.derive(Box::new(ToyModel::new(0)), &mut testkit::workbench(0)).unwrap()
    };
    let (derived, again) = (derive(0.02), derive(0.02));
    let changed = derived.changes.tensors.len();
    assert!(changed > 0 && !derived.changes.unchanged && derived.changes.zeroed.is_none());
    let weights = |model: &dyn Model| -> BTreeMap<String, tch::Tensor> {
        model.parameters().into_iter().map(|p| (p.name, p.tensor)).collect()
    };
    let before = weights(&ToyModel::new(0));
    for (name, after) in weights(&*derived.model) {
        let moved = (&after - &before[&name]).std(true).double_value(&[]);
        let own = before[&name].std(true).double_value(&[]);
        if after.numel() > 200 {
            assert!((moved / own - 0.02).abs() < 0.004, "{name}: {}", moved / own);
        }
        assert_eq!(after, weights(&*again.model)[&name], "the same stream, the same variant");
    }
    assert!(derive(0.0).changes.unchanged);
}

#[test]
fn disputed_draws_from_the_images_that_peers_disagree_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python("numpy", &folder) else { return };
    let script = example("disputed.py", &python);
    let selector = selector(&with(script, "parameters", json!({ "head": 0.25 }))).unwrap();
    assert_eq!(selector.knowledge().words(), ["peers"]);
    let owner = testkit::owner(64);
    let select = |budget, draw: &str| {
        let mut stream = Stream::named(0, [draw]);
        selector.select(&owner, budget, &mut stream).unwrap()
    };
    let entropy = |image: usize| {
        let mut counts = BTreeMap::new();
        owner
            .peers
            .iter()
            .for_each(|p| *counts.entry(p.answers.label(image)).or_insert(0.0) += 1.0);
        let all = owner.peers.len() as f64;
        -counts.values().map(|count: &f64| count / all * (count / all).log2()).sum::<f64>()
    };
    let mut ranking: Vec<u32> = (0..64).collect();
    ranking.sort_by(|&a, &b| entropy(b as usize).total_cmp(&entropy(a as usize)));
    let mut chosen = select(16, "draw 0");
    chosen.sort_unstable();
    let mut head = ranking[..16].to_vec();
    head.sort_unstable();
    assert_eq!(chosen, head);
    assert_eq!(select(8, "draw 0")[..4], select(4, "draw 0"), "a prefix");
    assert_ne!(select(8, "draw 0"), select(8, "draw 1"));
}

#[test]
fn surprise_weighs_agreement_by_rarity() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = python("numpy", &folder) else { return };
    let method = method(&example("surprise.py", &python)).unwrap();
    let needs = method.needs();
    assert!(needs.selector && needs.knowledge.peers && !needs.crafts && !needs.knowledge.model);
    struct Fixed(Vec<u32>);
    impl bertillon::InputSelector for Fixed {
        fn select(
            &self,
            _: &bertillon::Owner,
            _: usize,
            _: &mut Stream,
        ) -> bertillon::Result<Vec<u32>> {
            Ok(self.0.clone())
        }
    }
    let mut owner = testkit::owner(32);
    owner.answers = owner.answers.restricted_to(bertillon::Access::Top1).unwrap();
    for peer in &mut owner.peers {
        peer.answers = peer.answers.restricted_to(bertillon::Access::Top1).unwrap();
    }
    let queries = vec![30, 4, 7, 0, 19];
    let selector = Fixed(queries.clone());
    let fingerprint =
        method.enroll(&owner, Some(&selector), 5, &mut Stream::named(0, ["draw"])).unwrap();
    assert_eq!(fingerprint.queries.pool, queries);
    let rarity = |&query: &u32| {
        let query = query as usize;
        let same = |p: &&bertillon::Peer| p.answers.label(query) == owner.answers.label(query);
        let agreeing = owner.peers.iter().filter(same).count() as f64;
        -((agreeing + 1.0) / (owner.peers.len() as f64 + 2.0)).log2()
    };
    let weights: Vec<f64> = queries.iter().map(rarity).collect();
    let all: f64 = weights.iter().sum();
    assert_eq!(fingerprint.notes[0].0, "bits of all answers");
    assert!((fingerprint.notes[0].1 - all).abs() < 1e-12);
    let suspects: Vec<_> = [&owner.answers]
        .into_iter()
        .chain(owner.peers.iter().map(|peer| &peer.answers))
        .cloned()
        .collect();
    let table = AnswerTable::from_models(&suspects).unwrap();
    let mut distances = vec![0.0; suspects.len()];
    method.distances(&fingerprint, &Suspects::new(&table, &queries, 1), &mut distances).unwrap();
    for (suspect, distance) in suspects.iter().zip(&distances) {
        let shared = queries.iter().zip(&weights);
        let shared: f64 = shared
            .filter(|(query, _)| {
                suspect.label(**query as usize) == owner.answers.label(**query as usize)
            })
            .map(|(_, weight)| weight)
            .sum();
        assert!((distance - (1.0 - shared / all)).abs() < 1e-12);
    }
    assert!(distances[0].abs() < 1e-12, "her own model");
}

//! Distances, rankings and rates on the answers recorded by the authors of FBI, against values that numpy computed.
//!
//! Needs `../shared` beside the repository, which is not part of it; without it the tests say so and pass.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect, and says what it skips"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bertillon_measure::{
    AnswerTable, Answers, PairDistances, Statistic, Suspects, entropy_ranking, label_entropies,
};
use serde_json::Value;

struct Recorded {
    truth: Vec<u16>,
    /// Names and answers of all models, by name.
    models: BTreeMap<String, Answers>,
    /// Names of the vanillas, in order.
    vanillas: Vec<String>,
    /// Names of the models that pass the accuracy filter, in order.
    kept: Vec<String>,
    /// Answers of the models kept.
    table: AnswerTable,
}

/// Name of a model's vanilla: `JPEG-dla102-90` is one of `dla102`.
fn family(name: &str) -> &str {
    name.split('-').nth(1).unwrap_or(name)
}

fn shared() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared")
}

fn labels(path: &Path) -> Vec<u16> {
    let bytes = fs::read(path).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    let labels: Vec<i64> = file.into_vec().unwrap();
    labels.into_iter().map(|label| u16::try_from(label).unwrap()).collect()
}

fn load() -> Option<Recorded> {
    let folder = shared().join("fbi-predictions");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: no recorded answers in {}", folder.display());
        return None;
    };
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned());
    let mut models: BTreeMap<String, Answers> = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name != "ground_truth" && name != "images_names")
        .map(|name| {
            let answers = Answers::top1(labels(&folder.join(format!("{name}.npy"))));
            (name, answers)
        })
        .collect();
    let truth = labels(&folder.join("ground_truth.npy"));
    models.retain(|_, answers| answers.len() == truth.len());
    let vanillas: Vec<String> =
        models.keys().filter(|name| family(name) == *name).cloned().collect();
    let keeps = |name: &&String| {
        let accuracy = |name: &str| models[name].accuracy(&truth);
        accuracy(name) / accuracy(family(name)) - 1.0 > -0.15
    };
    let kept: Vec<String> = models.keys().filter(keeps).cloned().collect();
    let columns: Vec<Answers> = kept.iter().map(|name| models[name].clone()).collect();
    let table = AnswerTable::with_truth(&columns, &truth).unwrap();
    Some(Recorded { truth, models, vanillas, kept, table })
}

fn recorded() -> Option<&'static Recorded> {
    static RECORDED: OnceLock<Option<Recorded>> = OnceLock::new();
    RECORDED.get_or_init(load).as_ref()
}

fn reference(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(shared().join(name)).unwrap()).unwrap()
}

impl Recorded {
    /// Distances of every model kept to `owner` on `images`.
    fn distances(&self, statistic: Statistic, owner: &str, images: &[u32]) -> Vec<f64> {
        let truth: Vec<u16> = images.iter().map(|&image| self.truth[image as usize]).collect();
        let mut out = vec![f64::NAN; self.table.models()];
        statistic
            .distances(
                &self.models[owner].gather(images),
                Some(&truth),
                &Suspects::new(&self.table, images, 1),
                &mut out,
            )
            .unwrap();
        out
    }

    /// Distances of all true and of all false pairs.
    fn pairs(&self, statistic: Statistic, images: impl Fn(&str) -> Vec<u32>) -> [Vec<f64>; 2] {
        let mut pairs = [Vec::new(), Vec::new()];
        for owner in &self.vanillas {
            let distances = self.distances(statistic, owner, &images(owner));
            for (suspect, distance) in self.kept.iter().zip(distances) {
                pairs[usize::from(family(suspect) != owner)].push(distance);
            }
        }
        pairs.iter_mut().for_each(|distances| distances.sort_by(f64::total_cmp));
        pairs
    }
}

fn first(count: u32) -> impl Fn(&str) -> Vec<u32> {
    move |_| (0..count).collect()
}

/// Holds the rates of `[positives, negatives]` at false-positive rate `alpha` against numpy's.
fn check(what: &str, [positives, negatives]: &[Vec<f64>; 2], alpha: f64, expected: &Value) {
    let threshold = negatives[(alpha * negatives.len() as f64) as usize];
    let below = |distances: &[f64]| distances.partition_point(|&d| d < threshold) as f64;
    let tied = |distances: &[f64]| distances.iter().filter(|&&d| d == threshold).count() as f64;
    let (all_true, all_false) = (positives.len() as f64, negatives.len() as f64);
    let (tpr, fpr) = (below(positives) / all_true, below(negatives) / all_false);
    let accepted = (alpha - fpr) / (tied(negatives) / all_false);
    let figures = [
        ("positives", all_true),
        ("negatives", all_false),
        ("threshold", threshold),
        ("tpr", tpr),
        ("fpr", fpr),
        ("tpr_randomised", tpr + accepted * tied(positives) / all_true),
    ];
    for (name, actual) in figures {
        let expected = expected[name].as_f64().unwrap();
        assert!((actual - expected).abs() < 1e-11, "{what}: {name} is {actual}, not {expected}");
    }
}

#[test]
fn sixty_distances_are_those_of_numpy() {
    let Some(recorded) = recorded() else { return };
    let reference = reference("fbi-reference.json");
    let examples = reference["distances"].as_array().unwrap();
    assert_eq!(examples.len(), 60);
    for example in examples {
        let text = |key: &str| example[key].as_str().unwrap();
        let images: Vec<u32> = (0..example["first_images"].as_u64().unwrap() as u32).collect();
        let suspect = recorded.kept.iter().position(|name| name == text("suspect")).unwrap();
        // The key is that of the file, whose word for an owner's model this is.
        let distances = recorded.distances(Statistic::MutualInformation, text("victim"), &images);
        let expected = example["distance"].as_f64().unwrap();
        assert!(
            (distances[suspect] - expected).abs() < 1e-12,
            "{example}: got {}",
            distances[suspect]
        );
    }
}

#[test]
fn distances_of_pairs_are_those_of_fingerprints_of_all_images() {
    let Some(recorded) = recorded() else { return };
    let images: Vec<u32> = (0..20_000).collect();
    let pairs = PairDistances::on(&recorded.table, &images).unwrap();
    for owner in &recorded.vanillas {
        let expected = recorded.distances(Statistic::MutualInformation, owner, &images);
        let row = recorded.kept.iter().position(|name| name == owner).unwrap();
        assert_eq!(pairs.row(row), expected, "{owner}");
        let column: Vec<f64> = (0..pairs.models()).map(|i| pairs.distance(i, row)).collect();
        assert_eq!(column, expected, "{owner}");
    }
}

#[test]
fn the_accuracy_filter_keeps_what_numpy_keeps() {
    let Some(recorded) = recorded() else { return };
    let reference = reference("fbi-reference.json");
    let rejected: Vec<&str> = recorded
        .models
        .keys()
        .filter(|name| !recorded.kept.contains(name))
        .map(String::as_str)
        .collect();
    let expected: Vec<&str> = reference["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(rejected, expected);
    assert_eq!((recorded.kept.len(), recorded.vanillas.len()), (697, 23));
}

#[test]
fn entropies_and_their_ranking_are_those_of_numpy() {
    let Some(recorded) = recorded() else { return };
    let vanillas: Vec<&Answers> =
        recorded.vanillas.iter().map(|name| &recorded.models[name]).collect();
    let entropies = label_entropies(&vanillas).unwrap();
    let bits = reference("fbi-reference.json");
    for (image, expected) in bits["entropy_bits_first_20"].as_array().unwrap().iter().enumerate() {
        let expected = expected.as_f64().unwrap();
        assert!((entropies[image] - expected).abs() < 1e-6, "image {image}");
    }
    let ranking = entropy_ranking(&entropies);
    let second = reference("fbi-reference-2.json");
    let expected = &second["entropy ranking over 23 vanillas, ties by index"];
    let images = |key: &str| -> Vec<u32> {
        expected[key].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect()
    };
    assert_eq!(ranking[..20], images("first 20 images"));
    assert_eq!(ranking[3990..4000], images("images 3990..4000"));

    let head = ranking[..100].to_vec();
    let pairs = recorded.pairs(Statistic::MutualInformation, |_| head.clone());
    let what = "fbi, the 100 images of largest entropy";
    check(what, &pairs, 0.05, &second[what]);
}

#[test]
fn rates_over_all_images_are_those_of_numpy() {
    let Some(recorded) = recorded() else { return };
    let pairs = recorded.pairs(Statistic::MutualInformation, first(20_000));
    let expected = &reference("fbi-reference-2.json")["fbi, all 20,000 images"];
    check("all images, 5 %", &pairs, 0.05, &expected["fpr 0.05"]);
    check("all images, 1 %", &pairs, 0.01, &expected["fpr 0.01"]);
}

#[test]
fn ties_and_infinities_at_20_images_are_those_of_numpy() {
    let Some(recorded) = recorded() else { return };
    let pairs = recorded.pairs(Statistic::MutualInformation, first(20));
    let expected = &reference("fbi-reference-2.json")["fbi, first 20 images (ties, infinities)"];
    check("first 20 images", &pairs, 0.05, expected);
    let infinite = pairs.iter().flatten().filter(|distance| distance.is_infinite()).count();
    assert_eq!(infinite as u64, expected["infinite distances"].as_u64().unwrap());
}

#[test]
fn rates_of_label_match_are_those_of_numpy() {
    let Some(recorded) = recorded() else { return };
    let reference = reference("fbi-reference-2.json");
    let pairs = recorded.pairs(Statistic::LabelMatch, first(100));
    let expected = &reference["label match, first 100 images"];
    check("label match, 5 %", &pairs, 0.05, &expected["fpr 0.05"]);
    check("label match, 1 %", &pairs, 0.01, &expected["fpr 0.01"]);
    for count in [20, 100] {
        let mistakes = |owner: &str| {
            let answers = &recorded.models[owner];
            let wrong = (0..20_000).filter(|&i| answers.label(i) != recorded.truth[i]);
            wrong.take(count).map(|i| i as u32).collect()
        };
        let pairs = recorded.pairs(Statistic::LabelMatch, mistakes);
        let what = format!("akh, the first {count} mistakes of the owner");
        check(&what, &pairs, 0.05, &reference[&what]);
    }
}

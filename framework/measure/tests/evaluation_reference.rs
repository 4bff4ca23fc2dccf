//! Rates on recorded answers against values that numpy computed independently.
//!
//! The answers of 23 ImageNet classifiers and their variants lie beside the repository where they are present.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panic, skips by word"
)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use bertillon_measure::{
    AnswerTable, Answers, Statistic, Suspects,
    evaluation::{Case, Evaluated, Settings, Suspect, evaluate},
    suite::Protocol,
};
use serde_json::Value;

struct Recorded {
    table: AnswerTable,
    truth: Vec<u16>,
    vanillas: Vec<Answers>,
    suspects: Vec<Suspect>,
    reference: Value,
}

fn labels(path: &Path) -> Vec<u16> {
    let file = npyz::NpyFile::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let labels: Vec<i64> = file.into_vec().unwrap();
    labels.into_iter().map(|label| u16::try_from(label).unwrap()).collect()
}

/// The models that pass the accuracy filter; none where the recordings are absent.
fn recorded() -> Option<Recorded> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.join("fbi-predictions");
    let reference = fs::read_to_string(shared.join("fbi-reference-2.json"));
    let (Ok(reference), Ok(files)) = (reference, fs::read_dir(&folder)) else {
        println!("skipped: {} is not there", folder.display());
        return None;
    };
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let paths: BTreeMap<String, PathBuf> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "npy"))
        .map(|path| (stem(&path), path))
        .collect();
    let truth = labels(&paths["ground_truth"]);
    let not_models = ["ground_truth", "images_names"];
    let names: Vec<&String> =
        paths.keys().filter(|name| !not_models.contains(&name.as_str())).collect();
    let vanilla_names: Vec<&String> =
        names.iter().copied().filter(|name| !name.contains('-')).collect();
    let vanillas: Vec<Answers> =
        vanilla_names.iter().map(|name| Answers::top1(labels(&paths[*name]))).collect();
    let mut suspects = Vec::new();
    let mut kept = Vec::new();
    for name in names {
        let mut parts = name.splitn(3, '-');
        let kind = parts.next().unwrap();
        let vanilla = parts.next();
        let head = vanilla.unwrap_or(kind);
        let family = vanilla_names.iter().position(|other| *other == head).unwrap();
        let answers = Answers::top1(labels(&paths[name]));
        let drop = answers.accuracy(&truth) / vanillas[family].accuracy(&truth) - 1.0;
        if vanilla.is_none() || drop > -0.15 {
            kept.push(answers);
            suspects.push(Suspect {
                family,
                kind: if vanilla.is_some() { kind.to_lowercase() } else { "vanilla".to_owned() },
                detail: None,
                parameter: parts.next().map(str::to_owned),
                group: String::new(),
                vanilla: vanilla.is_none(),
                rehearsed: false,
                copy: false,
            });
        }
    }
    Some(Recorded {
        table: AnswerTable::from_models(&kept).unwrap(),
        truth,
        vanillas,
        suspects,
        reference: serde_json::from_str(&reference).unwrap(),
    })
}

impl Recorded {
    /// Distances of all suspects to all owners, `queries(owner)` being what each asks.
    fn distances(&self, statistic: Statistic, queries: impl Fn(usize) -> Vec<u32>) -> Vec<f64> {
        let mut all = Vec::new();
        for (owner, vanilla) in self.vanillas.iter().enumerate() {
            let rows = queries(owner);
            let truth: Vec<u16> = rows.iter().map(|&row| self.truth[row as usize]).collect();
            let mut out = vec![0.0; self.suspects.len()];
            let suspects = Suspects::new(&self.table, &rows, 1);
            let reference = vanilla.gather(&rows);
            statistic.distances(&reference, Some(&truth), &suspects, &mut out).unwrap();
            all.extend(out);
        }
        all
    }

    fn evaluate(&self, distances: Vec<f64>, alpha: f64, protocol: Protocol) -> Evaluated {
        let ancestry: Vec<usize> = (0..self.vanillas.len()).collect();
        let case = Case {
            suspects: &self.suspects,
            ancestry: &ancestry,
            judged: &vec![true; distances.len()],
            draws: &[distances],
        };
        let settings = Settings {
            false_positive_rate: alpha,
            protocol,
            replicates: 0,
            seed: 2022,
            counts_hits: false,
        };
        evaluate(&case, &settings).unwrap()
    }

    /// Compares pooled rates with the reference at this path.
    fn check(&self, distances: &[f64], alpha: f64, path: &[&str]) {
        let expected = path.iter().fold(&self.reference, |value, key| &value[key]);
        let found = self.evaluate(distances.to_vec(), alpha, Protocol::Pooled);
        let close = |key: &str, actual: f64| {
            let expected = expected[key].as_f64().unwrap();
            assert!((actual - expected).abs() < 1e-9, "{path:?} {key}: {actual}, not {expected}");
        };
        close("tpr", found.tpr.mean);
        close("fpr", found.fpr.mean);
        close("tpr_randomised", found.tpr_randomised.mean);
        close("threshold", found.threshold.mean.unwrap());
        close("positives", found.positives as f64);
        close("negatives", found.negatives as f64);
    }
}

#[test]
fn rates_on_recorded_answers_equal_the_reference() {
    let Some(recorded) = recorded() else { return };
    let images = |count: u32| move |_: usize| (0..count).collect::<Vec<u32>>();
    let all = u32::try_from(recorded.truth.len()).unwrap();

    let distances = recorded.distances(Statistic::MutualInformation, images(all));
    let entry = "fbi, all 20,000 images";
    recorded.check(&distances, 0.05, &[entry, "fpr 0.05"]);
    recorded.check(&distances, 0.01, &[entry, "fpr 0.01"]);
    let expected = &recorded.reference[entry]["leave-one-family-out, fpr 0.05"];
    let pooled = recorded.evaluate(distances.clone(), 0.05, Protocol::Pooled);
    let apart = recorded.evaluate(distances, 0.05, Protocol::LeaveOneFamilyOut);
    let beside = pooled.companion.unwrap();
    assert_eq!(beside.protocol, "leave-one-family-out");
    for (tpr, fpr) in [(apart.tpr, apart.fpr), (beside.tpr, beside.fpr)] {
        assert!((tpr.mean - expected["tpr"].as_f64().unwrap()).abs() < 1e-9, "{tpr:?}");
        let realised = expected["fpr_realised"].as_f64().unwrap();
        assert!((fpr.mean - realised).abs() < 1e-9, "{fpr:?} {realised}");
    }
    assert_eq!(apart.companion.unwrap().tpr, pooled.tpr);

    let distances = recorded.distances(Statistic::LabelMatch, images(100));
    recorded.check(&distances, 0.05, &["label match, first 100 images", "fpr 0.05"]);
    recorded.check(&distances, 0.01, &["label match, first 100 images", "fpr 0.01"]);

    let entry = "fbi, first 20 images (ties, infinities)";
    let distances = recorded.distances(Statistic::MutualInformation, images(20));
    let infinite = distances.iter().filter(|distance| distance.is_infinite()).count();
    assert_eq!(infinite as u64, recorded.reference[entry]["infinite distances"]);
    recorded.check(&distances, 0.05, &[entry]);

    for count in [20, 100] {
        let mistakes = |owner: usize| {
            let wrong = |&row: &u32| {
                recorded.vanillas[owner].label(row as usize) != recorded.truth[row as usize]
            };
            (0..all).filter(wrong).take(count).collect()
        };
        let distances = recorded.distances(Statistic::LabelMatch, mistakes);
        let entry = format!("akh, the first {count} mistakes of the owner");
        recorded.check(&distances, 0.05, &[&entry]);
    }
}

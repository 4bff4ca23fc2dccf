//! What is recorded reads back.

use std::collections::BTreeMap;

use bertillon::{Group, ImageRequest, npy};
use proptest::prelude::*;

use super::*;

fn row(family: &str, variation: Option<Variation>) -> ManifestRow {
    ManifestRow { family: family.to_owned(), variation, ancestry: None }
}

fn variation(kind: &str, detail: Option<&str>, parameter: Option<&str>, group: Group) -> Variation {
    Variation {
        kind: kind.to_owned(),
        detail: detail.map(str::to_owned),
        parameter: parameter.map(str::to_owned),
        group,
    }
}

fn record(folder: &Path, models: &[(ManifestRow, Answers)]) -> Result<()> {
    write(folder, &TRUE_LABELS, 4, models.iter().map(|(row, answers)| (row.clone(), answers)))
}

#[test]
fn a_recording_is_files_that_numpy_opens_and_a_manifest() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("deep/recording");
    let answers = Answers::top1(vec![0, 1, 2, 3, 1, 1]);
    let half = variation("half", None, None, Group::Weights);
    let models = [(row("net/1 ü", None), answers.clone()), (row("net/1 ü", Some(half)), answers)];
    record(&folder, &models).unwrap();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected =
        ["0001-net-1--.npy", "0002-net-1---half.npy", "ground_truth.npy", "manifest.toml"];
    assert_eq!(names, expected);
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(b"{'descr': '<u2', 'fortran_order': False, 'shape': (6,), }");
    bytes.resize(127, b' ');
    bytes.extend(b"\n\0\0\x01\0\x02\0\x03\0\x01\0\x01\0");
    assert_eq!(fs::read(folder.join("0001-net-1--.npy")).unwrap(), bytes);
    let manifest = fs::read_to_string(folder.join("manifest.toml")).unwrap();
    assert!(manifest.contains("classes = 4\naccess = \"top1\"\n"), "{manifest}");
    assert_eq!(fs::read_dir(parent.path().join("deep")).unwrap().count(), 1, "nothing else stays");
}

#[test]
fn recordings_that_would_not_read_back_are_refused_and_leave_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("recording");
    let answers = || Answers::top1(vec![0; IMAGES]);
    let half = || Some(variation("half", None, None, Group::Weights));
    let cases = [
        (vec![(row("a", half()), answers())], "whose own answers are missing"),
        (vec![(row("a", None), answers()), (row("a", None), answers())], "are both a; remove one"),
        (
            vec![(row("a", None), Answers::top1(vec![0; 5]))],
            "`a` has top-1 answers to 5 images, expected top-1 to 6",
        ),
        (
            vec![
                (row("a", None), answers()),
                (row("b", None), Answers::new(vec![0; 2 * IMAGES], 2).unwrap()),
            ],
            "`b` has top-2 answers to 6 images, expected top-1 to 6",
        ),
        (
            vec![(row("a", None), Answers::top1(vec![4; IMAGES]))],
            "a has label 4, there are 4 classes",
        ),
        (vec![(row("a\n", None), answers())], "`family` is empty or has control characters"),
        (
            vec![
                (row("a", None), answers()),
                (row("a", Some(variation("vanilla", None, None, Group::Weights))), answers()),
            ],
            "a vanilla has no detail, parameter or group",
        ),
        (vec![], "no recorded answers are in it"),
    ];
    for (models, expected) in cases {
        let error = record(&folder, &models).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
    let models = [(row("a", None), answers())];
    fs::create_dir(&folder).unwrap();
    record(&folder, &models).unwrap();
    let error = record(&folder, &models).unwrap_err().to_string();
    assert!(error.contains("it is not empty; choose another folder"), "{error}");
    let truth = write(&folder.join("x"), &[9; IMAGES], 4, std::iter::empty()).unwrap_err();
    assert!(truth.to_string().contains("the ground truth has label 9"), "{truth}");
}

#[test]
fn an_answer_changed_after_it_was_published_is_found_by_its_digest() {
    let folder = Folder::empty();
    let recording = folder.file("r");
    record(&recording, &[(row("a", None), Answers::top1(vec![0; IMAGES]))]).unwrap();
    fs::write(recording.join("0001-a.npy"), npy::to_bytes(&[1; IMAGES], 1)).unwrap();
    let parameters = Parameters { path: recording, ..Parameters::default() };
    let collection = RecordedAnswers::configure(parameters).unwrap();
    let error = collection.recorded(folder.scratch()).unwrap_err().to_string();
    assert!(error.contains("0001-a.npy: its answers have the digest"), "{error}");
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "net", "NET", "n-e_t.1", "a b", "ü", "x/y", "\"q\"", "'", "\\", "#", "..", "con", "{", "=",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_population_reads_back(
        families in prop::collection::btree_map(name(), prop::option::of(name()), 1..5),
        variants in prop::collection::btree_map(
            (
                0_usize..5,
                prop::sample::select(vec!["half", "prune", "jpeg", "melt", "chain"]),
                prop::option::of(name()),
                prop::option::of(prop::sample::select(vec!["0.2", "0.20", "30", "1e-5", "x y"])),
            ),
            prop::sample::select(vec![Group::Input, Group::Weights, Group::Training, Group::Output]),
            0..12,
        ),
        ranks in 1_usize..4,
        seed in any::<u64>(),
    ) {
        let names: Vec<&String> = families.keys().collect();
        let mut state = seed;
        let mut answers = || {
            let labels: Vec<u16> = (0..IMAGES * ranks)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    u16::try_from(state >> 62).unwrap()
                })
                .collect();
            Answers::new(labels, ranks).unwrap()
        };
        let mut models: Vec<(ManifestRow, Answers)> = Vec::new();
        for ((family, kind, detail, parameter), group) in &variants {
            let variation = variation(kind, detail.as_deref(), *parameter, *group);
            models.push((row(names[family % names.len()], Some(variation)), answers()));
        }
        for (family, ancestry) in &families {
            models.push((ManifestRow { ancestry: ancestry.clone(), ..row(family, None) }, answers()));
        }
        // Families that were chosen modulo their number may hold a variant twice.
        let named = |row: &ManifestRow| {
            let v = row.variation.as_ref();
            (row.family.clone(), v.map(|v| (v.kind.clone(), v.detail.clone(), v.parameter.clone())))
        };
        let mut unique = BTreeMap::new();
        for (row, answers) in models {
            unique.insert(named(&row), (row, answers));
        }
        let models: Vec<_> = unique.into_values().collect();

        let folder = Folder::empty();
        let recording = folder.file("recording");
        record(&recording, &models).unwrap();
        let parameters = Parameters { path: recording, ..Parameters::default() };
        let collection = RecordedAnswers::configure(parameters).unwrap();
        let recorded = collection.recorded(folder.scratch()).unwrap().unwrap();
        prop_assert_eq!(recorded.len(), models.len());
        let vanillas = collection.vanillas();
        for (row, answers) in &models {
            let found = recorded.iter().find(|r| {
                vanillas[r.family].name == row.family && r.variation == row.variation
            });
            let found = found.unwrap();
            prop_assert_eq!(&found.answers, answers);
            if row.variation.is_none() {
                let ancestry = row.ancestry.as_ref().unwrap_or(&row.family);
                prop_assert_eq!(&vanillas[found.family].ancestry, ancestry);
            }
        }
        let truth = ImageSource::load(&collection, &ImageRequest::default()).unwrap().pool;
        prop_assert_eq!((&truth.truth[..], truth.classes), (&TRUE_LABELS[..], 4));
        let access = if ranks == 1 { Access::Top1 } else { Access::TopK(ranks) };
        prop_assert_eq!(recorded[0].answers.ranks(), access.ranks());
    }
}

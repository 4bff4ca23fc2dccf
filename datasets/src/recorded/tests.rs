//! Folders made by hand, good and bad, and the answers that the FBI paper's authors recorded.

mod bad_input;
mod packs;
mod shared;
mod writing;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bertillon::{Access, ImageRequest, Variation};
use tempfile::TempDir;

use super::*;

/// Images of the folders made here.
const IMAGES: usize = 6;

const TRUE_LABELS: [u16; IMAGES] = [0, 1, 2, 3, 1, 0];

/// A folder of answers, and another for packs.
struct Folder(TempDir, TempDir);

impl Folder {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
    }

    /// Two vanillas and three variants, labels of 64 bits as the authors have them.
    fn good() -> Self {
        let folder = Self::empty();
        folder.labels("ground_truth.npy", &TRUE_LABELS);
        folder.labels("net_b.npy", &[0, 1, 2, 3, 1, 1]);
        folder.labels("net_a.npy", &[0, 1, 2, 0, 1, 0]);
        folder.labels("JPEG-net_a-90.npy", &[0, 1, 2, 0, 1, 3]);
        folder.labels("JPEG-net_a-100.npy", &[0, 1, 2, 0, 1, 2]);
        folder.labels("HALF-net_a.npy", &[0, 1, 2, 0, 1, 0]);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn scratch(&self) -> &Path {
        self.1.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        fs::write(self.file(name), bytes).unwrap();
    }

    fn array(&self, name: &str, descr: &str, shape: &str, data: &[u8]) {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        self.write(name, bytes);
    }

    fn labels(&self, name: &str, labels: &[u16]) {
        let data: Vec<u8> = labels.iter().flat_map(|&l| u64::from(l).to_le_bytes()).collect();
        self.array(name, "<i8", &format!("({},)", labels.len()), &data);
    }

    /// All files as if they had been changed that many seconds ago.
    fn age(&self, seconds: u64) {
        for entry in fs::read_dir(self.path()).unwrap() {
            age(&entry.unwrap().path(), seconds);
        }
    }

    fn fbi(&self) -> Result<RecordedAnswers> {
        self.configure(r#"{"layout": "fbi"}"#)
    }

    /// With these parameters and the folder's path.
    fn configure(&self, parameters: &str) -> Result<RecordedAnswers> {
        let mut parameters: Parameters = serde_json::from_str(parameters).unwrap();
        parameters.path = self.path().to_owned();
        RecordedAnswers::configure(parameters)
    }

    fn read(&self, parameters: &str) -> Result<Vec<Recorded>> {
        Ok(self.configure(parameters)?.recorded(self.scratch())?.unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "a file's age is counted from now")]
fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Family, variation and labels of each.
fn told(collection: &RecordedAnswers, recorded: &[Recorded]) -> Vec<(String, Vec<u16>)> {
    recorded
        .iter()
        .map(|model| {
            let family = &collection.vanillas()[model.family].name;
            let variation = model.variation.as_ref().map_or(String::new(), |v| format!("/{v}"));
            (format!("{family}{variation}"), model.answers.as_slice().to_vec())
        })
        .collect()
}

#[test]
fn families_come_by_name_vanillas_first_and_parameters_by_value() {
    let folder = Folder::good();
    folder.write("README.md", "not an array");
    folder.write(".net_c.npy", "hidden");
    folder.array("images_names.npy", "<U2", "(6,)", &[0; 48]);
    let collection = folder.fbi().unwrap();
    let recorded = collection.recorded(folder.scratch()).unwrap().unwrap();
    let expected = [
        ("net_a".to_owned(), vec![0, 1, 2, 0, 1, 0]),
        ("net_a/half".to_owned(), vec![0, 1, 2, 0, 1, 0]),
        ("net_a/jpeg/90".to_owned(), vec![0, 1, 2, 0, 1, 3]),
        ("net_a/jpeg/100".to_owned(), vec![0, 1, 2, 0, 1, 2]),
        ("net_b".to_owned(), vec![0, 1, 2, 3, 1, 1]),
    ];
    assert_eq!(told(&collection, &recorded), expected);
    let vanillas = collection.vanillas();
    assert_eq!(vanillas.iter().map(|v| &v.ancestry[..]).collect::<Vec<_>>(), ["net_a", "net_b"]);
    assert!(vanillas.iter().all(|v| v.input.is_none() && v.classes == 4 && v.digest.is_empty()));
}

#[test]
fn digests_are_of_the_labels_whatever_the_width_in_the_file() {
    let folder = Folder::good();
    folder.array("net_b.npy", "|u1", "(6, 1)", &[0, 1, 2, 3, 1, 1]);
    let recorded = folder.read(r#"{"layout": "fbi"}"#).unwrap();
    let mut bytes: Vec<u8> = [0, 1, 2, 3, 1, 1_u16].iter().flat_map(|l| l.to_le_bytes()).collect();
    bytes.extend(6_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    assert_eq!(recorded[4].answers.digest(), blake3::hash(&bytes));
    assert_eq!(recorded[0].answers.digest(), recorded[1].answers.digest());
}

#[test]
fn the_pool_is_a_prefix_of_the_ground_truth_without_images() {
    let source = Folder::good().fbi().unwrap();
    let all = ImageSource::load(&source, &ImageRequest::default()).unwrap();
    let some = ImageSource::load(&source, &ImageRequest::of(Some(4))).unwrap();
    assert_eq!((&all.pool.truth[..], all.pool.classes), (&TRUE_LABELS[..], 4));
    assert_eq!(some.pool.truth[..], TRUE_LABELS[..4]);
    assert!(all.pool.images.is_none() && all.thief.is_none());
    assert_eq!(all.classes, ["0", "1", "2", "3"]);
    assert_eq!(all.digest, some.digest);
    for pool in [0, 7] {
        let error =
            ImageSource::load(&source, &ImageRequest::of(Some(pool))).unwrap_err().to_string();
        assert!(error.contains("answers to 6 images are recorded"), "{error}");
    }
}

#[test]
fn there_is_no_model_to_load_and_the_reason_is_told() {
    let folder = Folder::good();
    let error = ModelCollection::load(&folder.fbi().unwrap(), 1, Device::Cpu).err().unwrap();
    assert!(error.to_string().starts_with("only answers of `net_b` were recorded in"), "{error}");
}

#[test]
fn the_folder_is_marked_as_a_path_of_the_suite() {
    let schema = schemars::schema_for!(Parameters);
    assert_eq!(schema.get("properties").unwrap()["path"]["format"], "path");
}

#[test]
fn a_manifest_is_found_and_says_all() {
    let folder = Folder::good();
    fs::rename(folder.file("ground_truth.npy"), folder.file("labels.npy")).unwrap();
    let manifest = r#"
truth = "labels.npy"
classes = 5
models = [
  { file = "net_b.npy", family = "z", ancestry = "twins" },
  { file = "net_a.npy", family = "a", ancestry = "twins" },
  { file = "HALF-net_a.npy", family = "z", kind = "melt", parameter = 30, group = "output" },
]"#;
    folder.write("manifest.toml", manifest);
    let collection = folder.configure("{}").unwrap();
    let recorded = collection.recorded(folder.scratch()).unwrap().unwrap();
    let names: Vec<String> = told(&collection, &recorded).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["z", "z/melt/30", "a"]);
    let melt = recorded[1].variation.as_ref().unwrap();
    assert_eq!((melt.group.to_string(), melt.parameter.as_deref()), ("output".into(), Some("30")));
    let vanillas = collection.vanillas();
    assert!(vanillas.iter().all(|v| v.ancestry == "twins" && v.classes == 5));
    // What a suite says goes before what the manifest says.
    folder.labels("other.npy", &TRUE_LABELS);
    let other = folder
        .configure(r#"{"classes": 9, "truth": "other.npy", "siblings": [["z", "a"]]}"#)
        .unwrap();
    assert!(other.vanillas().iter().all(|v| v.classes == 9 && v.ancestry == "z"));
}

#[test]
fn top_k_labels_and_scores_meet_at_the_access_that_is_asked_for() {
    let folder = Folder::empty();
    folder.labels("ground_truth.npy", &[2, 0]);
    folder.array("a.npy", "|u1", "(2, 3)", &[2, 0, 1, 0, 1, 2]);
    let scores: Vec<u8> =
        [0.1_f32, 0.2, 0.7, 0.5, 0.5, 0.0].iter().flat_map(|s| s.to_le_bytes()).collect();
    folder.array("b.npy", "<f4", "(2, 3)", &scores);
    let read = |access: &str| {
        folder.write(
            "manifest.toml",
            format!("{access}\nmodels = [{{file = \"a.npy\", family = \"a\"}}, {{file = \"b.npy\", family = \"b\"}}]"),
        );
        let recorded = folder.read("{}").unwrap();
        recorded.iter().map(|r| r.answers.as_slice().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(read(""), [[2, 0, 1, 0, 1, 2], [2, 1, 0, 0, 1, 2]]);
    assert_eq!(read("access = \"top2\""), [[2, 0, 0, 1], [2, 1, 0, 1]]);
    assert_eq!(read("access = \"top1\""), [[2, 0], [2, 0]]);
}

#[test]
fn scores_alone_give_five_ranks() {
    let folder = Folder::empty();
    folder.labels("ground_truth.npy", &[6]);
    let halves: Vec<u8> =
        [1_u16, 7, 3, 5, 2, 0, 9].iter().flat_map(|half| half.to_be_bytes()).collect();
    folder.array("a.npy", ">f2", "(1, 7)", &halves);
    let recorded = folder.read(r#"{"layout": "fbi"}"#).unwrap();
    assert_eq!(recorded[0].answers, Answers::new(vec![6, 1, 3, 2, 4], 5).unwrap());
}

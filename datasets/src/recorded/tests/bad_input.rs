//! Whatever is wrong with a folder is told with the file and with what to do.

use super::*;

/// The error of a good folder after `spoil`, without the folder's own path.
fn error(parameters: &str, spoil: impl Fn(&Folder)) -> String {
    let folder = Folder::good();
    spoil(&folder);
    let error = folder.read(parameters).err().map(|error| error.to_string());
    error.expect("spoilt").replace(&folder.path().display().to_string(), "FOLDER")
}

#[test]
fn spoilt_folders_are_refused_with_the_file_and_what_to_do() {
    type Spoil = fn(&Folder);
    let cases: [(Spoil, &str); 19] = [
        (
            |f| f.labels("HALF-net_a.npy", &[0; 5]),
            "FOLDER/HALF-net_a.npy: it answers 5 images, the ground truth has 6; record all models on the same images",
        ),
        (
            |f| f.labels("HALF-net_a.npy", &[0; 7]),
            "FOLDER/HALF-net_a.npy: it answers 7 images, the ground truth has 6; record all models on the same images",
        ),
        (
            |f| f.labels("net_b.npy", &[0, 1, 2, 3, 4, 1]),
            "FOLDER/net_b.npy: label 4 of image 4 (rank 0) is none of the classes 0 to 3; correct it, or set `classes`",
        ),
        (
            |f| fs::remove_file(f.file("ground_truth.npy")).unwrap(),
            "FOLDER: the ground truth is missing: put the true labels of the images into `ground_truth.npy`, or name \
             their file with `truth`",
        ),
        (
            |f| f.array("ground_truth.npy", "<f4", "(6, 4)", &[0; 96]),
            "FOLDER/ground_truth.npy: true labels are integers, one an image; write them so with numpy.save",
        ),
        (
            |f| f.array("net_b.npy", "<f4", "(6, 4)", &[0xFF; 96]),
            "FOLDER/net_b.npy: the score of class 0 for image 0 is NaN, which has no rank; ask the model again",
        ),
        (
            |f| f.array("net_b.npy", "<i8", "(6,)", &[0; 40]),
            "FOLDER/net_b.npy: its shape (6,) takes 48 bytes of data, 40 are there: it is truncated, damaged or still \
             being written; copy or write it again",
        ),
        (
            |f| f.array("net_b.npy", "<i8", "(1152921504606846976,)", &[0; 48]),
            "FOLDER/net_b.npy: its shape (1152921504606846976,) takes 9223372036854775808 bytes of data, 48 are there: \
             it is truncated, damaged or still being written; copy or write it again",
        ),
        (
            |f| f.array("net_b.npy", "|O", "(6,)", b"\x80\x04]q\0."),
            "FOLDER/net_b.npy: it holds pickled Python objects (dtype object), which are never unpickled; write the \
             labels with numpy.save(file, labels.astype('uint16'))",
        ),
        (
            |f| f.write("net_b.npy", "labels: 1 2 3"),
            "FOLDER/net_b.npy: no .npy file: it starts with [6c, 61, 62, 65, 6c, 73], not with \\x93NUMPY; write it \
             with numpy.save",
        ),
        (
            |f| f.write("net_b.npy", ""),
            "FOLDER/net_b.npy: no .npy file: it starts with [], not with \\x93NUMPY; write it with numpy.save",
        ),
        (
            |f| f.array("net_b.npy", "<i4", "(6, 2)", &[0; 48]),
            "FOLDER/net_b.npy: it has top-2 answers, the recording has top-1; record all models with the same access, \
             or set `access` in a manifest to what all of them have",
        ),
        (
            |f| f.labels("JPEG-net_a-090.npy", &TRUE_LABELS),
            "FOLDER: `JPEG-net_a-090.npy` and `JPEG-net_a-90.npy` are both net_a/jpeg/90; remove one",
        ),
        (
            |f| fs::remove_file(f.file("net_a.npy")).unwrap(),
            "FOLDER/HALF-net_a.npy: a variant of `net_a`, whose own answers are missing; add them, or remove its variants",
        ),
        (
            |f| {
                for entry in fs::read_dir(f.path()).unwrap() {
                    fs::remove_file(entry.unwrap().path()).unwrap();
                }
                f.labels("ground_truth.npy", &TRUE_LABELS);
            },
            "FOLDER: no recorded answers are in it; are they in a folder below?",
        ),
        (
            |f| f.labels("BLUR-net_a-1.npy", &TRUE_LABELS),
            "FOLDER/BLUR-net_a-1.npy: its name has none of the forms MODEL, FINETUNE-MODEL-all_model, \
             FINETUNE-MODEL-last_layer, HALF-MODEL, HIST-MODEL-equalize, JPEG-MODEL-QUALITY, POSTERIZE-MODEL-BITS, \
             PRUNE-MODEL-LAYERS-AMOUNT (all, conv or last), RS-MODEL-SIGMA-SAMPLES; rename it, or write a manifest",
        ),
        (
            |f| f.array("images_names.npy", "<U4", "(5,)", &[0; 80]),
            "FOLDER/images_names.npy: it names 5 images, the ground truth has 6; take the files of one recording",
        ),
        (
            |f| fs::remove_dir_all(f.path()).unwrap(),
            "FOLDER: can't be read: No such file or directory (os error 2); check the path and its permissions",
        ),
        (
            |f| {
                fs::remove_file(f.file("net_b.npy")).unwrap();
                fs::create_dir(f.file("net_b.npy")).unwrap();
            },
            "FOLDER/net_b.npy: can't be read: it is a folder; check the path and its permissions",
        ),
    ];
    for (spoil, expected) in cases {
        assert_eq!(error(r#"{"layout": "fbi"}"#, spoil), expected);
    }
}

#[test]
fn the_file_named_is_the_first_in_order_whatever_the_threads() {
    let spoil = |folder: &Folder| {
        for name in ["net_b.npy", "JPEG-net_a-100.npy", "JPEG-net_a-90.npy"] {
            folder.array(name, "<i8", "(6,)", &[0xFF; 48]);
        }
    };
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let error = pool.install(|| error(r#"{"layout": "fbi"}"#, spoil));
        assert!(error.starts_with("FOLDER/JPEG-net_a-90.npy: label -1 of image 0"), "{error}");
    }
}

#[test]
fn bad_manifests_are_refused_with_the_file_and_what_to_do() {
    let a = r#"{ file = "net_a.npy", family = "a" }"#;
    let cases = [
        (
            format!("models = [{a}, {{ file = \"net_b.npy\", family = \"a\" }}]"),
            "FOLDER: `net_a.npy` and `net_b.npy` are both a; remove one",
        ),
        (
            format!("models = [{a}, {a}]"),
            "FOLDER/manifest.toml: model 2 (file `net_a.npy`): model 1 has the same file; remove one",
        ),
        (
            "models = [{ file = \"../net_a.npy\", family = \"a\" }]".to_owned(),
            "FOLDER/manifest.toml: model 1 (file `../net_a.npy`): the file must be a path below the manifest's folder, without `..`",
        ),
        (
            format!("models = [{a}, {{ file = \"net_b.npy\", family = \"b\", kind = \"half\" }}]"),
            "FOLDER/net_b.npy: a variant of `b`, whose own answers are missing; add them, or remove its variants",
        ),
        (
            format!("models = [{a}, {{ file = \"net_b.npy\", family = \"a\", kind = \"melt\" }}]"),
            "FOLDER/manifest.toml: file `net_b.npy`: kind `melt` is not one of bertillon's own; give its `group` \
             (input, weights, training or output)",
        ),
        (
            format!(
                "models = [{a}, {{ file = \"net_b.npy\", family = \"a\", kind = \"half\", group = \"heat\" }}]"
            ),
            "FOLDER/manifest.toml: file `net_b.npy`: `group` = `heat` is none of input, weights, training, output",
        ),
        (
            format!("access = \"top3\"\nmodels = [{a}]"),
            "FOLDER/net_a.npy: it has top-1 answers, the recording has top-3; record all models with the same access, \
             or set `access` in a manifest to what all of them have",
        ),
        (
            format!("models = [{a}, {{ file = \"net_c.npy\", family = \"c\" }}]"),
            "FOLDER/net_c.npy: can't be read: No such file or directory (os error 2); check the path and its permissions",
        ),
        (
            "models = []".to_owned(),
            "FOLDER: no recorded answers are in it; are they in a folder below?",
        ),
        (
            "models = 3".to_owned(),
            "FOLDER/manifest.toml: line 1: invalid type: integer `3`, expected a sequence",
        ),
    ];
    for (manifest, expected) in cases {
        let actual = error("{}", |folder| folder.write("manifest.toml", &manifest));
        assert_eq!(actual, expected, "{manifest}");
    }
    let zeros = "0".repeat(64);
    let manifest =
        format!("models = [{{ file = \"net_a.npy\", family = \"a\", digest = \"{zeros}\" }}]");
    let actual = error("{}", |folder| folder.write("manifest.toml", &manifest));
    assert!(actual.starts_with("FOLDER/net_a.npy: its answers have the digest "), "{actual}");
    assert!(actual.contains("get the published file, or correct the manifest"), "{actual}");
}

#[test]
fn impossible_parameters_are_refused_with_what_is_allowed() {
    let nothing = |_: &Folder| {};
    let cases = [
        ("{}", "FOLDER: it has no manifest.toml or manifest.csv"),
        (r#"{"manifest": "list.json"}"#, "FOLDER/list.json: can't be read"),
        (r#"{"manifest": "net_a.npy"}"#, "FOLDER/net_a.npy: can't be read: it is no UTF-8"),
        (
            r#"{"manifest": "../m.toml"}"#,
            "`manifest` = ../m.toml: must be a file below `path`, without `..`",
        ),
        (r#"{"layout": "fbi", "manifest": "m.toml"}"#, "give one of the two"),
        (
            r#"{"layout": "fbi", "truth": "/etc/passwd"}"#,
            "`truth` = /etc/passwd: must be a file below `path`",
        ),
        (r#"{"layout": "fbi", "classes": 0}"#, "`classes` = 0: must be in 1..=65536"),
        (
            r#"{"layout": "fbi", "classes": 3}"#,
            "FOLDER/ground_truth.npy: label 3 of image 3 (rank 0) is none of the classes 0 to 2",
        ),
        (
            r#"{"layout": "fbi", "siblings": [["net_a"]]}"#,
            "a group of siblings has two names or more",
        ),
        (
            r#"{"layout": "fbi", "siblings": [["net_a", "net_c"]]}"#,
            "`siblings` = net_c: no family of that name is recorded",
        ),
        (
            r#"{"layout": "fbi", "siblings": [["net_a", "net_a"]]}"#,
            "`siblings` = net_a: the name comes twice",
        ),
    ];
    for (parameters, expected) in cases {
        let actual = error(parameters, nothing);
        assert!(actual.contains(expected), "{parameters}: {actual}");
    }
    let both = error("{}", |folder| {
        folder.write("manifest.toml", "");
        folder.write("manifest.csv", "");
    });
    assert!(both.contains("name one with `manifest`"), "{both}");
    let error = RecordedAnswers::configure(Parameters::default()).unwrap_err().to_string();
    assert_eq!(error, "`path` = \"\": name the folder with the recorded answers");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    let folder = Folder::good();
    let collection = folder.fbi().unwrap();
    let form = Form { images: IMAGES, ranks: 1, classes: 4 };
    let changes: [fn(&Folder); 3] = [
        |f| f.labels("HALF-net_a.npy", &[0; 5]),
        |f| age(&f.file("HALF-net_a.npy"), 77),
        |f| {
            f.labels("new.npy", &[0, 1, 2, 0, 1, 0]);
            fs::rename(f.file("new.npy"), f.file("HALF-net_a.npy")).unwrap();
        },
    ];
    for change in changes {
        let stamps = files::stamps(&collection.sources).unwrap();
        change(&folder);
        let error = files::read(&collection.sources, &stamps, form, None).unwrap_err().to_string();
        assert!(error.contains("HALF-net_a.npy: it changed while it was read; wait"), "{error}");
        folder.labels("HALF-net_a.npy", &[0, 1, 2, 0, 1, 0]);
    }
    age(&folder.file("ground_truth.npy"), 77);
    let error = collection.recorded(folder.scratch()).unwrap_err().to_string();
    assert!(error.contains("ground_truth.npy: it changed since it was read"), "{error}");
}

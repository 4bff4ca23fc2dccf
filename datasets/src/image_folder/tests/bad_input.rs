//! Files, lists and parameters that are wrong: refused with what is wrong, or left out by name where that is allowed.

use super::*;
use crate::image_folder::decode::{self, Damage};

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/image-folder").join(name)).unwrap()
}

#[track_caller]
fn refused(outcome: Result<Split>, expected: &[&str]) -> String {
    let error = outcome.expect_err("refused").to_string();
    for expected in expected {
        assert!(error.contains(expected), "{expected}: {error}");
    }
    error
}

/// What is wrong with a file.
#[track_caller]
fn damage(file: &[u8]) -> Damage {
    match decode::header(file) {
        Ok(header) => decode::decode(file, header.format).unwrap_err(),
        Err(damage) => damage,
    }
}

#[test]
fn a_file_cut_short_is_damaged_wherever_it_is_cut() {
    for name in ["420.jpg", "422-progressive.jpg", "cmyk.jpg", "colour.png", "lossy.webp"] {
        let file = golden(name);
        // libjpeg would paint the rest of a JPEG grey; without its end marker Pillow refuses it too.
        let last = if name.ends_with("jpg") { file.len() - 1 } else { file.len() * 9 / 10 };
        for length in (16..last).step_by(file.len() / 40).chain([last]) {
            let damage = damage(&file[..length]);
            let known = matches!(damage, Damage::Truncated | Damage::Broken { .. });
            assert!(known, "{name} of {length}: {damage}");
        }
        assert_eq!(damage(&file[..file.len() / 2]), Damage::Truncated, "{name}");
    }
}

#[test]
fn what_is_no_image_is_told() {
    assert_eq!(damage(b""), Damage::Empty);
    for file in [&b"GIF89a"[..], b"BM", b"\0", b"<html>", b"RIFF....WAVE", b"\xff\xd8"] {
        assert_eq!(damage(file), Damage::Unknown);
    }
    let broken: [&[u8]; 3] =
        [b"\xff\xd8\xff\xe0\0", b"\x89PNG\r\n\x1a\n\0", b"RIFF\0\0\0\0WEBPVP8 "];
    for file in broken {
        let damage = damage(file);
        assert!(matches!(damage, Damage::Truncated | Damage::Broken { .. }), "{damage}");
    }
}

#[test]
fn changed_bytes_never_panic() {
    for name in
        ["420.jpg", "ycck.jpg", "palette.png", "lossy-alpha.webp", "lossless.webp", "animated.webp"]
    {
        let file = golden(name);
        for seed in 0..200_usize {
            let mut changed = file.clone();
            for i in 0..3 {
                let place = (seed * 7919 + i * 104_729) % changed.len();
                changed[place] ^= u8::try_from(seed % 255 + 1).unwrap();
            }
            // Whatever it says.
            if let Ok(header) = decode::header(&changed)
                && header.pixels() < 1 << 20
            {
                let _ = decode::decode(&changed, header.format);
            }
        }
    }
}

#[test]
fn damaged_files_are_all_named_and_left_out_only_on_request() {
    let folder = Folder::of_classes();
    folder.write("a/broken.jpg", &golden("420.jpg")[..500]);
    folder.write("b/Thumbs.db", "no image");
    let expected = [
        "2 of 14 images can't be used: `a/broken.jpg` (it is cut short), `b/Thumbs.db` (it is no JPEG, PNG or WebP);",
        "--skip-bad-images",
    ];
    refused(folder.load(json!({})), &expected);
    let split = folder.skipping(json!({})).unwrap();
    let sentence = "2 of 14 images were left out: `a/broken.jpg` (it is cut short), `b/Thumbs.db` (it is no JPEG, PNG or \
                    WebP)";
    assert_eq!(split.left_out, [sentence]);
    let mut levels: Vec<u8> = levels(&split).iter().map(|(level, _)| *level).collect();
    levels.sort_unstable();
    assert_eq!(levels, (0..12).collect::<Vec<_>>());
    assert_eq!(split.pool.len(), 6);
}

#[test]
fn of_many_damaged_files_ten_are_named() {
    let folder = Folder::of_classes();
    for i in 0..14 {
        folder.write(&format!("c/bad-{i:02}.png"), [i]);
    }
    let error =
        refused(folder.load(json!({})), &["14 of 26 images", "`c/bad-09.png`", "and 4 more"]);
    assert!(!error.contains("bad-10"), "{error}");
    let all = Folder::new();
    all.write("a/x.png", "");
    refused(all.skipping(json!({})), &["none of 1 images can be used: `a/x.png` (it is empty)"]);
}

#[test]
fn the_same_bytes_twice_are_an_error_that_names_both() {
    let folder = Folder::of_classes();
    folder.write("c/again.png", flat(2));
    folder.write("b/again.png", flat(2));
    let expected = [
        "`b/again.png` (it has the same bytes as `a/2.png`)",
        "`c/again.png` (it has the same bytes as `a/2.png`)",
    ];
    refused(folder.load(json!({})), &expected);
    let split = folder.skipping(json!({})).unwrap();
    assert!(split.left_out[0].starts_with("2 of 14 images were left out: `b/again.png`"));
    assert_eq!(levels(&split).iter().filter(|&&image| image == (2, 0)).count(), 1);
}

#[test]
fn large_and_narrow_images_are_told_by_their_headers() {
    // 70,000 x 70,000 in a header of 33 bytes: no memory is taken for it.
    let mut huge = png(1, 1, &[0]);
    huge[16..20].copy_from_slice(&70_000_u32.to_be_bytes());
    huge[20..24].copy_from_slice(&70_000_u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let folder = Folder::of_classes();
    folder.write("a/huge.png", huge);
    refused(
        folder.load(json!({})),
        &["its 70000x70000 pixels are more than `max_pixels`, 64000000"],
    );
    fs::remove_file(folder.file("a/huge.png")).unwrap();
    refused(folder.load(json!({ "max_pixels": 29 })), &["12 of 12", "its 5x6 pixels"]);
    folder.load(json!({ "max_pixels": 30 })).unwrap();
    // 256 rows of it would be 256 million pixels.
    folder.write("a/line.png", png(1, 4_000, &[7; 4_000]));
    folder.load(json!({})).unwrap();
    refused(
        folder.load(json!({ "size": 256 })),
        &["`a/line.png` (it is too narrow: resized, its 256x1024000"],
    );
}

#[test]
fn lists_that_are_wrong_are_refused_with_the_line() {
    let folder = Folder::of_classes();
    let load = |list: &str, classes: Value| {
        folder.write("l.csv", list);
        folder.load(json!({ "labels": "l.csv", "classes": classes }))
    };
    let cases = [
        ("", Value::Null, "must name the columns: `file,label`"),
        ("a/0.png,0\na/1.png,1\n", Value::Null, "must name the columns: `file,label`"),
        ("file,label,split\na/0.png,0,x\n", Value::Null, "must name the columns: `file,label`"),
        ("file,label\n", Value::Null, "it lists no image"),
        ("file,label\na/0.png\n", Value::Null, "line: 2"),
        ("file,label\na/0.png,0\na/1.png,\n", Value::Null, "line 3: `a/1.png` has no label"),
        ("file,label\na/0.png,-1\n", Value::Null, "the label `-1` of `a/0.png` is no number"),
        ("file,label\na/0.png,cat\n", Value::Null, "name the classes with `classes`"),
        ("file,label\na/0.png,cat\n", json!(["dog"]), "neither the name nor the number"),
        ("file,label\na/0.png,65536\n", Value::Null, "none of 65536 classes"),
        (
            "file,label\na/0.png,10\n",
            json!(10),
            "line 2: the label 10 of `a/0.png` is none of 10 classes, 0 to 9",
        ),
        ("file,label\na/0.png,1\na/0.png,1\n", Value::Null, "lines 2 and 3 both list `a/0.png`"),
        (
            "file,label\na/0.png,1\na/./0.png,1\n",
            Value::Null,
            "`a/0.png` and `a/./0.png` are one file",
        ),
        (
            "file,label\na/0.png,1\na/x.png,1\na,1\n",
            Value::Null,
            "2 of the 3 images listed are no files in it: `a/x.png`, `a`",
        ),
        (
            "file,label\n../a/0.png,1\n",
            Value::Null,
            "line 2: `../a/0.png` must be a file below `path`",
        ),
        (
            "file,label\n/etc/passwd,1\n",
            Value::Null,
            "line 2: `/etc/passwd` must be a file below `path`",
        ),
    ];
    for (list, classes, expected) in cases {
        refused(load(list, classes), &[expected]);
    }
    folder.write("l.csv", b"file,label\ncaf\xe9.png,1\n");
    refused(folder.load(json!({ "labels": "l.csv" })), &["l.csv: can't be read", "UTF-8"]);
    refused(folder.load(json!({ "labels": "none.csv" })), &["none.csv: can't be read"]);
}

#[test]
fn folders_that_are_no_classes_are_refused() {
    let folder = Folder::of_classes();
    refused(folder.load(json!({ "classes": 4 })), &["3 folders for 4 classes"]);
    refused(
        folder.load(json!({ "classes": ["a", "b"] })),
        &["its folder `c` is none of `classes`"],
    );
    fs::create_dir_all(folder.file("d/nested")).unwrap();
    fs::create_dir(folder.file("e")).unwrap();
    refused(folder.load(json!({})), &["2 of 5 classes have no image: `d`, `e`"]);
    folder.write("d/1.png", flat(50));
    folder.write("e/1.png", flat(51));
    folder.write("stray.JPEG", "");
    refused(folder.load(json!({})), &["1 images lie in no folder of a class: `stray.JPEG`"]);
    refused(Folder::new().load(json!({})), &["it has no folders whose names are classes"]);
    let nowhere = Folder::new();
    refused(nowhere.load(json!({ "path": nowhere.file("none") })), &["none: can't be read"]);
    nowhere.write("file", "");
    refused(nowhere.load(json!({ "path": nowhere.file("file") })), &["it is no folder"]);
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_of_the_folder_are_refused() {
    use std::os::unix::fs::symlink;

    let outside = Folder::of_classes();
    let folder = Folder::of_classes();
    symlink(outside.file("a/0.png"), folder.file("a/link.png")).unwrap();
    refused(folder.load(json!({})), &["link.png: it is a link to", "outside `path`"]);
    fs::remove_file(folder.file("a/link.png")).unwrap();
    symlink(outside.file("a"), folder.file("d")).unwrap();
    refused(folder.load(json!({})), &["d: it is a link to a folder"]);
    refused(folder.load(json!({ "images": "d" })), &["outside `path`"]);
    folder.write("l.csv", "file,label\nd/0.png,0\n");
    refused(folder.load(json!({ "labels": "l.csv" })), &["outside `path`"]);
    fs::remove_file(folder.file("d")).unwrap();
    // Within the folder they are files like others, but no second image.
    fs::rename(folder.file("c/11.png"), folder.file("real")).unwrap();
    symlink(folder.file("real"), folder.file("c/11.png")).unwrap();
    assert_eq!(levels(&folder.load(json!({})).unwrap()).len(), 12);
    symlink(folder.file("c/10.png"), folder.file("c/12.png")).unwrap();
    refused(folder.load(json!({})), &["`c/10.png` and `c/12.png` are one file"]);
}

#[test]
fn impossible_parameters_are_refused() {
    let folder = Folder::of_classes();
    let cases = [
        (json!({ "path": "" }), "name the folder"),
        (json!({ "labels": "../l.csv" }), "must lie below `path`"),
        (json!({ "images": "/images" }), "must lie below `path`"),
        (json!({ "classes": 0 }), "1 to 65536"),
        (json!({ "classes": [] }), "1 to 65536"),
        (json!({ "classes": ["a", "b", "a"] }), "two classes have this name"),
        (json!({ "size": 0 }), "1..=16384"),
        (json!({ "size": [4, 20_000] }), "1..=16384"),
        (json!({ "channels": 2 }), "must be 3 or 1"),
        (json!({ "max_pixels": 0 }), "1 or more"),
        (json!({ "limit": 0 }), "1 or more"),
    ];
    for (set, expected) in cases {
        let error = folder.source(set).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (set, expected) in [
        (json!({ "size": "big" }), "expected pixels of the shorter side, or [height, width]"),
        (json!({ "classes": "all" }), "expected a number of classes, or a list of their names"),
    ] {
        let error = serde_json::from_value::<Parameters>(set).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn pools_and_memory_beyond_what_there_is_are_refused() {
    let folder = Folder::of_classes();
    let load = |pool| folder.source(json!({})).unwrap().load(&ImageRequest::of(Some(pool)));
    refused(load(0), &["`pool` = 0: there are 12 images"]);
    refused(load(13), &["`pool` = 13: there are 12 images: the pool has 1 to 12"]);
    folder.write("a/0.png", "");
    let request = ImageRequest { skip_bad_images: true, ..ImageRequest::of(Some(12)) };
    let error = folder.source(json!({})).unwrap().load(&request);
    refused(error, &["there are 11 images that can be used"]);
    refused(
        folder.load(json!({ "size": 16_384, "channels": 3 })),
        &["12 images of 3x16384x16384 take more than 8 GiB", "at most 10"],
    );
}

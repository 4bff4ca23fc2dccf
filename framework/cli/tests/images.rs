//! A folder of images, through the binary: the zoo on pictures that were written as files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it does not expect"
)]

#[allow(dead_code, reason = "each file of tests uses a part of it")]
mod place;

use std::fs;

use bertillon::{Configure, ImageRequest, ImageSource};
use bertillon_datasets::FashionMnist;
use place::Place;
use serde_json::{Value, json};

const SUITE: &str = r#"name = "folder"

[data]
source = "image-folder"
path = "pictures"
channels = 1
size = 28
pool = 60

[models]
source = "zoo"
names = ["lenet-a", "lenet-b"]

[[variants]]
plugin = "finetune"
grid = { layers = ["last"] }

[[fingerprints]]
name = "FBI"
method = "fbi"
selector = { plugin = "random" }

[evaluation]
budgets = [20]
draws = 1
"#;

/// A hundred pictures of clothes, each in the folder of its class.
fn pictures() -> Place {
    let place = Place::with(SUITE);
    let source = FashionMnist::configure(serde_json::from_value(json!({})).unwrap()).unwrap();
    let pool = source.load(&ImageRequest::of(Some(100))).unwrap().pool;
    let images = pool.images.unwrap();
    for (i, label) in pool.truth.iter().enumerate() {
        let folder = place.path(format!("pictures/{label}"));
        fs::create_dir_all(&folder).unwrap();
        let file = fs::File::create(folder.join(format!("{i}.png"))).unwrap();
        let mut writer = png::Encoder::new(file, 28, 28).write_header().unwrap();
        writer.write_image_data(images.image(i)).unwrap();
    }
    place
}

#[test]
fn a_damaged_picture_stops_a_run_by_name_or_is_left_out_by_name() {
    let place = pictures();
    fs::write(place.path("pictures/3/broken.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let (code, _, stderr) = place.run(&["run", "demo.toml", "--out", "none"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(!place.path("none/results.json").exists());
    for text in
        ["1 of 101 images can't be used: `3/broken.png` (it is cut short)", "--skip-bad-images"]
    {
        assert!(stderr.contains(text), "{stderr}");
    }
    let run = |out: &str| {
        let arguments = ["run", "demo.toml", "--quiet", "--skip-bad-images", "--out", out];
        let (code, _, stderr) = place.run(&arguments);
        assert_eq!(code, 0, "{stderr}");
        fs::read(place.path(out).join("results.json")).unwrap()
    };
    let first = run("first");
    let results: Value = serde_json::from_slice(&first).unwrap();
    let warnings = results["warnings"].as_array().unwrap();
    let sentence = "1 of 101 images was left out: `3/broken.png` (it is cut short)";
    assert!(warnings.iter().any(|warning| warning == sentence), "{warnings:?}");
    assert_eq!(results["population"]["models"].as_array().unwrap().len(), 4);
    assert_eq!(run("second"), first);
}

//! The same pixels as Pillow, which wrote `data/image-folder/expected.*` (see `make.py` there).

use npyz::NpyFile;

use super::*;
use crate::image_folder::decode;

/// A file of the golden folder, and what Pillow makes of it.
struct Golden {
    name: String,
    file: Vec<u8>,
    height: usize,
    width: usize,
    /// CRC-32 of the pixels as colours and as greys.
    checksums: [u32; 2],
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/image-folder")
}

fn golden() -> Vec<Golden> {
    let mut table = csv::Reader::from_path(folder().join("expected.csv")).unwrap();
    let rows = table.deserialize::<(String, usize, usize, u32, u32)>();
    rows.map(|row| {
        let (name, height, width, colour, grey) = row.unwrap();
        let file = fs::read(folder().join(&name)).unwrap();
        Golden { name, file, height, width, checksums: [colour, grey] }
    })
    .collect()
}

fn array(path: &Path) -> (Vec<u64>, Vec<u8>) {
    let file = fs::read(path).unwrap();
    let array = NpyFile::new(&file[..]).unwrap();
    (array.shape().to_vec(), array.into_vec().unwrap())
}

/// Shares of samples that differ at all, and by more than one level.
fn differences(one: &[u8], other: &[u8]) -> (f64, f64) {
    assert_eq!(one.len(), other.len());
    let share = |least: u8| {
        let far = one.iter().zip(other).filter(|(a, b)| a.abs_diff(**b) >= least).count();
        far as f64 / one.len() as f64
    };
    (share(1), share(2))
}

#[test]
fn every_kind_of_file_is_decoded_to_the_bytes_that_pillow_decodes() {
    let all = golden();
    assert_eq!(all.len(), 22);
    for golden in all {
        let header = decode::header(&golden.file).unwrap();
        assert_eq!((header.height, header.width), (golden.height, golden.width), "{}", golden.name);
        for (channels, expected) in [3, 1].into_iter().zip(golden.checksums) {
            let pixels = decode::decode(&golden.file, header.format).unwrap();
            let samples = pixels.with_channels(channels).samples;
            assert_eq!(samples.len(), channels * header.pixels(), "{}", golden.name);
            let mut crc = flate2::Crc::new();
            crc.update(&samples);
            assert_eq!(crc.sum(), expected, "{} with {channels} channels", golden.name);
        }
    }
}

#[test]
fn resized_and_cut_they_are_within_one_level_of_pillows() {
    let (shape, expected) = array(&folder().join("expected.npy"));
    assert_eq!(shape, [22, 4, 20, 20]);
    let images = Folder::new();
    for golden in golden() {
        images.write(&format!("class/{}", golden.name), &golden.file);
    }
    for (channels, range) in [(3, 0..1_200), (1, 1_200..1_600)] {
        let source = images.source(json!({ "size": 20, "channels": channels })).unwrap();
        let listing = Listing::read(&source.parameters).unwrap();
        // In the order of the table.
        let files: Vec<&Listed> = golden()
            .iter()
            .map(|golden| {
                let name = format!("class/{}", golden.name);
                listing.images.iter().find(|image| image.name == name).unwrap()
            })
            .collect();
        // Two files have the same palette, and other bytes.
        let prepared = source.form.prepare(&files, |images| images).unwrap();
        assert!(prepared.outcomes.iter().all(Outcome::is_image), "{:?}", prepared.outcomes);
        let pillows: Vec<u8> =
            expected.chunks_exact(1_600).flat_map(|image| &image[range.clone()]).copied().collect();
        let (any, far) = differences(&prepared.parts[0], &pillows);
        assert!(far == 0.0 && any < 0.25, "{any} {far}");
    }
}

#[test]
fn channels_resized_one_by_one_are_those_of_the_whole_image() {
    let golden = golden().into_iter().find(|golden| golden.name == "444.jpg").unwrap();
    let images = Folder::new();
    images.write("class/x.jpg", &golden.file);
    let split = images.load(json!({ "size": 17, "channels": 3 })).unwrap();
    let pixels = decode::decode(&golden.file, decode::Format::Jpeg).unwrap().samples;
    let planes: Vec<u8> = (0..3)
        .flat_map(|c| pixels.iter().skip(c).step_by(3).copied().collect::<Vec<_>>())
        .collect();
    let shape = |height, width| ImageShape { channels: 3, height, width };
    let whole = Images::new(planes, shape(golden.height, golden.width)).unwrap();
    let preprocessing = Preprocessing {
        resize: Resize::Shorter(17),
        interpolation: Interpolation::Bilinear,
        keeps_native: false,
    };
    assert_eq!(split.pool.images.unwrap(), preprocessing.apply(&whole, shape(17, 17)).unwrap());
}

/// `../shared` beside the repository.
fn shared() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let there = shared.join("imagenet/labels.csv").is_file();
    if !there {
        println!("skipped: no {}", shared.display());
    }
    there.then_some(shared)
}

#[test]
fn photographs_are_within_one_level_of_pillows() {
    let Some(shared) = shared() else { return };
    let (shape, expected) = array(&shared.join("golden/efficientnet_lite0/images_u8.npy"));
    assert_eq!(shape, [32, 224, 224, 3]);
    let names = fs::read_to_string(shared.join("golden/efficientnet_lite0/files.txt")).unwrap();
    let source = ImageFolder::configure(Parameters {
        path: shared.join("imagenet"),
        labels: Some("labels.csv".to_owned()),
        images: Some("images".to_owned()),
        classes: Some(Classes::Count(1000)),
        size: Resize::Shorter(224),
        ..Parameters::default()
    })
    .unwrap();
    let listing = Listing::read(&source.parameters).unwrap();
    assert_eq!(listing.images.len(), 400);
    let files: Vec<&Listed> = names
        .split_whitespace()
        .filter_map(|name| listing.images.iter().find(|image| name.ends_with(&image.name)))
        .collect();
    assert_eq!(files.len(), 32);
    let prepared = source.form.prepare(&files, |images| images).unwrap();
    let size = 3 * 224 * 224;
    let mut pillows = Vec::with_capacity(32 * size);
    for image in expected.chunks_exact(size) {
        (0..3).for_each(|c| pillows.extend(image.iter().skip(c).step_by(3)));
    }
    let (any, far) = differences(&prepared.parts[0], &pillows);
    assert!(far <= 0.001 && any < 0.25, "{any} {far}");
}

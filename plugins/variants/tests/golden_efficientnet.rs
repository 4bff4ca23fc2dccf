//! Every generator on an ImageNet network against PyTorch, torchvision and Pillow.
//!
//! Skipped where the golden values are absent; half of the images, to stay within a minute on one thread.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::{fs, path::PathBuf};

use bertillon::{
    ImageShape, Images, Mode, Model,
    registry::{self, Builder},
    testkit,
};
use bertillon_torchscript::{Normalisation, TorchScriptModel};
use bertillon_variants as _;
use tch::{Device, Tensor};

const SHAPE: ImageShape = ImageShape { channels: 3, height: 224, width: 224 };
const CLASSES: usize = 1000;
const IMAGES: usize = 16;
/// 16-bit convolutions take seconds an image on a CPU.
const HALF_IMAGES: usize = 4;

/// Generator, parameters, file, largest difference of logits allowed.
const CASES: [(&str, &str, &str, f64); 11] = [
    ("half", "{}", "half", 0.1),
    ("histogram", "{}", "histogram", 1e-3),
    ("jpeg", r#"{"quality": 30}"#, "jpeg_30", 1e-3),
    ("jpeg", r#"{"quality": 50}"#, "jpeg_50", 1e-3),
    ("jpeg", r#"{"quality": 90}"#, "jpeg_90", 1e-3),
    ("posterize", r#"{"bits": 3}"#, "posterize_3", 1e-3),
    ("posterize", r#"{"bits": 5}"#, "posterize_5", 1e-3),
    ("prune", r#"{"layers": "conv", "amount": 0.1}"#, "prune-conv_0.1", 1e-3),
    ("prune", r#"{"layers": "conv", "amount": 0.3}"#, "prune-conv_0.3", 1e-3),
    ("prune", r#"{"layers": "all", "amount": 0.02}"#, "prune-all_0.02", 1e-3),
    ("prune", r#"{"layers": "last", "amount": 0.9}"#, "prune-last_0.9", 1e-3),
];

fn shared() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared")
}

fn read<T: npyz::Deserialize>(name: &str) -> Vec<T> {
    let path = shared().join("golden/efficientnet_lite0").join(format!("{name}.npy"));
    npyz::NpyFile::new(&fs::read(path).unwrap()[..]).unwrap().into_vec().unwrap()
}

fn vanilla() -> Option<TorchScriptModel> {
    let path = shared().join("imagenet/efficientnet_lite0.pt");
    if !path.exists() || !shared().join("golden/efficientnet_lite0").exists() {
        println!("skipped: {} or its golden values are absent", path.display());
        return None;
    }
    tch::set_num_threads(1);
    // (255 x - 127) / 128
    let normalisation = Normalisation { scale: vec![255.0 / 128.0], offset: vec![-127.0 / 128.0] };
    Some(TorchScriptModel::load(path, SHAPE, CLASSES, normalisation, Device::Cpu).unwrap())
}

fn images() -> Images {
    let rows: Vec<u8> = read("images_u8");
    let planes = rows
        .chunks_exact(SHAPE.samples())
        .take(IMAGES)
        .flat_map(|image| (0..3).flat_map(move |c| image.iter().skip(c).step_by(3).copied()));
    Images::new(planes.collect::<Vec<_>>(), SHAPE).unwrap()
}

/// Compares with the golden logits; labels may differ where the two best are closer than twice the tolerance.
fn check(model: &dyn Model, images: &Images, name: &str, tolerance: f64) {
    let n = if name == "half" { HALF_IMAGES } else { IMAGES };
    let images = images.to_tensor(0..n, Device::Cpu);
    let actual = tch::no_grad(|| model.logits(&images, Mode::Evaluation)).unwrap();
    let expected = read::<f32>(&format!("logits_{name}"));
    let expected = Tensor::from_slice(&expected[..n * CLASSES]).view([n as i64, CLASSES as i64]);
    let difference = (&actual - &expected).abs().max().double_value(&[]);
    let (best, _) = expected.topk(2, 1, true, true);
    let (ours, theirs) =
        (bertillon::labels(&actual).unwrap(), bertillon::labels(&expected).unwrap());
    let moved = (0..n).filter(|&i| {
        let gap = best.double_value(&[i as i64, 0]) - best.double_value(&[i as i64, 1]);
        ours[i] != theirs[i] && gap > 2.0 * tolerance
    });
    println!("{name}: largest difference {difference:.1e}");
    assert!(difference <= tolerance, "{name}: {difference} > {tolerance}");
    assert_eq!(moved.count(), 0, "{name}: labels of clear images");
}

#[test]
fn variants_of_an_imagenet_network_match_pytorch() {
    let Some(vanilla) = vanilla() else { return };
    let images = images();
    check(&vanilla, &images, "vanilla", 1e-3);
    let generators = registry::of_kind(registry::PluginKind::Variant).unwrap();
    for (plugin, parameters, name, tolerance) in CASES {
        let entry = generators.iter().find(|entry| entry.name == plugin).unwrap();
        let Builder::Variant(build) = entry.builder else { unreachable!() };
        let copy = vanilla.fork().unwrap();
        let derived = build(parameters).unwrap().derive(copy, &mut testkit::workbench(0)).unwrap();
        assert!(!derived.changes.unchanged);
        check(derived.model.as_ref(), &images, name, tolerance);
    }
}

//! Attacks against what independent implementations reach on a fixed network and fixed images.
//!
//! The figures are printed: `cargo test -p bertillon-methods --test golden_attacks -- --include-ignored --nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that prints what it measures"
)]

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Instant,
};

use bertillon::{
    Access, Error, ImageShape, Images, Mode, Model, Parameter, Result, Stream, answer,
};
use bertillon_methods::attacks::{Attack, Crafted, Starts, logit_scale};
use flate2::read::GzDecoder;
use tch::{CModule, Device, Tensor};

const SHAPE: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };

struct LeNet(CModule);

impl Model for LeNet {
    fn input(&self) -> ImageShape {
        SHAPE
    }

    fn classes(&self) -> usize {
        10
    }

    fn logits(&self, images: &Tensor, _mode: Mode) -> Result<Tensor> {
        Ok(self.0.forward_ts(&[images])?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Err(Error::Refused("the golden network is not forked".into()))
    }
}

struct Golden {
    model: LeNet,
    images: Images,
    labels: Vec<u16>,
    scale: f64,
}

struct Figures {
    adversarial: usize,
    median_l2: f64,
}

fn golden() -> Option<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("../shared/golden/attacks");
    let data = root.join("datasets/data/fashion-mnist");
    let (images, labels) =
        (data.join("t10k-images-idx3-ubyte.gz"), data.join("t10k-labels-idx1-ubyte.gz"));
    for needed in [folder.join("lenet.pt"), images.clone(), labels.clone()] {
        if !needed.exists() {
            println!("skipped: no {}", needed.display());
            return None;
        }
    }
    tch::set_num_threads(1);
    // Else the interpreter changes its arithmetic after the first calls.
    tch::jit::set_graph_executor_optimize(false);
    let reference: serde_json::Value =
        serde_json::from_reader(File::open(folder.join("reference.json")).unwrap()).unwrap();
    let chosen: Vec<u32> = serde_json::from_value(reference["images"].clone()).unwrap();
    let all = Images::new(unpacked(images, 16), SHAPE).unwrap();
    let truth = unpacked(labels, 8);
    let mut network = CModule::load_on_device(folder.join("lenet.pt"), Device::Cpu).unwrap();
    network.set_eval();
    let model = LeNet(network);
    let images = all.gather(&chosen);
    let labels: Vec<u16> = chosen.iter().map(|&i| u16::from(truth[i as usize])).collect();
    let answers = answer(&model, &images, Access::Top1, Device::Cpu).unwrap();
    assert_eq!(answers.as_slice(), labels, "the network answers its images rightly");
    let scale = logit_scale(&model, &images, Device::Cpu).unwrap();
    Some(Golden { model, images, labels, scale })
}

fn unpacked(path: PathBuf, header: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes.split_off(header)
}

fn crafted(golden: &Golden, parameters: &str) -> Crafted {
    let attack: Attack = serde_json::from_str(parameters).unwrap();
    let Golden { model, images, labels, scale } = golden;
    let starts = Starts::new(model, images, labels, *scale, Device::Cpu).unwrap();
    attack.craft(&starts, &mut Stream::named(1, ["golden"])).unwrap()
}

/// Crafts from the hundred images and measures the 8-bit result as a service would see it.
fn measured(golden: &Golden, parameters: &str) -> Figures {
    let begun = Instant::now();
    let crafted = crafted(golden, parameters);
    let seconds = begun.elapsed().as_secs_f64();
    let answers = answer(&golden.model, &crafted.images, Access::Top1, Device::Cpu).unwrap();
    let succeeded = |i: &usize| answers.label(*i) != golden.labels[*i];
    let claimed: Vec<usize> = (0..100).filter(|&i| crafted.converged[i]).collect();
    assert!(claimed.iter().all(succeeded), "what an attack calls converged is answered otherwise");
    let distance = |i: usize| {
        let pairs = crafted.images.image(i).iter().zip(golden.images.image(i));
        pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt() / 255.0
    };
    let mut distances: Vec<f64> = (0..100).filter(succeeded).map(distance).collect();
    distances.sort_by(f64::total_cmp);
    let count = distances.len();
    let median = f64::midpoint(distances[(count - 1) / 2], distances[count / 2]);
    let mean = distances.iter().sum::<f64>() / count as f64;
    println!(
        "{parameters}: adversarial {count}, converged {}, median L2 {median:.4}, mean {mean:.4}, \
         forwards/image {:.1}, gradients/image {:.1}, {seconds:.2} s",
        claimed.len(),
        crafted.forwards as f64 / 100.0,
        crafted.gradients as f64 / 100.0,
    );
    Figures { adversarial: count, median_l2: median }
}

fn check(parameters: &str, least_adversarial: usize, largest_median: f64) {
    let Some(golden) = golden() else { return };
    let figures = measured(&golden, parameters);
    assert!(figures.adversarial >= least_adversarial, "{} adversarial", figures.adversarial);
    assert!(figures.median_l2 <= largest_median, "median L2 {}", figures.median_l2);
}

#[test]
fn boundary_projection_in_50_steps_survives_8_bits_below_0_72() {
    check(r#"{"name": "bp", "steps": 50}"#, 99, 0.72);
}

#[test]
fn boundary_projection_gains_from_more_steps_and_bears_fewer() {
    check(r#"{"name": "bp", "steps": 20}"#, 99, 0.76);
    check(r#"{"name": "bp", "steps": 100}"#, 99, 0.72);
}

#[test]
fn ddn_in_100_steps_survives_8_bits_below_0_70() {
    check(r#"{"name": "ddn", "steps": 100}"#, 99, 0.70);
}

#[test]
fn deepfool_survives_8_bits_below_0_80() {
    check(r#"{"name": "deepfool"}"#, 99, 0.80);
}

#[test]
fn carlini_wagner_in_5_searches_of_200_survives_8_bits_below_0_95() {
    check(r#"{"name": "cw", "search_steps": 5, "steps": 200}"#, 99, 0.95);
}

#[test]
#[ignore = "needs minutes"]
fn carlini_wagner_in_9_searches_of_1000_survives_8_bits_below_0_70() {
    check(r#"{"name": "cw", "search_steps": 9, "steps": 1000, "c": 0.001}"#, 99, 0.70);
}

#[test]
fn the_own_objective_survives_8_bits_with_its_margin() {
    for target in ["random", "least-likely"] {
        check(&format!(r#"{{"name": "boundary", "target": "{target}"}}"#), 99, 5.0);
    }
    check(r#"{"name": "boundary", "k": 0}"#, 99, 5.0);
}

#[test]
fn pgd_reaches_what_torchattacks_reaches() {
    check(r#"{"name": "pgd", "norm": "l2"}"#, 75, 1.01);
    check(r#"{"name": "pgd"}"#, 36, 0.8);
}

#[test]
fn a_network_that_is_asked_twice_crafts_the_same_queries() {
    let Some(golden) = golden() else { return };
    for name in ["bp", "ddn", "deepfool", "boundary", "pgd"] {
        let parameters = format!(r#"{{"name": "{name}"}}"#);
        assert_eq!(crafted(&golden, &parameters), crafted(&golden, &parameters), "{name}");
    }
}

//! Frozen copies of modules beside the modules themselves.
//!
//! Networks of `shared/imagenet` and `shared/golden`; what needs one is skipped where it is absent.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::{path::PathBuf, thread};

use bertillon::{Error, ImageShape, Mode, Model, Parameter, Result, Role, Stream};
use bertillon_torchscript::{Normalisation, TorchScriptModel, export};
use tch::{Device, Kind, Tensor};

const NETWORKS: [(&str, usize); 3] =
    [("efficientnet_lite0", 224), ("efficientnet_lite1", 240), ("efficientnet_lite2", 260)];

fn shared(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(file);
    match path.exists() {
        true => Some(path),
        false => {
            println!("skipped: {} is absent", path.display());
            None
        }
    }
}

fn efficientnet((name, side): (&str, usize)) -> Option<TorchScriptModel> {
    let path = shared(&format!("imagenet/{name}.pt"))?;
    tch::set_num_threads(1);
    let shape = ImageShape { channels: 3, height: side, width: side };
    // (255 x - 127) / 128
    let normalisation = Normalisation { scale: vec![255.0 / 128.0], offset: vec![-127.0 / 128.0] };
    Some(TorchScriptModel::load(path, shape, 1000, normalisation, Device::Cpu).unwrap())
}

fn lenet() -> Option<TorchScriptModel> {
    let path = shared("golden/attacks/lenet.pt")?;
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    Some(TorchScriptModel::load(path, shape, 10, Normalisation::default(), Device::Cpu).unwrap())
}

fn images(shape: ImageShape, count: usize) -> Tensor {
    let mut samples = vec![0.0_f32; count * shape.samples()];
    let mut stream = Stream::named(1, ["images"]);
    samples.fill_with(|| stream.below(256) as f32 / 255.0);
    Tensor::from_slice(&samples).view(shape.batch(count))
}

fn answered(model: &dyn Model, images: &Tensor) -> Tensor {
    tch::no_grad(|| model.logits(images, Mode::Evaluation)).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn frozen_networks_answer_as_plain_ones_and_repeat_to_the_bit() {
    for network in NETWORKS {
        let Some(frozen) = efficientnet(network) else { return };
        let images = images(frozen.input(), 4);
        let first = answered(&frozen, &images);
        assert_eq!(answered(&frozen, &images), first, "the second pass");
        assert_eq!(answered(frozen.fork().unwrap().as_ref(), &images), first, "a fork");
        let moved = images.copy();
        let elsewhere = thread::spawn(move || answered(&frozen, &moved)).join().unwrap();
        assert_eq!(elsewhere, first, "another thread");

        let plain = answered(&efficientnet(network).unwrap().plain(), &images);
        let difference = distance(&first, &plain);
        assert!(difference > 0.0, "{network:?} was not frozen");
        assert!(difference < 1e-4, "{network:?}: {difference}");
        let (best, _) = plain.topk(2, 1, true, true);
        let labels = [&first, &plain].map(|logits| bertillon::labels(logits).unwrap());
        for row in 0..4 {
            let gap = best.double_value(&[row, 0]) - best.double_value(&[row, 1]);
            let row = usize::try_from(row).unwrap();
            assert!(gap < 2e-4 || labels[0][row] == labels[1][row], "{network:?}: image {row}");
        }
    }
}

#[test]
fn gradients_by_images_are_those_of_the_plain_network() {
    let Some(frozen) = efficientnet(NETWORKS[0]) else { return };
    let gradient = |model: &TorchScriptModel| {
        let images = images(model.input(), 2).set_requires_grad(true);
        let logits = model.logits(&images, Mode::Evaluation).unwrap();
        let margin = (logits.select(1, 3) - logits.select(1, 7)).sum(Kind::Float);
        Tensor::run_backward(&[margin], &[&images], false, false).remove(0)
    };
    let ours = gradient(&frozen);
    let plain = gradient(&frozen.plain());
    // Last bits decide which side of its bounds an activation is on, so single derivatives may differ.
    let relative = (&ours - &plain).norm().double_value(&[]) / plain.norm().double_value(&[]);
    assert!(relative > 0.0 && relative < 1e-2, "{relative}");
}

#[test]
fn answers_follow_whatever_changes_the_weights() {
    let Some(model) = lenet() else { return };
    let images = images(model.input(), 3);
    let mut before = answered(&model, &images);
    let mut changed = |what: &str| {
        let now = answered(&model, &images);
        assert!(distance(&now, &before) > 1e-3, "{what}");
        let plain = model.fork().unwrap();
        assert!(distance(&answered(plain.as_ref(), &images), &now) < 1e-5, "{what}");
        before = now;
    };

    let mut kernel = model.parameters().remove(0).tensor;
    let _ = tch::no_grad(|| kernel.g_mul_scalar_(1.5));
    changed("in place, as pruning does");

    let _ = tch::no_grad(|| kernel.narrow(0, 0, 3).zero_());
    changed("through a view");

    // As an optimiser of libtorch does, past the count of changes.
    let bias = model.parameters().pop().unwrap().tensor.set_requires_grad(true);
    let loss = model.logits(&images, Mode::Evaluation).unwrap().square().sum(Kind::Float);
    let gradient = Tensor::run_backward(&[loss], &[&bias], false, false).remove(0);
    assert!(gradient.abs().max().double_value(&[]) > 0.0, "constants have no gradients");
    let _ = bias.data().g_sub_(&(gradient * 0.1));
    let _ = bias.set_requires_grad(false);
    changed("after a gradient");

    let _ = model.logits(&images, Mode::Training).unwrap();
    let _ = bias.data().g_add_scalar_(1.0);
    let _ = bias.data().narrow(0, 0, 1).fill_(9.0);
    changed("after a pass in training");
}

/// A network of one convolution behind a padding, with an activation.
struct Layers {
    weights: [Tensor; 2],
    padding: [i64; 4],
    activation: fn(&Tensor) -> Tensor,
}

impl Model for Layers {
    fn input(&self) -> ImageShape {
        ImageShape { channels: 3, height: 9, width: 8 }
    }

    fn classes(&self) -> usize {
        5
    }

    fn logits(&self, images: &Tensor, _mode: Mode) -> Result<Tensor> {
        let [kernel, bias] = &self.weights;
        let padded = images.f_constant_pad_nd(self.padding)?;
        let maps = padded.f_conv2d(kernel, Some(bias), 2, [0, 1], 1, 1)?;
        Ok((self.activation)(&maps).mean_dim([2_i64, 3].as_slice(), false, Kind::Float))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let names = [("layer.weight", Role::Convolution), ("layer.bias", Role::Bias)];
        let parameter = |((name, role), tensor): ((&str, Role), &Tensor)| Parameter {
            name: name.to_owned(),
            role,
            tensor: tensor.shallow_clone(),
        };
        names.into_iter().zip(&self.weights).map(parameter).collect()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Err(Error::Refused("not needed".to_owned()))
    }
}

#[test]
fn every_activation_and_padding_survives_freezing() {
    let mut stream = Stream::named(2, ["layers"]);
    let mut normal = |shape: &[i64], scale: f64| {
        let count = usize::try_from(shape.iter().product::<i64>()).unwrap();
        let mut values = vec![0.0_f32; count];
        stream.fill_normal(&mut values);
        Tensor::from_slice(&values).view(shape) * scale
    };
    let weights = [normal(&[5, 3, 3, 3], 3.0), normal(&[5], 1.0)];
    type Activation = fn(&Tensor) -> Tensor;
    let activations: [(&str, Activation); 7] = [
        ("relu", Tensor::relu),
        ("relu in place", |maps| maps.shallow_clone().relu_()),
        ("relu6", Tensor::relu6),
        ("hardtanh", Tensor::hardtanh),
        ("silu", Tensor::silu),
        ("hardswish", Tensor::hardswish),
        ("twice used", |maps| maps.relu() + maps),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, activation) in activations {
        for padding in [[1, 1, 2, 2], [0, 1, 0, 1], [0, 0, 0, 0]] {
            let weights = weights.each_ref().map(Tensor::copy);
            let layers = Layers { weights, padding, activation };
            let path = folder.path().join("layers.pt");
            tch::no_grad(|| export(&layers, &path, Device::Cpu)).unwrap();
            let shape = layers.input();
            let load = || {
                let normalisation = Normalisation::default();
                TorchScriptModel::load(&path, shape, 5, normalisation, Device::Cpu).unwrap()
            };
            let images = images(shape, 6);
            let (frozen, plain) = (load(), load().plain());
            let expected = answered(&layers, &images);
            assert!(distance(&answered(&plain, &images), &expected) < 1e-5, "{name} {padding:?}");
            assert!(distance(&answered(&frozen, &images), &expected) < 1e-5, "{name} {padding:?}");
        }
    }
}

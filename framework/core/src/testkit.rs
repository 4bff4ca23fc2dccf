//! Small models and owners for the tests of plugins, made without any file.

#![expect(
    clippy::missing_panics_doc,
    clippy::cast_possible_truncation,
    reason = "toys of fixed small size, for tests"
)]

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::{
    Access, Answers, ImageShape, Images, LabelledImages, Memory, Mode, Model, Owner, Parameter,
    Peer, Pool, Result, Role, Stream, Workbench, answer,
};

/// Images of the test kit: grey, 8 by 8.
pub const SHAPE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };

/// Classes of the test kit.
pub const CLASSES: usize = 4;

/// A convolution, ReLU and a linear classifier with random weights.
#[derive(Debug)]
pub struct ToyModel {
    parameters: Vec<(&'static str, Role, Tensor)>,
    kind: Kind,
}

impl ToyModel {
    /// A model whose weights come from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut stream = Stream::named(seed, ["toy model"]);
        let mut tensor = |size: &[i64], scale: f64| {
            let mut values =
                vec![0.0_f32; usize::try_from(size.iter().product::<i64>()).expect("small")];
            stream.fill_normal(&mut values);
            Tensor::from_slice(&values).view(size) * scale
        };
        Self {
            parameters: vec![
                ("features.weight", Role::Convolution, tensor(&[6, 1, 3, 3], 0.5)),
                ("features.bias", Role::Bias, tensor(&[6], 0.1)),
                ("classifier.weight", Role::Linear, tensor(&[CLASSES as i64, 6 * 36], 0.3)),
                ("classifier.bias", Role::Bias, tensor(&[CLASSES as i64], 0.1)),
            ],
            kind: Kind::Float,
        }
    }

    fn copied(&self, kind: Kind) -> Self {
        let copy = |tensor: &Tensor| tensor.detach().copy().to_kind(kind);
        let parameters = self.parameters.iter().map(|(n, r, t)| (*n, *r, copy(t))).collect();
        Self { parameters, kind }
    }
}

impl Model for ToyModel {
    fn input(&self) -> ImageShape {
        SHAPE
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn logits(&self, images: &Tensor, _mode: Mode) -> Result<Tensor> {
        let tensor = |i: usize| &self.parameters[i].2;
        let features =
            images.to_kind(self.kind).f_conv2d(tensor(0), Some(tensor(1)), 1, 0, 1, 1)?.relu();
        Ok(features.flatten(1, -1).f_linear(tensor(2), Some(tensor(3)))?.to_kind(Kind::Float))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |(name, role, tensor): &(&str, Role, Tensor)| Parameter {
            name: (*name).to_owned(),
            role: *role,
            tensor: tensor.shallow_clone(),
        };
        self.parameters.iter().map(parameter).collect()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.copied(self.kind)))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        Ok(Some(Box::new(self.copied(Kind::Half))))
    }
}

/// `n` random images.
pub fn images(n: usize, seed: u64) -> Images {
    let mut stream = Stream::named(seed, ["toy images"]);
    let data: Vec<u8> = (0..n * SHAPE.samples()).map(|_| stream.below(256) as u8).collect();
    Images::new(data, SHAPE).expect("whole images")
}

/// A workbench with 64 random images labelled by model 0.
pub fn workbench(seed: u64) -> Workbench {
    let images = images(64, seed);
    let answers = toy_answers(0, &images);
    let labels = (0..images.len()).map(|i| answers.label(i)).collect();
    Workbench {
        images: LabelledImages { images, labels },
        device: Device::Cpu,
        stream: Stream::named(seed, ["workbench"]),
    }
}

/// An owner of model 0 with four peers and a pool of `n` images, a quarter of which she answers wrongly.
pub fn owner(n: usize) -> Owner {
    let images = images(n, 0);
    let answers = toy_answers(0, &images);
    let mut stream = Stream::named(0, ["toy truth"]);
    let truth: Vec<u16> = (0..n)
        .map(|i| match stream.below(4) {
            0 => (answers.label(i) + 1) % CLASSES as u16,
            _ => answers.label(i),
        })
        .collect();
    let peer = |seed| Peer { name: format!("toy-{seed}"), answers: toy_answers(seed, &images) };
    Owner {
        name: "toy-0".into(),
        model: Some(Box::new(ToyModel::new(0))),
        peers: (1..5).map(peer).collect(),
        answers,
        pool: Arc::new(Pool { images: Some(images), truth: truth.into(), classes: CLASSES }),
        rehearsals: Vec::new(),
        device: Device::Cpu,
        memory: Memory::default(),
    }
}

fn toy_answers(seed: u64, images: &Images) -> Answers {
    answer(&ToyModel::new(seed), images, Access::TopK(3), Device::Cpu).expect("toy models answer")
}

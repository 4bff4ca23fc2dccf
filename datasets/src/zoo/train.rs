//! Training the zoo, reproducibly: all randomness from named streams, one libtorch thread.

use std::{fs, path::Path, time::Instant};

use bertillon::{
    Access, Error, Images, LabelledImages, Mode, Model, Parameter, Result, Role, Stream, answer,
};
use tch::{Device, Reduction, Tensor};

use super::{
    architectures::Architecture,
    card::{Card, CardEntry},
    members::{Member, select},
    network::{CLASSES, INPUT, Network},
    weights,
};
use crate::{
    fashion_mnist::{find, shipped},
    idx::{Idx, labelled},
};

const BATCH: usize = 128;
const MOMENTUM: f64 = 0.9;
const WEIGHT_DECAY: f64 = 5e-4;

/// Share of the steps in which the learning rate rises.
const WARM_UP: f64 = 0.2;

const OPTIMISER: &str = "SGD, Nesterov momentum 0.9, weight decay 5e-4 on matrices and kernels, learning rate \
                         linear up for a fifth of the steps, then linear down to 0; random horizontal flips";

/// Trains networks of the zoo (all, where `names` is empty) and writes their weights and card to `out`.
///
/// `data` is a folder with Fashion-MNIST's training split, `train-images-idx3-ubyte` and
/// `train-labels-idx1-ubyte`, each as it is or with `.gz`. Accuracies are those on the test split that ships.
/// The same machine and libtorch give the same bytes again. Entries of a card that is there already are kept
/// for networks that are not trained. Sets libtorch's number of threads to one.
///
/// # Errors
/// When a name is unknown, a file is missing or broken, `out` can't be written, or a training diverges.
pub fn train(
    data: &Path,
    out: &Path,
    names: &[String],
    progress: &mut dyn FnMut(&str),
) -> Result<Card> {
    let members = select(names)?;
    tch::set_num_threads(1);
    let training = training_split(data)?;
    let test = shipped()?;
    fs::create_dir_all(out)
        .map_err(|error| Error::file(out, format!("can't be made a folder: {error}")))?;
    let card_path = out.join("card.json");
    let mut card = existing_card(&card_path)?;
    for member in members {
        let start = Instant::now();
        let network = fit(member.architecture, member.seed, &training, &mut |text| {
            progress(&format!("{}: {text}", member.name()));
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let bytes = weights::to_bytes(&network)?;
        let entry = entry(&member, &network, &bytes, &test, seconds)?;
        progress(&format!(
            "{}: {:.2} % of the test split, {:.0} s",
            entry.name,
            100.0 * entry.accuracy,
            entry.seconds
        ));
        write(&out.join(member.file()), &bytes)?;
        card.put(entry);
        write(&card_path, &card.to_json()?)?;
    }
    Ok(card)
}

fn training_split(data: &Path) -> Result<LabelledImages> {
    let images_path = find(data, "train-images-idx3-ubyte")?;
    let images = Idx::read(&images_path)?;
    let labels = Idx::read(&find(data, "train-labels-idx1-ubyte")?)?;
    let split = labelled(images, labels, CLASSES)?;
    if split.images.shape() != INPUT {
        let problem =
            format!("the zoo takes 28x28 grey images, these are {:?}", split.images.shape());
        return Err(Error::file(images_path, problem));
    }
    Ok(split)
}

fn existing_card(path: &Path) -> Result<Card> {
    match fs::read(path) {
        Ok(bytes) => Card::from_json(&bytes, path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Card::default()),
        Err(error) => Err(Error::file(path, format!("can't be read: {error}"))),
    }
}

/// Writes beside the file and renames, so that an interrupted training leaves no half of one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| Error::file(path, format!("can't be written: {error}")))
}

fn entry(
    member: &Member,
    network: &Network,
    bytes: &[u8],
    test: &LabelledImages,
    seconds: f64,
) -> Result<CardEntry> {
    let answers = answer(network, &test.images, Access::Top1, Device::Cpu)?;
    Ok(CardEntry {
        name: member.name(),
        architecture: member.architecture.name.to_owned(),
        seed: member.seed,
        parameters: network.parameters().iter().map(|parameter| parameter.tensor.numel()).sum(),
        accuracy: answers.accuracy(&test.labels),
        digest: blake3::hash(bytes).to_hex().to_string(),
        epochs: member.architecture.epochs,
        batch: BATCH,
        learning_rate: member.architecture.learning_rate,
        optimiser: OPTIMISER.to_owned(),
        seconds: (10.0 * seconds).round() / 10.0,
        command: format!("bertillon zoo train --data DIR --out DIR {}", member.name()),
    })
}

/// Trains one network from its initialisation.
fn fit(
    architecture: &Architecture,
    seed: u64,
    split: &LabelledImages,
    progress: &mut dyn FnMut(&str),
) -> Result<Network> {
    let stream = Stream::named(seed, ["zoo", architecture.name]);
    let network = Network::untrained((architecture.layers)(), &stream.child("weights"))?;
    let mut optimiser = Optimiser::new(network.parameters())?;
    let steps = architecture.epochs * split.len().div_ceil(BATCH);
    let mut step = 0;
    for epoch in 1..=architecture.epochs {
        let mut epoch_stream = stream.child(&format!("epoch {epoch}"));
        let order = epoch_stream.sample_indices(split.len(), split.len());
        let mut total = 0.0;
        for indices in order.chunks(BATCH) {
            let images = flipped(&split.images, indices, &mut epoch_stream)?;
            let labels: Vec<_> =
                indices.iter().map(|&i| i64::from(split.labels[i as usize])).collect();
            let logits = network.logits(&images.tensor(Device::Cpu), Mode::Training)?;
            let target = Tensor::f_from_slice(&labels)?;
            let loss =
                logits.f_cross_entropy_loss(&target, None::<Tensor>, Reduction::Mean, -100, 0.0)?;
            loss.f_backward()?;
            optimiser.step(architecture.learning_rate * schedule(step, steps))?;
            total += loss.double_value(&[]) * indices.len() as f64;
            step += 1;
        }
        let mean = total / split.len() as f64;
        if !mean.is_finite() {
            let name = architecture.name;
            return Err(Error::Refused(format!(
                "the training of {name} diverged in epoch {epoch}"
            )));
        }
        progress(&format!("epoch {epoch} of {}, loss {mean:.3}", architecture.epochs));
    }
    Ok(network)
}

/// The images at `indices`, each mirrored by the toss of a coin.
fn flipped(images: &Images, indices: &[u32], stream: &mut Stream) -> Result<Images> {
    let mut data = Vec::with_capacity(indices.len() * INPUT.samples());
    for &i in indices {
        let image = images.image(i as usize);
        match stream.below(2) {
            0 => data.extend_from_slice(image),
            _ => image.chunks(INPUT.width).for_each(|row| data.extend(row.iter().rev())),
        }
    }
    Images::new(data, INPUT)
}

/// Learning rate of a step, as a share of the largest.
fn schedule(step: usize, steps: usize) -> f64 {
    let done = (step as f64 + 0.5) / steps as f64;
    if done < WARM_UP { done / WARM_UP } else { (1.0 - done) / (1.0 - WARM_UP) }
}

/// Stochastic gradient descent with Nesterov's momentum, as PyTorch computes it.
struct Optimiser {
    parameters: Vec<Parameter>,
    velocities: Vec<Tensor>,
}

impl Optimiser {
    fn new(parameters: Vec<Parameter>) -> Result<Self> {
        let velocities =
            parameters.iter().map(|p| Ok(p.tensor.f_zeros_like()?)).collect::<Result<_>>()?;
        for parameter in &parameters {
            let _ = parameter.tensor.f_set_requires_grad(true)?;
        }
        Ok(Self { parameters, velocities })
    }

    fn step(&mut self, learning_rate: f64) -> Result<()> {
        tch::no_grad(|| {
            for (parameter, velocity) in self.parameters.iter_mut().zip(&mut self.velocities) {
                let weights = &mut parameter.tensor;
                let mut gradient = weights.f_grad()?;
                if matches!(parameter.role, Role::Convolution | Role::Linear) {
                    gradient = gradient.f_add(&weights.f_mul_scalar(WEIGHT_DECAY)?)?;
                }
                let _ = velocity.f_mul_scalar_(MOMENTUM)?.f_add_(&gradient)?;
                let ahead = gradient.f_add(&velocity.f_mul_scalar(MOMENTUM)?)?;
                let _ = weights.f_sub_(&ahead.f_mul_scalar(learning_rate)?)?;
                weights.zero_grad();
            }
            Ok(())
        })
    }
}

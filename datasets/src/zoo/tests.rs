use std::{fs, path::Path};

use bertillon::{Access, Configure, Mode, Model, ModelCollection, Role, Stream, answer};
use tch::{Device, Kind, Tensor};

use super::{
    Parameters, SHIPPED, Zoo,
    architectures::ARCHITECTURES,
    card,
    members::members,
    network::{INPUT, Network},
    train, weights,
};
use crate::fashion_mnist::shipped;

fn zoo(names: &[&str]) -> Zoo {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Zoo::configure(Parameters { names, path: None }).unwrap()
}

fn untrained(index: usize) -> Network {
    tch::set_num_threads(1);
    let stream = Stream::named(1, ["untrained"]);
    Network::untrained((ARCHITECTURES[index].layers)(), &stream).unwrap()
}

fn images(n: usize) -> Tensor {
    let images = shipped().unwrap().images;
    images.to_tensor(0..n, Device::Cpu)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().contiguous().view(-1)).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn every_network_answers_ten_logits_an_image_and_lets_gradients_through() {
    for (index, architecture) in ARCHITECTURES.iter().enumerate() {
        let network = untrained(index);
        let batch = images(3).set_requires_grad(true);
        let logits = network.logits(&batch, Mode::Evaluation).unwrap();
        assert_eq!(logits.size(), [3, 10], "{}", architecture.name);
        logits.sum(Kind::Float).backward();
        assert!(batch.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
        assert_eq!(network.parameters().last().unwrap().tensor.size(), [10]);
        assert!(network.parameters().iter().all(|p| !p.tensor.requires_grad()));
    }
}

#[test]
fn an_images_logits_do_not_depend_on_the_others_of_its_batch() {
    for index in 0..ARCHITECTURES.len() {
        let network = untrained(index);
        let together = network.logits(&images(8), Mode::Evaluation).unwrap();
        let alone = network.logits(&images(1), Mode::Evaluation).unwrap();
        assert!(largest_difference(&together.narrow(0, 0, 1), &alone) < 1e-4);
    }
}

#[test]
fn images_of_another_size_are_refused() {
    let wrong = Tensor::zeros([1_i64, 3, 32, 32], (Kind::Float, Device::Cpu));
    let error = untrained(0).logits(&wrong, Mode::Evaluation).unwrap_err().to_string();
    assert!(error.contains("[1, 3, 32, 32]") && error.contains("[-1, 1, 28, 28]"), "{error}");
}

#[test]
fn a_fork_keeps_its_own_weights_and_running_statistics() {
    let network = untrained(1);
    let before = network.logits(&images(4), Mode::Evaluation).unwrap();
    let fork = network.fork().unwrap();
    assert_eq!(values(&fork.logits(&images(4), Mode::Evaluation).unwrap()), values(&before));
    let _ = fork.logits(&images(4), Mode::Training).unwrap();
    tch::no_grad(|| fork.parameters().into_iter().for_each(|mut p| p.tensor *= 2.0));
    assert_eq!(values(&network.logits(&images(4), Mode::Evaluation).unwrap()), values(&before));
    assert_ne!(values(&fork.logits(&images(4), Mode::Evaluation).unwrap()), values(&before));
}

#[test]
fn training_alone_moves_the_running_statistics_and_by_a_tenth() {
    let network = untrained(1);
    let mean = |network: &Network| {
        let (_, mean) = network.tensors().find(|(s, _)| s.name.ends_with("running_mean")).unwrap();
        values(mean)
    };
    let _ = network.logits(&images(64), Mode::Evaluation).unwrap();
    assert_eq!(mean(&network), [0.0; 8]);
    let _ = network.logits(&images(64), Mode::Training).unwrap();
    let kernel = &network.parameters()[0].tensor;
    let batch = (images(64) - 0.2860) / 0.3530;
    let features = batch.conv2d(kernel, None::<&Tensor>, 1, 1, 1, 1).max_pool2d(2, 2, 0, 1, false);
    let expected = features.mean_dim(&[0_i64, 2, 3][..], false, Kind::Float) * 0.1;
    for (got, expected) in mean(&network).into_iter().zip(values(&expected)) {
        assert!((got - expected).abs() < 1e-5, "{got} {expected}");
    }
}

#[test]
fn half_precision_is_close_but_not_equal_and_says_so_in_its_weights() {
    for (index, (name, _)) in SHIPPED.iter().enumerate() {
        let network = zoo(&[]).load(index, Device::Cpu).unwrap();
        let half = network.to_half().unwrap().unwrap();
        assert!(half.parameters().iter().all(|p| p.tensor.kind() == Kind::Half));
        let (exact, rounded) = (
            network.logits(&images(64), Mode::Evaluation).unwrap(),
            half.logits(&images(64), Mode::Evaluation).unwrap(),
        );
        assert_eq!(rounded.kind(), Kind::Float);
        let difference = largest_difference(&exact, &rounded);
        assert!(difference > 0.0 && difference < 0.15, "{name} {difference}");
    }
}

#[test]
fn the_zoo_has_seven_architectures_in_pairs_and_ships_all_of_them() {
    let names: Vec<_> = members().iter().map(|member| member.name()).collect();
    assert_eq!(names, SHIPPED.map(|(name, _)| name));
    let all = zoo(&[]);
    let ancestries: Vec<_> = all.vanillas().iter().map(|v| v.ancestry.as_str()).collect();
    assert_eq!(ancestries[..4], ["lenet", "lenet", "vgg", "vgg"]);
    assert_eq!(ancestries.len(), 14);
    assert!(SHIPPED.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 10 << 20);
}

#[test]
fn every_network_is_as_good_as_its_card_says_and_good_enough() {
    tch::set_num_threads(1);
    let test = shipped().unwrap();
    let some: Vec<u32> = (0..500).collect();
    let images = test.images.gather(&some);
    let all = zoo(&[]);
    let card = card().unwrap();
    for (index, (vanilla, entry)) in all.vanillas().iter().zip(&card.networks).enumerate() {
        assert_eq!((&vanilla.name, &vanilla.digest), (&entry.name, &entry.digest));
        let model = all.load(index, Device::Cpu).unwrap();
        let weights: usize = model.parameters().iter().map(|p| p.tensor.numel()).sum();
        assert_eq!(weights, entry.parameters);
        let answers = answer(&*model, &images, Access::Top1, Device::Cpu).unwrap();
        let accuracy = answers.accuracy(&test.labels[..500]);
        assert!((accuracy - entry.accuracy).abs() < 0.04, "{} {accuracy}", vanilla.name);
        let required = if vanilla.ancestry == "mlp" { 0.86 } else { 0.88 };
        assert!(entry.accuracy >= required, "{}", vanilla.name);
    }
}

#[test]
fn names_take_a_subset_in_the_zoos_order_and_a_wrong_one_gets_the_nearest() {
    let names: Vec<_> =
        zoo(&["vgg-b", "lenet-a"]).vanillas().iter().map(|v| v.name.clone()).collect();
    assert_eq!(names, ["lenet-a", "vgg-b"]);
    let parameters = Parameters { names: vec!["lenet-1".into()], path: None };
    let error = Zoo::configure(parameters).unwrap_err().to_string();
    assert!(
        error.contains("`names` = lenet-1") && error.contains("did you mean `lenet-a`"),
        "{error}"
    );
}

#[test]
fn weights_that_are_cut_short_or_belong_elsewhere_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let load = |bytes: &[u8]| {
        fs::write(folder.path().join("lenet-a.safetensors"), bytes).unwrap();
        let path = Some(folder.path().to_owned());
        let zoo = Zoo::configure(Parameters { names: vec!["lenet-a".into()], path }).unwrap();
        zoo.load(0, Device::Cpu).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let lenet = SHIPPED[0].1;
    assert_eq!(load(lenet), "");
    for cut in [0, 7, 100, lenet.len() - 1] {
        let error = load(&lenet[..cut]);
        assert!(error.contains("lenet-a.safetensors") && error.contains("truncated"), "{error}");
    }
    let error = load(SHIPPED[2].1);
    assert!(error.contains("tensor `layers.0.weight` has shape [8, 1, 3, 3]"), "{error}");
    let mut broken = lenet.to_vec();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(load(&broken).contains("holds NaN or infinity"));
    let absent = Parameters { names: Vec::new(), path: Some(folder.path().to_owned()) };
    let error = Zoo::configure(absent).unwrap_err().to_string();
    assert!(error.contains("lenet-b.safetensors"), "{error}");
}

#[test]
fn weights_come_back_as_they_were_written() {
    let network = untrained(3);
    let _ = network.logits(&images(16), Mode::Training).unwrap();
    let bytes = weights::to_bytes(&network).unwrap();
    let again =
        weights::from_bytes((ARCHITECTURES[3].layers)(), &bytes, Path::new("again"), Device::Cpu)
            .unwrap();
    for ((slot, a), (_, b)) in network.tensors().zip(again.tensors()) {
        assert_eq!(values(a), values(b), "{}", slot.name);
    }
    assert_eq!(weights::to_bytes(&again).unwrap(), bytes);
}

#[test]
fn initial_weights_have_the_variance_of_he_et_al() {
    let network = untrained(4);
    let parameters = network.parameters();
    let first = &parameters[0];
    assert_eq!((first.name.as_str(), first.role), ("layers.1.weight", Role::Linear));
    let deviation = first.tensor.std(true).double_value(&[]);
    assert!((deviation - (2.0_f64 / 784.0).sqrt()).abs() < 0.001, "{deviation}");
}

#[test]
fn training_twice_gives_the_same_files_which_load_and_a_card_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("zoo"));
    write_training_split(&data, 300);
    let names = ["mobilenet-b".to_owned(), "mlp-a".to_owned()];
    let mut lines = Vec::new();
    let first = train(&data, &out, &names, &mut |line| lines.push(line.to_owned())).unwrap();
    let bytes = fs::read(out.join("mobilenet-b.safetensors")).unwrap();
    let second = train(&data, &out, &names[..1], &mut |_| {}).unwrap();
    assert_eq!(fs::read(out.join("mobilenet-b.safetensors")).unwrap(), bytes);
    let digests = |card: &super::Card| -> Vec<_> {
        card.networks.iter().map(|entry| (entry.name.clone(), entry.digest.clone())).collect()
    };
    assert_eq!(digests(&first), digests(&second));
    let loaded = Zoo::configure(Parameters { names: names.to_vec(), path: Some(out) }).unwrap();
    for (vanilla, (name, digest)) in loaded.vanillas().iter().zip(digests(&first)) {
        assert_eq!((&vanilla.name, &vanilla.digest), (&name, &digest));
    }
    assert!(lines.iter().any(|line| line.starts_with("mlp-a: epoch 10 of 10, loss ")), "{lines:?}");
    let again = train(&data, &folder.path().join("x"), &["mlp".to_owned()], &mut |_| {});
    assert!(again.unwrap_err().to_string().contains("did you mean `mlp-"));
}

/// The first `n` images that ship, as if they were a training split.
fn write_training_split(folder: &Path, n: u16) {
    let all = shipped().unwrap();
    let [high, low] = n.to_be_bytes();
    let mut images = vec![0, 0, 8, 3, 0, 0, high, low, 0, 0, 0, 28, 0, 0, 0, 28];
    images.extend_from_slice(&all.images.as_bytes()[..usize::from(n) * INPUT.samples()]);
    let mut labels = vec![0, 0, 8, 1, 0, 0, high, low];
    labels.extend(all.labels[..usize::from(n)].iter().map(|&label| u8::try_from(label).unwrap()));
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("train-images-idx3-ubyte"), images).unwrap();
    fs::write(folder.join("train-labels-idx1-ubyte"), labels).unwrap();
}

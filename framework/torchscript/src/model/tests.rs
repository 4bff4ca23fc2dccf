//! Modules that are used rightly, and wrongly.

mod exports;

use std::io::Write;

use super::*;

const SHAPE: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };

fn lenet() -> Option<TorchScriptModel> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/attacks/lenet.pt");
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    let normalisation = Normalisation::default();
    Some(TorchScriptModel::load(path, SHAPE, 10, normalisation, Device::Cpu).unwrap())
}

fn images() -> Tensor {
    (Tensor::arange(2 * 784, tch::kind::FLOAT_CPU) * 7.0).remainder(256.0).view([2, 1, 28, 28])
        / 255.0
}

#[test]
fn a_fork_answers_alike_and_keeps_its_weights() {
    let Some(model) = lenet() else { return };
    let before = model.logits(&images(), Mode::Evaluation).unwrap();
    let fork = model.fork().unwrap();
    assert_eq!(fork.logits(&images(), Mode::Evaluation).unwrap(), before);
    for mut parameter in model.parameters() {
        let _ = tch::no_grad(|| parameter.tensor.zero_());
    }
    assert_eq!(model.logits(&images(), Mode::Evaluation).unwrap().abs().max(), Tensor::from(0_f32));
    assert_eq!(fork.logits(&images(), Mode::Evaluation).unwrap(), before);
}

#[test]
fn parameters_have_roles_and_gradients_flow() {
    let Some(model) = lenet() else { return };
    let parameters = model.parameters();
    let count: usize = parameters.iter().map(|p| p.tensor.numel()).sum();
    assert_eq!(count, 61_706);
    assert_eq!(parameters[0].role, Role::Convolution);
    assert_eq!(parameters[1].role, Role::Bias);
    assert_eq!(parameters.last().unwrap().role, Role::Bias);
    assert_eq!(parameters[parameters.len() - 2].role, Role::Linear);
    let x = images().set_requires_grad(true);
    let weight = parameters[0].tensor.set_requires_grad(true);
    let sum = model.logits(&x, Mode::Evaluation).unwrap().sum(Kind::Float);
    for gradient in Tensor::run_backward(&[sum], &[&x, &weight], false, false) {
        assert!(gradient.abs().sum(Kind::Float).double_value(&[]) > 0.0);
    }
}

#[test]
fn the_half_form_is_close_but_not_equal() {
    let Some(model) = lenet() else { return };
    let vanilla = model.logits(&images(), Mode::Evaluation).unwrap();
    let half = model.to_half().unwrap().unwrap();
    let difference = half.logits(&images(), Mode::Evaluation).unwrap() - &vanilla;
    let difference = difference.abs().max().double_value(&[]);
    assert!(difference > 0.0 && difference < 0.1, "{difference}");
    assert_eq!(half.parameters()[0].tensor.kind(), Kind::Half);
}

#[test]
fn normalisation_is_affine_by_channel() {
    let Some(mut model) = lenet() else { return };
    let expected = model.logits(&(images() * 2.0 - 1.0), Mode::Evaluation).unwrap();
    model.normalisation = Normalisation { scale: vec![2.0], offset: vec![-1.0] };
    assert_eq!(model.logits(&images(), Mode::Evaluation).unwrap(), expected);
}

#[test]
fn a_broken_file_is_named_with_the_way_to_export() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"PK\x03\x04 not a module").unwrap();
    let load = |path: &Path| {
        TorchScriptModel::load(path, SHAPE, 10, Normalisation::default(), Device::Cpu)
            .unwrap_err()
            .to_string()
    };
    let error = load(file.path());
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
    assert!(error.contains("torch.jit.trace") && error.contains("1, 1, 28, 28"), "{error}");
    assert!(load(Path::new("absent.pt")).contains("absent.pt"));
}

#[test]
fn a_network_that_writes_files_is_refused_before_it_is_loaded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/files");
    let written = ["written-by-a-network", "written-when-loaded"].map(Path::new);
    for name in ["writes.pt", "writes_when_loaded.pt"] {
        let input = ImageShape { channels: 1, height: 2, width: 2 };
        let normalisation = Normalisation::default();
        let loaded =
            TorchScriptModel::load(folder.join(name), input, 2, normalisation, Device::Cpu);
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains("its code has the name `save`"), "{error}");
        assert!(error.contains(name) && error.lines().count() == 1, "{error}");
    }
    assert!(written.iter().all(|path| !path.exists()));
}

#[test]
fn the_wrong_shape_or_number_of_classes_is_said_at_once() {
    let Some(model) = lenet() else { return };
    let load = |input, classes| {
        let normalisation = Normalisation::default();
        TorchScriptModel::load(&model.path, input, classes, normalisation, Device::Cpu)
            .unwrap_err()
            .to_string()
    };
    assert!(load(SHAPE, 11).contains("expected [2, 11]"));
    let shape = ImageShape { channels: 3, ..SHAPE };
    assert!(load(shape, 10).contains("can't take images of 3x28x28"));
}

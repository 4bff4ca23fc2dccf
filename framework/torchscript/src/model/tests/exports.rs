//! What people hand over in place of a module that takes any batch and answers logits. Modules are traced here; the files
//! in `files` are what only Python writes, by the script among them.

use super::*;

const SMALL: ImageShape = ImageShape { channels: 3, height: 4, width: 4 };
const CLASSES: usize = 3;

fn logits_of(images: &Tensor) -> Tensor {
    let weights = (Tensor::arange(48 * 3, tch::kind::FLOAT_CPU) * 0.7).sin().view([48, 3]);
    images.flatten(1, -1).matmul(&weights.to_kind(images.kind()))
}

/// A module that was traced with `example` and computes `answers`.
fn traced(example: &Tensor, mut answers: impl FnMut(&Tensor) -> Tensor) -> tempfile::TempPath {
    let trace = &mut |inputs: &[Tensor]| vec![answers(&inputs[0])];
    let example = example.shallow_clone();
    let module = CModule::create_by_tracing("Net", "forward", &[example], trace).unwrap();
    let file = tempfile::Builder::new().prefix("net").suffix(".pt").tempfile().unwrap();
    module.save(file.path()).unwrap();
    file.into_temp_path()
}

fn example(count: usize) -> Tensor {
    let ramp = Tensor::arange((count * 48) as i64, tch::kind::FLOAT_CPU) * 0.37;
    (&ramp - ramp.floor()).view(SMALL.batch(count))
}

fn interface() -> Interface {
    Interface::new(SMALL, CLASSES)
}

fn refused(path: impl AsRef<Path>, interface: Interface) -> String {
    TorchScriptModel::open(path.as_ref(), interface, Device::Cpu).unwrap_err().to_string()
}

/// Refused with all of `expected`, under the file's name.
#[track_caller]
fn check(answers: impl FnMut(&Tensor) -> Tensor, count: usize, expected: &[&str]) {
    let path = traced(&example(count), answers);
    check_message(&refused(&path, interface()), &path, expected);
}

#[track_caller]
fn check_message(message: &str, path: &Path, expected: &[&str]) {
    assert!(message.starts_with(path.to_str().unwrap()), "{message}");
    for part in expected {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_batch_size_that_the_trace_fixed_is_named() {
    // It is refused, or all images become one.
    for count in [1_usize, 2, 8] {
        let says = format!("takes batches of {count} only");
        check(|x| logits_of(&x.reshape(SMALL.batch(count))), count, &[&says, "x.flatten(1)"]);
    }
    check(
        |x| logits_of(x).sum_dim_intlist([0].as_slice(), true, Kind::Float),
        1,
        &["takes batches of 1 only"],
    );
}

#[test]
fn answers_that_are_no_logits_are_described() {
    check(|x| logits_of(x).argmax(1, false), 2, &["whole numbers (Int64)"]);
    check(|x| logits_of(x).unsqueeze(2), 2, &["[1, 3, 1], expected [1, 3]", "flatten(1)"]);
    check(|x| logits_of(x).narrow(1, 0, 2), 2, &["[1, 2], expected [1, 3]", "`classes = 2`"]);
    check(|x| (logits_of(x) - 1e6).log(), 2, &["NaN or infinite"]);
    let message = super::super::tryout::tensor(tch::IValue::Tuple(vec![
        tch::IValue::Tensor(example(1)),
        tch::IValue::None,
    ]))
    .unwrap_err();
    assert!(message.contains("a tuple of a tensor of shape [1, 3, 4, 4], None"), "{message}");
}

#[test]
fn images_that_a_module_wants_otherwise_are_described() {
    check(|x| logits_of(&(x.mean(Kind::Float) * example(1))), 1, &["batches of 1 only"]);
    let half = traced(&example(2).to_kind(Kind::Half), logits_of);
    check_message(&refused(&half, interface()), &half, &["takes 16-bit floats", "model.float()"]);
    let double = traced(&example(2).to_kind(Kind::Double), logits_of);
    check_message(&refused(&double, interface()), &double, &["takes 64-bit floats"]);
    let kernel = Tensor::ones([CLASSES as i64, 3, 4, 4], tch::kind::FLOAT_CPU);
    let last = traced(&example(2).permute([0, 2, 3, 1]), |x| {
        let images = x.permute([0, 3, 1, 2]);
        images.conv2d(&kernel, None::<Tensor>, [1, 1], [0, 0], [1, 1], 1).flatten(1, -1)
    });
    check_message(&refused(&last, interface()), &last, &["4x4x3, channels last", "x.permute"]);
    let whole = traced(&example(2).to_kind(Kind::Int64), |x| {
        logits_of(&x.bitwise_and(255).to_kind(Kind::Float))
    });
    check_message(&refused(&whole, interface()), &whole, &["takes whole numbers"]);
}

#[test]
fn dropout_and_batch_norm_that_were_traced_in_training_are_named() {
    check(|x| logits_of(x).dropout(0.5, true), 2, &["otherwise each time", "model.eval()"]);
    check(
        |x| logits_of(&(x - x.mean_dim([0].as_slice(), true, Kind::Float))),
        2,
        &["depends on the others of its batch", "model.eval()"],
    );
}

#[test]
fn probabilities_and_logits_are_told_apart() {
    let probabilities = traced(&example(2), |x| logits_of(x).softmax(1, Kind::Float));
    let logits = traced(&example(2), logits_of);
    let declared = Interface { outputs: Outputs::Probabilities, ..interface() };
    let message = refused(&probabilities, interface());
    check_message(
        &message,
        &probabilities,
        &["answers probabilities", "outputs = \"probabilities\""],
    );
    let message = refused(&logits, declared.clone());
    check_message(&message, &logits, &["answers no probabilities", "outputs = \"logits\""]);

    // Logits from probabilities differ by one number a row.
    let open = |path: &Path, interface| {
        TorchScriptModel::open(path, interface, Device::Cpu)
            .unwrap()
            .logits(&example(2), Mode::Evaluation)
            .unwrap()
    };
    let difference = open(&logits, interface()) - open(&probabilities, declared);
    let spread = difference.std_dim([1].as_slice(), false, false).max().double_value(&[]);
    assert!(spread < 1e-4, "{spread}");
}

#[test]
fn a_probability_of_zero_is_a_finite_logit() {
    let logits = Outputs::Probabilities.logits(&Tensor::from_slice(&[0.0_f32, 1.0]));
    let [zero, one] = [0, 1].map(|i| logits.double_value(&[i]));
    assert!(zero.is_finite() && zero < -87.0, "{zero}");
    assert_eq!(one, 0.0);
}

#[test]
fn colours_come_in_the_networks_order_before_they_are_scaled() {
    // One class a channel.
    let means = traced(&example(2), |x| x.mean_dim([2, 3].as_slice(), false, Kind::Float));
    let colours = Tensor::from_slice(&[0.8_f32, 0.5, 0.0]).view([1, 3, 1, 1]);
    let image = colours.expand(SMALL.batch(1), false);
    let normalisation = Normalisation { scale: vec![1.0, 1.0, 10.0], offset: vec![0.5, 0.0, 0.0] };
    let answer = |colours| {
        let interface = Interface { colours, normalisation: normalisation.clone(), ..interface() };
        let model = TorchScriptModel::open(&means, interface, Device::Cpu).unwrap();
        let prepared = model.prepared(Normalisation::default(), ColourOrder::Bgr).unwrap();
        [model, prepared].map(|model| {
            let logits = model.logits(&image, Mode::Evaluation).unwrap();
            [0, 1, 2].map(|i| (100.0 * logits.double_value(&[0, i])).round() / 100.0)
        })
    };
    assert_eq!(answer(ColourOrder::Rgb), [[1.3, 0.5, 0.0], [0.0, 0.5, 0.8]]);
    assert_eq!(answer(ColourOrder::Bgr), [[0.5, 0.5, 8.0], [0.0, 0.5, 0.8]]);
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/files").join(name)
}

#[test]
fn pickles_are_told_from_modules_with_what_to_do() {
    for name in ["state_dict.pt", "checkpoint.pt", "state_dict_legacy.pt"] {
        let message = refused(file(name), interface());
        check_message(&message, &file(name), &["state dict", "load_state_dict", "torch.jit.trace"]);
        assert!(message.contains("torch.zeros(1, 3, 4, 4)"), "{message}");
    }
    for name in ["pickled_model.pt", "pickled_model_legacy.pt"] {
        let message = refused(file(name), interface());
        check_message(&message, &file(name), &["pickled model", "weights_only=False"]);
    }
}

/// What the modules of Python take: 1x2x2 pixels, and answer: two classes.
fn tiny() -> Interface {
    Interface::new(ImageShape { channels: 1, height: 2, width: 2 }, 2)
}

#[test]
fn a_dictionary_is_described_by_its_keys() {
    let message = refused(file("dictionary.pt"), tiny());
    check_message(&message, &file("dictionary.pt"), &["a dictionary with the keys \"logits\""]);
}

#[test]
fn tensors_that_were_traced_onto_a_gpu_are_named() {
    if tch::Cuda::is_available() {
        println!("skipped: there is a GPU");
        return;
    }
    let message = refused(file("on_cuda.pt"), tiny());
    check_message(&message, &file("on_cuda.pt"), &["on a GPU", "model.cpu().eval()"]);
}

#[test]
fn a_scripted_module_is_trained_without_its_dropout() {
    let model = TorchScriptModel::open(file("dropout.pt"), tiny(), Device::Cpu).unwrap();
    let image = Tensor::ones([1, 1, 2, 2], tch::kind::FLOAT_CPU);
    let [evaluated, trained] =
        [Mode::Evaluation, Mode::Training].map(|mode| model.logits(&image, mode).unwrap());
    assert_eq!(evaluated, trained);
}

//! What a module is asked before it is used: does it take and answer what it is said to?
//!
//! A few images, in batches of 1, 2 and 3. What goes wrong is traced to what people do when they export: a batch size
//! baked in, dropout left on, a softmax at the end, 16-bit weights, tensors on a GPU.

use bertillon::{Error, ImageShape, Result};
use tch::{Device, IValue, Kind, TchError, Tensor};

use super::TorchScriptModel;
use crate::Outputs;

/// Batches that a module must take.
const BATCHES: [usize; 3] = [1, 2, 3];

/// Batch sizes that people bake in, tried where a module refuses its batches.
const BAKED_IN: [usize; 6] = [1, 4, 8, 16, 32, 64];

/// Difference of two answers to one image, in units of the largest logit, beyond rounding on a CPU and on a GPU.
const TOLERANCE: [f64; 2] = [1e-3, 2e-2];

/// How far rows of probabilities may miss a sum of 1: a thousand of them in 16-bit floats miss it by less.
const SUM: f64 = 5e-3;

/// Refuses a module that does not take or answer what it is said to.
pub(super) fn try_out(model: &TorchScriptModel) -> Result<()> {
    let trial = Trial { model };
    let answers = BATCHES
        .iter()
        .map(|&count| trial.answer(count))
        .collect::<Result<Vec<_>, String>>()
        .and_then(|answers| trial.judge(&answers));
    answers.map_err(|problem| Error::file(&model.path, problem))
}

/// Whether a module takes images at all, as one in 16 bits may not.
pub(super) fn answers(model: &TorchScriptModel) -> bool {
    Trial { model }.answer(2).is_ok()
}

/// Whether a module answers the same images alike twice.
pub(super) fn repeats(model: &TorchScriptModel) -> bool {
    let trial = Trial { model };
    match (trial.answer(3), trial.answer(3)) {
        (Ok(first), Ok(second)) => first == second,
        _ => false,
    }
}

struct Trial<'a> {
    model: &'a TorchScriptModel,
}

impl Trial<'_> {
    /// Different images, as the module takes them: noise, a ramp, noise of mostly dark pixels, and so on.
    fn images(&self, count: usize) -> Tensor {
        let samples = self.model.input.samples() as i64;
        let ramp = Tensor::arange(samples, (Kind::Double, Device::Cpu));
        let noise = (&ramp * 0.618_033_988_749_895).frac();
        let kinds = [noise.shallow_clone(), ramp / samples as f64, noise.pow_tensor_scalar(3.0)];
        let images: Vec<&Tensor> = kinds.iter().cycle().take(count).collect();
        let images = Tensor::cat(&images, 0).view(self.model.input.batch(count));
        self.model.normalised(&images.to_kind(Kind::Float).to_device(self.model.device))
    }

    fn ask(&self, images: Tensor) -> Result<IValue, TchError> {
        tch::jit::set_graph_executor_optimize(false);
        tch::no_grad(|| self.model.module.borrow().0.forward_is(&[IValue::Tensor(images)]))
    }

    /// What the module answers `count` images with, of the right shape.
    fn answer(&self, count: usize) -> Result<Tensor, String> {
        let value = self.ask(self.images(count)).map_err(|error| self.refusal(count, error))?;
        let answers = tensor(value)?;
        if !answers.is_floating_point() {
            return Err(format!(
                "the network answers whole numbers ({:?}), expected logits: export it without what chooses a label",
                answers.kind()
            ));
        }
        let expected = [count, self.model.classes].map(|n| n as i64);
        let size = answers.size();
        if size == expected {
            return Ok(answers);
        }
        if let Some(baked_in) = self.baked_in() {
            return Err(baked_in);
        }
        let advice = match size[..] {
            [n, k] if n == expected[0] => {
                format!("; if it knows {k} classes, say `classes = {k}`")
            }
            [n, k, ..] if n == expected[0] && size.iter().product::<i64>() == n * k => {
                "; export it with a `flatten(1)` at the end".to_owned()
            }
            _ => String::new(),
        };
        Err(format!(
            "the network answers {count} images with a tensor of shape {size:?}, expected {expected:?}{advice}"
        ))
    }

    /// Why the module refuses `count` images of the right shape.
    fn refusal(&self, count: usize, error: TchError) -> String {
        let ImageShape { channels, height, width } = self.model.input;
        let cause = Error::from(error).to_string();
        let on_cuda = ["'CUDA' backend", "cuda", "CUDA enabled"];
        if on_cuda.iter().any(|word| cause.contains(word)) && self.model.device == Device::Cpu {
            return format!(
                "the network computes with tensors that its trace put on a GPU ({cause}): export it on the CPU, \
                 torch.jit.trace(model.cpu().eval(), torch.zeros(1, {channels}, {height}, {width}))"
            );
        }
        if let Some(baked_in) = self.baked_in() {
            return baked_in;
        }
        let accepts = |images: Tensor| self.ask(images).is_ok();
        let images = self.images(count);
        for (kind, name) in
            [(Kind::Half, "16-bit"), (Kind::BFloat16, "bfloat16"), (Kind::Double, "64-bit")]
        {
            if accepts(images.to_kind(kind)) {
                return format!(
                    "the network takes {name} floats, expected 32-bit ones: export model.float(), traced with a \
                     32-bit image"
                );
            }
        }
        if accepts(images.to_kind(Kind::Uint8)) || accepts(images.to_kind(Kind::Int64)) {
            return "the network takes whole numbers, expected 32-bit floats: export it without what prepares images, \
                    or with an `x.float()` before it"
                .to_owned();
        }
        if accepts(images.permute([0, 2, 3, 1])) {
            return format!(
                "the network takes images of {height}x{width}x{channels}, channels last: export it with an \
                 `x.permute(0, 2, 3, 1)` before it"
            );
        }
        if accepts(images.get(0)) {
            return "the network takes one image without a batch: export it with batches"
                .to_owned();
        }
        format!("the network can't take images of {channels}x{height}x{width}: {cause}")
    }

    /// What to say of a module that takes batches of one size only, where it is such a one.
    fn baked_in(&self) -> Option<String> {
        let classes = self.model.classes as i64;
        let fits = |count: usize| {
            let answers = self.ask(self.images(count)).ok().and_then(|value| tensor(value).ok());
            answers.is_some_and(|answers| answers.size() == [count as i64, classes])
        };
        if BATCHES.iter().all(|&count| fits(count)) {
            return None;
        }
        let size = BATCHES.into_iter().chain(BAKED_IN).find(|&count| fits(count))?;
        Some(format!(
            "the network takes batches of {size} only, since the trace fixed it: use x.flatten(1) or \
             x.reshape(x.shape[0], -1) in the model in place of sizes as numbers, and export it again"
        ))
    }

    /// Holds answers to batches of 1, 2 and 3 against each other and against what was declared.
    fn judge(&self, answers: &[Tensor]) -> Result<(), String> {
        let [one, two, three] = answers else { return Ok(()) };
        if !is_true(&three.isfinite().all()) {
            return Err(
                "the network answers with NaN or infinite logits: its weights are broken, or its images are prepared \
                 so that it overflows"
                    .to_owned(),
            );
        }
        let tolerance =
            TOLERANCE[usize::from(self.model.device.is_cuda())] * (1.0 + largest(&three.abs()));
        let differ = |a: &Tensor, b: &Tensor| largest(&(a - b).abs()) > tolerance;
        if differ(one, &three.narrow(0, 0, 1)) || differ(two, &three.narrow(0, 0, 2)) {
            return Err(match differ(three, &self.answer(3)?) {
                true => "the network answers the same images otherwise each time: dropout is on; export it after \
                         model.eval()",
                false => "the network's answer to an image depends on the others of its batch: its BatchNorm was \
                          traced in training; export it after model.eval()",
            }
            .to_owned());
        }
        let sums = three.sum_dim_intlist([1].as_slice(), false, Kind::Double);
        let in_range = is_true(&three.ge(0.0).all()) && is_true(&three.le(1.0 + SUM).all());
        let are_probabilities =
            self.model.classes > 1 && in_range && largest(&(&sums - 1.0).abs()) < SUM;
        match (self.model.outputs, are_probabilities) {
            (Outputs::Logits, true) => Err(
                "the network answers probabilities (every row lies in [0, 1] and sums to 1), expected logits: export it \
                 without its softmax, or say `outputs = \"probabilities\"`"
                    .to_owned(),
            ),
            (Outputs::Probabilities, false) => Err(format!(
                "the network answers no probabilities: a row of its answers lies in [{:.3}, {:.3}] and sums to {:.3}; \
                 say `outputs = \"logits\"`",
                three.get(0).min().double_value(&[]),
                largest(&three.get(0)),
                sums.double_value(&[0])
            )),
            _ => Ok(()),
        }
    }
}

/// The one tensor that a module must answer with.
pub(super) fn tensor(value: IValue) -> Result<Tensor, String> {
    let found = match value {
        IValue::Tensor(tensor) => return Ok(tensor),
        IValue::Tuple(items) => format!("a tuple of {}", listed(&items)),
        IValue::GenericList(items) => format!("a list of {}", listed(&items)),
        IValue::TensorList(items) => format!("a list of {} tensors", items.len()),
        IValue::GenericDict(entries) => {
            let keys: Vec<String> = entries.iter().map(|(key, _)| described(key)).collect();
            format!("a dictionary with the keys {}", keys.join(", "))
        }
        other => described(&other),
    };
    Err(format!(
        "the network answers with {found}, expected one tensor of logits: export a module whose forward returns the \
         logits alone"
    ))
}

fn listed(items: &[IValue]) -> String {
    items.iter().map(described).collect::<Vec<_>>().join(", ")
}

fn described(value: &IValue) -> String {
    match value {
        IValue::Tensor(tensor) => format!("a tensor of shape {:?}", tensor.size()),
        IValue::String(text) => format!("\"{}\"", text.escape_debug()),
        IValue::Int(number) => number.to_string(),
        IValue::None => "None".to_owned(),
        _ => "something else than a tensor".to_owned(),
    }
}

fn largest(values: &Tensor) -> f64 {
    values.max().double_value(&[])
}

fn is_true(condition: &Tensor) -> bool {
    condition.int64_value(&[]) != 0
}

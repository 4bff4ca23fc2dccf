//! Any model as a TorchScript file.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    mem,
    path::Path,
    ptr,
};

use bertillon::{Error, Mode, Model, Result};
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

/// Writes `model` to `path` as a TorchScript module that PyTorch opens with `torch.jit.load`.
///
/// The module takes f32 `[N, C, H, W]` in `[0, 1]` and answers logits `[N, K]`, as the model does in
/// [`Mode::Evaluation`]. Its parameters are the model's, under the same names; whatever else the model computes with
/// (running statistics, a normalisation of its images) are constants of the code. What happens outside of libtorch is
/// not seen: a model that changes its images in 8 bits exports as if it changed them always to those of the trace, and
/// is refused.
///
/// # Errors
/// When the model fails, its form can't be traced, or the file can't be written.
pub fn export(model: &dyn Model, path: &Path, device: Device) -> Result<()> {
    let problem = |problem: String| Error::file(path, problem);
    let c_path = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| problem("a NUL in its name".to_owned()))?;
    let parameters = model.parameters();
    let names = parameters.iter().map(|parameter| CString::new(parameter.name.as_str()));
    let names: Vec<CString> = names
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Refused("a parameter with a NUL in its name".to_owned()))?;
    let name_pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let tensors: Vec<*const C_tensor> = parameters.iter().map(|p| p.tensor.as_ptr()).collect();
    let mut tracing = Tracing { model, failure: None };
    // Two images, so that nothing takes the first dimension for one that can be left out.
    let images = example(model, device, 2);
    // SAFETY: every pointer is to something that outlives the call; `names` and `tensors` have `count` elements; `forward`
    // gets the context it casts to, and no panic leaves it.
    #[expect(unsafe_code, reason = "C++ is called")]
    let message = tch::no_grad(|| unsafe {
        bertillon_trace(
            c_path.as_ptr(),
            parameters.len(),
            name_pointers.as_ptr(),
            tensors.as_ptr(),
            images.as_ptr(),
            forward,
            ptr::from_mut(&mut tracing).cast(),
        )
    });
    if let Some(failure) = tracing.failure {
        free(message);
        return Err(failure);
    }
    match free(message) {
        Some(said) => Err(problem(format!("can't be exported: {}", Error::torch(&said)))),
        None => agrees(model, path, device),
    }
}

/// Refuses a file that answers other images, or another number of them, otherwise than the model.
fn agrees(model: &dyn Model, path: &Path, device: Device) -> Result<()> {
    let mut module = tch::CModule::load_on_device(path, device)?;
    module.f_set_eval()?;
    tch::jit::set_graph_executor_optimize(false);
    let images = example(model, device, 3);
    let (expected, traced) = tch::no_grad(|| {
        Ok::<_, Error>((model.logits(&images, Mode::Evaluation)?, module.forward_ts(&[&images])?))
    })?;
    let close =
        expected.size() == traced.size() && expected.f_allclose(&traced, 1e-4, 1e-4, false)?;
    match close {
        true => Ok(()),
        false => Err(Error::file(
            path,
            "can't be exported: the trace answers otherwise than the model, which computes outside of libtorch, or \
             differently for other images",
        )),
    }
}

/// Images that differ in every sample.
fn example(model: &dyn Model, device: Device, count: usize) -> Tensor {
    let shape = model.input().batch(count);
    let samples: i64 = shape.iter().product();
    let ramp = Tensor::arange(samples, (Kind::Float, device)) * (0.618 * count as f64);
    (&ramp - ramp.floor()).view(shape)
}

/// What the callback works with.
struct Tracing<'a> {
    model: &'a dyn Model,
    failure: Option<Error>,
}

/// Answers from within C++.
#[expect(unsafe_code, reason = "C++ calls it")]
extern "C" fn forward(
    context: *mut c_void,
    images: *const C_tensor,
    logits: *mut *mut C_tensor,
) -> c_int {
    // SAFETY: `context` is the `Tracing` that `export` lent for the duration of the call, and nobody else uses it.
    let tracing = unsafe { &mut *context.cast::<Tracing<'_>>() };
    // SAFETY: `images` is a tensor of libtorch that outlives the call; the clone shares it.
    let images = unsafe { Tensor::clone_from_ptr(images.cast_mut()) };
    match bertillon::guard::catch(|| tracing.model.logits(&images, Mode::Evaluation)) {
        Ok(mut answer) => {
            // SAFETY: `logits` is where C++ takes the tensor over, which is why it is forgotten here.
            unsafe { *logits = answer.as_mut_ptr() };
            mem::forget(answer);
            1
        }
        Err(error) => {
            tracing.failure = Some(error);
            0
        }
    }
}

/// Frees a message of C++; what it says, if there is one.
pub(crate) fn free(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    #[expect(unsafe_code, reason = "C++ allocated it")]
    // SAFETY: a message is a C string of `bertillon_trace`, read before it is given back, once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        bertillon_trace_free(message);
        text
    };
    Some(text)
}

type Forward = extern "C" fn(*mut c_void, *const C_tensor, *mut *mut C_tensor) -> c_int;

#[expect(unsafe_code, reason = "declared in src/cpp/trace.cpp")]
unsafe extern "C" {
    fn bertillon_trace(
        path: *const c_char,
        count: usize,
        names: *const *const c_char,
        tensors: *const *const C_tensor,
        images: *const C_tensor,
        forward: Forward,
        context: *mut c_void,
    ) -> *mut c_char;
    fn bertillon_trace_free(message: *mut c_char);
}

#[cfg(test)]
mod tests {
    use bertillon::{
        ImageShape, Images, Parameter,
        testkit::{self, ToyModel},
    };

    use super::*;
    use crate::{Normalisation, TorchScriptModel};

    fn exported(model: &dyn Model) -> Result<TorchScriptModel> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.pt");
        export(model, &path, Device::Cpu)?;
        let (input, classes) = (model.input(), model.classes());
        TorchScriptModel::load(path, input, classes, Normalisation::default(), Device::Cpu)
    }

    #[test]
    fn a_file_answers_as_the_model_and_holds_its_parameters_by_name() {
        let model = ToyModel::new(3);
        let file = exported(&model).unwrap();
        let images = testkit::images(7, 5).tensor(Device::Cpu);
        let expected = model.logits(&images, Mode::Evaluation).unwrap();
        let difference = file.logits(&images, Mode::Evaluation).unwrap() - expected;
        assert!(difference.abs().max().double_value(&[]) < 1e-5);
        let named = |model: &dyn Model| {
            let mut named: Vec<_> =
                model.parameters().into_iter().map(|p| (p.name, p.tensor.size())).collect();
            named.sort();
            named
        };
        assert_eq!(named(&file), named(&model));
        assert!(named(&file).iter().any(|(name, _)| name.contains('.')), "parts are kept");
    }

    #[test]
    fn parameters_of_the_file_are_what_it_computes_with() {
        let file = exported(&ToyModel::new(3)).unwrap();
        for mut parameter in file.parameters() {
            let _ = tch::no_grad(|| parameter.tensor.zero_());
        }
        let images = testkit::images(2, 5).tensor(Device::Cpu);
        let logits = file.logits(&images, Mode::Evaluation).unwrap();
        assert_eq!(logits.abs().max().double_value(&[]), 0.0);
    }

    /// Answers by what it computes outside of libtorch, or fails.
    struct Elsewhere(bool);

    impl Model for Elsewhere {
        fn input(&self) -> ImageShape {
            ToyModel::new(0).input()
        }

        fn classes(&self) -> usize {
            ToyModel::new(0).classes()
        }

        fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
            if self.0 {
                return Err(Error::Refused("out of order".to_owned()));
            }
            let inverted: Vec<u8> =
                Images::from_tensor(images)?.as_bytes().iter().map(|v| 255 - v).collect();
            let images = Images::new(inverted, self.input())?.tensor(Device::Cpu);
            ToyModel::new(0).logits(&images, mode)
        }

        fn parameters(&self) -> Vec<Parameter> {
            Vec::new()
        }

        fn fork(&self) -> Result<Box<dyn Model>> {
            Ok(Box::new(Self(self.0)))
        }
    }

    #[test]
    fn what_a_trace_cannot_see_is_refused() {
        let error = exported(&Elsewhere(false)).unwrap_err().to_string();
        assert!(error.contains("computes outside of libtorch"), "{error}");
        let error = exported(&Elsewhere(true)).unwrap_err().to_string();
        assert_eq!(error, "out of order");
        // Nothing is left of a trace that failed.
        assert!(exported(&ToyModel::new(1)).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let path = Path::new("/no/such/folder/model.pt");
        let error = export(&ToyModel::new(0), path, Device::Cpu).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/folder/model.pt: "), "{error}");
    }
}

//! Copies of modules that answer faster: `src/cpp/frozen.cpp`.
//!
//! A copy has the module's weights as constants, its normalisations folded into convolutions, and takes images with
//! their channels innermost on a CPU. Its logits differ from the module's in the last bits, and repeat to the bit.

use std::{
    ffi::{c_char, c_void},
    mem::{align_of, size_of},
    ptr::{self, NonNull},
};

use bertillon::{Error, Result};
use tch::{CModule, Kind, Tensor};
use torch_sys::C_tensor;

use crate::export;

/// Largest difference from the module's own logits, in units of the largest of them and at least of 1.
const TOLERANCE: f64 = 1e-3;

/// The same where numbers have 16 bits.
const HALF_TOLERANCE: f64 = 3e-2;

/// The copy of one module, made when it is first needed, and anew when the module's weights have changed.
#[derive(Debug)]
pub(crate) enum Frozen {
    /// None yet.
    Unmade,
    /// Made of these weights; none where the module can't be frozen.
    Made(Weights, Option<Copy>),
    /// Not wanted.
    Never,
}

impl Frozen {
    /// What a copy of the module starts with.
    pub(crate) fn anew(&self) -> Self {
        match self {
            Self::Never => Self::Never,
            Self::Unmade | Self::Made(..) => Self::Unmade,
        }
    }

    /// Drops the copy: the module is about to change.
    pub(crate) fn forget(&mut self) {
        *self = self.anew();
    }

    /// Logits of a module that is in evaluation mode; none where it must answer itself.
    ///
    /// # Shapes
    /// `images`: `[N, C, H, W]` as the module takes them; result: `[N, K]`.
    pub(crate) fn logits(&mut self, module: &CModule, images: &Tensor) -> Result<Option<Tensor>> {
        if matches!(self, Self::Never) {
            return Ok(None);
        }
        let parameters = module.named_parameters()?;
        if gradients_wanted() && parameters.iter().any(|(_, tensor)| tensor.requires_grad()) {
            // Constants have no gradients; and what takes them is about to change the weights.
            self.forget();
            return Ok(None);
        }
        let weights = Weights::of(&parameters);
        if !matches!(self, Self::Made(made_of, _) if *made_of == weights) {
            let copy = Copy::of(module).ok().filter(|copy| agree(copy, module, images));
            *self = Self::Made(weights, copy);
        }
        match self {
            Self::Made(_, Some(copy)) => copy.logits(images).map(Some),
            _ => Ok(None),
        }
    }
}

/// Which weights a module has: where each tensor lies, and how often it was changed in place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Weights(Vec<(usize, i64)>);

impl Weights {
    fn of(parameters: &[(String, Tensor)]) -> Self {
        let state =
            |(_, tensor): &(String, Tensor)| (tensor.data_ptr().addr(), tensor.internal_version());
        Self(parameters.iter().map(state).collect())
    }
}

/// Whether a copy answers as its module does, on images that depend on nothing but the shape.
fn agree(copy: &Copy, module: &CModule, images: &Tensor) -> bool {
    let mut shape = images.size();
    shape[0] = 2;
    let ramp =
        Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, images.device())) * 0.618;
    let example = (&ramp - ramp.floor()).view(&shape[..]).to_kind(images.kind());
    let tolerance = if images.kind() == Kind::Float { TOLERANCE } else { HALF_TOLERANCE };
    let difference = || {
        let expected = module.forward_ts(&[&example])?.to_kind(Kind::Double);
        let difference = (copy.logits(&example)?.to_kind(Kind::Double) - &expected).abs().max();
        let unit = expected.abs().max().clamp_min(1.0);
        Ok::<_, Error>((difference / unit).f_double_value(&[])?)
    };
    // Not a number is no agreement.
    tch::no_grad(difference).is_ok_and(|difference| difference <= tolerance)
}

fn gradients_wanted() -> bool {
    #[expect(unsafe_code, reason = "C++ is called")]
    // SAFETY: it reads a switch of this thread.
    unsafe {
        bertillon_gradients_wanted()
    }
}

/// A frozen module in C++.
#[derive(Debug)]
pub(crate) struct Copy(NonNull<c_void>);

#[expect(unsafe_code, reason = "it is owned by one model, which goes from thread to thread")]
// SAFETY: nothing in it belongs to a thread, and it is used through one reference at a time.
unsafe impl Send for Copy {}

impl Copy {
    fn of(module: &CModule) -> Result<Self> {
        const {
            assert!(size_of::<CModule>() == size_of::<*const c_void>());
            assert!(align_of::<CModule>() == align_of::<*const c_void>());
        }
        let mut copy = ptr::null_mut();
        #[expect(unsafe_code, reason = "C++ is called, and tch has no way to a module's pointer")]
        // SAFETY: `CModule` of tch 0.24 has one field, the pointer to the module in C++; being as large as a pointer it is
        // one. The module outlives the call, which only reads it, and `copy` is where C++ puts what it made.
        let message = unsafe {
            let module = *ptr::from_ref(module).cast::<*const c_void>();
            bertillon_frozen_make(module, &raw mut copy)
        };
        check(message)?;
        NonNull::new(copy).map(Self).ok_or_else(|| Error::Torch("no frozen module".to_owned()))
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let mut logits = ptr::null_mut();
        #[expect(unsafe_code, reason = "C++ is called")]
        // SAFETY: the copy is alive as long as `self`, the images as long as the call; `logits` is where C++ puts a tensor
        // that is ours, so `from_ptr` takes it over once.
        unsafe {
            check(bertillon_frozen_answer(self.0.as_ptr(), images.as_ptr(), &raw mut logits))?;
            Ok(Tensor::from_ptr(logits))
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "C++ allocated it")]
        // SAFETY: it is given back once, by its only owner.
        unsafe {
            bertillon_frozen_free(self.0.as_ptr());
        }
    }
}

fn check(message: *mut c_char) -> Result<()> {
    export::free(message).map_or(Ok(()), |message| Err(Error::torch(&message)))
}

#[expect(unsafe_code, reason = "declared in src/cpp/frozen.cpp")]
unsafe extern "C" {
    fn bertillon_frozen_make(module: *const c_void, frozen: *mut *mut c_void) -> *mut c_char;
    fn bertillon_frozen_answer(
        frozen: *mut c_void,
        images: *const C_tensor,
        logits: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn bertillon_frozen_free(frozen: *mut c_void);
    fn bertillon_gradients_wanted() -> bool;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;

    #[test]
    fn a_copy_of_another_network_or_of_another_form_is_not_used() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/attacks/lenet.pt");
        if !path.exists() {
            println!("skipped: {} is absent", path.display());
            return;
        }
        let module = || {
            let mut module = CModule::load(&path).unwrap();
            module.set_eval();
            module
        };
        let (module, other) = (module(), module());
        let images = Tensor::zeros([3, 1, 28, 28], (Kind::Float, Device::Cpu));
        let copy = Copy::of(&module).unwrap();
        assert!(agree(&copy, &module, &images));
        let (_, mut bias) = other.named_parameters().unwrap().pop().unwrap();
        let _ = tch::no_grad(|| bias.g_add_scalar_(0.1));
        assert!(!agree(&copy, &other, &images));
        let narrow = Tensor::zeros([3, 1, 28, 27], (Kind::Float, Device::Cpu));
        assert!(!agree(&copy, &module, &narrow));
    }
}

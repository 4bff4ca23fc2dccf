//! White-box models: what an owner or a thief holds.

use tch::Tensor;

use crate::{ImageShape, Result};

/// How a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As a service does: BatchNorm by its running statistics, no dropout.
    Evaluation,
    /// As while fine-tuning: BatchNorm by the batch, running statistics updated.
    Training,
}

/// What a tensor of weights is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Kernel of a convolution (rank 4, depthwise and 1x1 included).
    Convolution,
    /// Matrix of a fully connected layer.
    Linear,
    /// Scale of a normalisation.
    Norm,
    /// Bias of any layer.
    Bias,
    /// Anything else: positional embeddings, class tokens.
    Other,
}

/// A named tensor of weights.
///
/// The tensor shares its storage with the model: in-place changes under `tch::no_grad` change the model.
#[derive(Debug)]
pub struct Parameter {
    /// Path within the model, `features.0.weight`; a layer's weight and bias share all but the last part.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The weights themselves.
    pub tensor: Tensor,
}

/// A classifier in white box.
///
/// Implementors keep: `logits` depends on its arguments and the weights only (no global random generator), each
/// image's logits on that image only in [`Mode::Evaluation`], and gradients flow to `images` and to parameters
/// that require them (input transforms excepted, which are not differentiable).
pub trait Model: Send {
    /// Shape of the images it takes.
    fn input(&self) -> ImageShape;

    /// Number of classes, K.
    fn classes(&self) -> usize;

    /// Answers a batch.
    ///
    /// # Shapes
    /// `images`: f32 `[N, C, H, W]` in `[0, 1]`; result: f32 `[N, K]`, unnormalised.
    ///
    /// # Errors
    /// When libtorch fails.
    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor>;

    /// Trainable weights, in the order of the layers; the classifier's last.
    fn parameters(&self) -> Vec<Parameter>;

    /// A deep copy.
    ///
    /// # Errors
    /// When the weights can't be copied.
    fn fork(&self) -> Result<Box<dyn Model>>;

    /// The same network computing in 16-bit floats, weights and activations; none when it has no such form.
    ///
    /// Images in `[0, 1]` are rounded to 16 bits before anything else; logits come back as f32.
    ///
    /// # Errors
    /// When the weights can't be converted.
    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        Ok(None)
    }
}

//! What a module takes and answers, which its file does not say.

use bertillon::ImageShape;
use tch::{Kind, Tensor};

/// What happens to an image in `[0, 1]` before the network: `scale x + offset`, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// One factor for all channels, or one each in the network's order.
    pub scale: Vec<f64>,
    /// One summand for all channels, or one each in the network's order.
    pub offset: Vec<f64>,
}

impl Default for Normalisation {
    /// The network takes `[0, 1]`.
    fn default() -> Self {
        Self { scale: vec![1.0], offset: vec![0.0] }
    }
}

/// In which order a network takes the channels of a colour image; images come as red, green, blue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColourOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV reads them.
    Bgr,
}

/// What a module answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outputs {
    /// Logits, unnormalised.
    #[default]
    Logits,
    /// Probabilities, which a softmax made of logits.
    Probabilities,
}

impl Outputs {
    /// Logits from what a module answers: probabilities by their logarithm, the smallest ones cut off where f32 ends.
    ///
    /// # Shapes
    /// `answers`: float `[N, K]`; result: f32 `[N, K]`.
    pub(crate) fn logits(self, answers: &Tensor) -> Tensor {
        let answers = answers.to_kind(Kind::Float);
        match self {
            Self::Logits => answers,
            Self::Probabilities => answers.clamp_min(f64::from(f32::MIN_POSITIVE)).log(),
        }
    }
}

/// What a module takes and answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Images it takes.
    pub input: ImageShape,
    /// Number of classes.
    pub classes: usize,
    /// What happens to their samples first.
    pub normalisation: Normalisation,
    /// In which order it takes their channels.
    pub colours: ColourOrder,
    /// What it answers with.
    pub outputs: Outputs,
}

impl Interface {
    /// Takes images in `[0, 1]` as they are, and answers logits.
    pub fn new(input: ImageShape, classes: usize) -> Self {
        Self {
            input,
            classes,
            normalisation: Normalisation::default(),
            colours: ColourOrder::default(),
            outputs: Outputs::default(),
        }
    }
}

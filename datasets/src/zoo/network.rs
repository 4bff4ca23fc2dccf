//! A small convolutional network, executed layer by layer over its tensors.

use bertillon::{Error, ImageShape, Mode, Model, Parameter, Result, Role, Stream};
use tch::{Device, Kind, TchError, Tensor};

/// Mean and standard deviation of the samples of Fashion-MNIST's training split, in `[0, 1]`.
const MEAN: f64 = 0.2860;
const DEVIATION: f64 = 0.3530;

/// Share of a batch's statistics that enters the running ones.
const MOMENTUM: f64 = 0.1;

/// Added to variances before their root.
const EPSILON: f64 = 1e-5;

/// What the networks of the zoo take.
pub(super) const INPUT: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };

/// What they tell apart.
pub(super) const CLASSES: usize = 10;

/// One step of a network.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    /// A convolution with square kernels.
    Convolution(Convolution),
    /// A fully connected layer.
    Linear {
        /// Features in.
        inputs: i64,
        /// Features out.
        outputs: i64,
    },
    /// Batch normalisation of so many channels.
    Norm(i64),
    /// max(x, 0), in place: never the first of a block, which would change the block's input.
    Relu,
    /// x min(max(x + 3, 0), 6) / 6.
    Hardswish,
    /// Largest of each square of this size.
    MaxPool(i64),
    /// Mean of each square of this size.
    AveragePool(i64),
    /// Mean of each channel.
    GlobalPool,
    /// All features in one row.
    Flatten,
    /// The body's output plus the shortcut's (the input itself, where the shortcut is empty).
    Residual {
        /// What is learnt.
        body: Vec<Self>,
        /// What makes the input fit.
        shortcut: Vec<Self>,
    },
    /// The input's channels followed by the body's.
    Dense(Vec<Self>),
}

/// Measures of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Convolution {
    pub(super) inputs: i64,
    pub(super) outputs: i64,
    pub(super) kernel: i64,
    pub(super) stride: i64,
    pub(super) padding: i64,
    pub(super) groups: i64,
    pub(super) bias: bool,
}

/// One tensor of a network: where it belongs and what it looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    /// `layers.3.body.0.weight`.
    pub(super) name: String,
    /// What it is for; none for running statistics, which are not trained.
    pub(super) role: Option<Role>,
    /// Its shape.
    pub(super) shape: Vec<i64>,
}

/// A network of the zoo: its layers and the tensors that they take, in order.
#[derive(Debug)]
pub(super) struct Network {
    layers: Vec<Layer>,
    slots: Vec<Slot>,
    tensors: Vec<Tensor>,
    kind: Kind,
}

impl Network {
    /// A network of `layers` with the tensors that `find` gives for each slot.
    pub(super) fn new(
        layers: Vec<Layer>,
        mut find: impl FnMut(&Slot) -> Result<Tensor>,
    ) -> Result<Self> {
        let mut slots = Vec::new();
        append_slots(&layers, "layers", &mut slots);
        let tensors = slots.iter().map(&mut find).collect::<Result<_>>()?;
        Ok(Self { layers, slots, tensors, kind: Kind::Float })
    }

    /// An untrained network: He et al.'s normal initialisation for weights, the neutral element for the rest.
    pub(super) fn untrained(layers: Vec<Layer>, stream: &Stream) -> Result<Self> {
        Self::new(layers, |slot| initial(slot, &mut stream.child(&slot.name)))
    }

    /// Every tensor with its slot, running statistics included.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (&Slot, &Tensor)> {
        self.slots.iter().zip(&self.tensors)
    }

    fn copied(&self, kind: Kind) -> Result<Self> {
        let copy = |tensor: &Tensor| Ok(tensor.detach().copy().f_to_kind(kind)?);
        Ok(Self {
            layers: self.layers.clone(),
            slots: self.slots.clone(),
            tensors: self.tensors.iter().map(copy).collect::<Result<_>>()?,
            kind,
        })
    }
}

impl Model for Network {
    fn input(&self) -> ImageShape {
        INPUT
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let size = images.size();
        if size.len() != 4 || size[1..] != INPUT.batch(1)[1..] {
            let expected = vec![-1, 1, 28, 28];
            return Err(Error::Shape { what: "a batch of images", expected, actual: size });
        }
        let images = images.f_to_kind(self.kind)?;
        let images = images.f_sub_scalar(MEAN)?.f_div_scalar(DEVIATION)?;
        let mut tensors = self.tensors.iter();
        Ok(forward(&self.layers, images, &mut tensors, mode)?.f_to_kind(Kind::Float)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |(slot, tensor): (&Slot, &Tensor)| {
            slot.role.map(|role| Parameter {
                name: slot.name.clone(),
                role,
                tensor: tensor.shallow_clone(),
            })
        };
        self.tensors().filter_map(parameter).collect()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.copied(self.kind)?))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        Ok(Some(Box::new(self.copied(Kind::Half)?)))
    }
}

fn forward<'a>(
    layers: &[Layer],
    mut x: Tensor,
    tensors: &mut impl Iterator<Item = &'a Tensor>,
    mode: Mode,
) -> Result<Tensor> {
    for layer in layers {
        x = step(layer, x, tensors, mode)?;
    }
    Ok(x)
}

fn step<'a>(
    layer: &Layer,
    mut x: Tensor,
    tensors: &mut impl Iterator<Item = &'a Tensor>,
    mode: Mode,
) -> Result<Tensor> {
    let mut next = || tensors.next().expect("a network holds a tensor for every slot");
    Ok(match layer {
        Layer::Convolution(c) => {
            let weight = next();
            let bias = c.bias.then(next);
            convolve(&x, weight, bias, c)?
        }
        Layer::Linear { .. } => x.f_linear(next(), Some(next()))?,
        Layer::Norm(_) => {
            let (weight, bias, mean, variance) = (next(), next(), next(), next());
            x.f_batch_norm(
                Some(weight),
                Some(bias),
                Some(mean),
                Some(variance),
                mode == Mode::Training,
                MOMENTUM,
                EPSILON,
                false,
            )?
        }
        Layer::Relu => x.f_relu_()?,
        Layer::Hardswish => x.f_hardswish()?,
        Layer::MaxPool(size) => x.f_max_pool2d(*size, *size, 0, 1, false)?,
        Layer::AveragePool(size) => x.f_avg_pool2d(*size, *size, 0, false, true, None)?,
        Layer::GlobalPool => x.f_mean_dim(&[2_i64, 3][..], false, None)?,
        Layer::Flatten => x.f_flatten(1, -1)?,
        Layer::Residual { body, shortcut } => {
            let learnt = forward(body, x.shallow_clone(), tensors, mode)?;
            learnt.f_add(&forward(shortcut, x, tensors, mode)?)?
        }
        Layer::Dense(body) => {
            let learnt = forward(body, x.shallow_clone(), tensors, mode)?;
            Tensor::f_cat(&[x, learnt], 1)?
        }
    })
}

fn convolve(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, c: &Convolution) -> Result<Tensor> {
    let run = |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>| {
        channels_last(x)?.f_conv2d(weight, bias, c.stride, c.padding, 1, c.groups)
    };
    if x.kind() != Kind::Half || x.device() != Device::Cpu {
        return Ok(run(x, weight, bias)?);
    }
    // 16-bit operands, 32-bit sums, a 16-bit result: as libtorch does, but without its slow path on the CPU.
    let float = |tensor: &Tensor| tensor.f_to_kind(Kind::Float);
    let y = run(&float(x)?, &float(weight)?, bias.map(float).transpose()?.as_ref())?;
    Ok(y.f_to_kind(Kind::Half)?)
}

/// The same tensor with its channels side by side in memory, which makes convolutions on the CPU faster.
fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    if x.size()[1] == 1 || x.device() != Device::Cpu {
        return Ok(x.shallow_clone());
    }
    x.f_permute(&[0_i64, 2, 3, 1][..])?.f_contiguous()?.f_permute(&[0_i64, 3, 1, 2][..])
}

/// The tensors that `layers` take, in the order in which [`forward`] takes them.
fn append_slots(layers: &[Layer], path: &str, slots: &mut Vec<Slot>) {
    for (i, layer) in layers.iter().enumerate() {
        let mut slot = |part: &str, role: Option<Role>, shape: &[i64]| {
            slots.push(Slot { name: format!("{path}.{i}.{part}"), role, shape: shape.to_vec() });
        };
        match layer {
            Layer::Convolution(c) => {
                let shape = [c.outputs, c.inputs / c.groups, c.kernel, c.kernel];
                slot("weight", Some(Role::Convolution), &shape);
                if c.bias {
                    slot("bias", Some(Role::Bias), &[c.outputs]);
                }
            }
            Layer::Linear { inputs, outputs } => {
                slot("weight", Some(Role::Linear), &[*outputs, *inputs]);
                slot("bias", Some(Role::Bias), &[*outputs]);
            }
            Layer::Norm(channels) => {
                slot("weight", Some(Role::Norm), &[*channels]);
                slot("bias", Some(Role::Bias), &[*channels]);
                slot("running_mean", None, &[*channels]);
                slot("running_var", None, &[*channels]);
            }
            Layer::Residual { body, shortcut } => {
                append_slots(body, &format!("{path}.{i}.body"), slots);
                append_slots(shortcut, &format!("{path}.{i}.shortcut"), slots);
            }
            Layer::Dense(body) => append_slots(body, &format!("{path}.{i}.body"), slots),
            Layer::Relu
            | Layer::Hardswish
            | Layer::MaxPool(_)
            | Layer::AveragePool(_)
            | Layer::GlobalPool
            | Layer::Flatten => {}
        }
    }
}

fn initial(slot: &Slot, stream: &mut Stream) -> Result<Tensor> {
    let count = usize::try_from(slot.shape.iter().product::<i64>()).expect("sizes are positive");
    let fan_in: i64 = slot.shape[1..].iter().product();
    let mut values = vec![0.0_f32; count];
    match slot.role {
        Some(Role::Convolution | Role::Linear) => {
            stream.fill_normal(&mut values);
            let scale = (2.0 / fan_in as f64).sqrt();
            #[expect(clippy::cast_possible_truncation, reason = "weights are 32-bit floats")]
            values.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
        Some(Role::Norm) => values.fill(1.0),
        None if slot.name.ends_with("running_var") => values.fill(1.0),
        _ => {}
    }
    Ok(Tensor::f_from_slice(&values)?.f_view(&slot.shape[..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs layers whose tensors are all filled by `fill`, on the values 1, -2 of one channel.
    fn run(layers: &[Layer], fill: &[f64]) -> Vec<f32> {
        let mut slots = Vec::new();
        append_slots(layers, "layers", &mut slots);
        assert_eq!(slots.len(), fill.len());
        let full = |(slot, &value): (&Slot, &f64)| {
            Tensor::full(&slot.shape[..], value, (Kind::Float, Device::Cpu))
        };
        let tensors: Vec<_> = slots.iter().zip(fill).map(full).collect();
        let x = Tensor::from_slice(&[1.0_f32, -2.0]).view([1, 1, 1, 2]);
        let y = forward(layers, x, &mut tensors.iter(), Mode::Evaluation).unwrap();
        Vec::try_from(y.contiguous().view(-1)).unwrap()
    }

    fn pointwise() -> Layer {
        Layer::Convolution(Convolution {
            inputs: 1,
            outputs: 1,
            kernel: 1,
            stride: 1,
            padding: 0,
            groups: 1,
            bias: true,
        })
    }

    #[test]
    fn a_residual_block_adds_and_a_dense_one_appends() {
        let body = vec![pointwise(), Layer::Relu];
        let residual = Layer::Residual { body: body.clone(), shortcut: vec![pointwise()] };
        // Body: max(0, 3 x + 1) = 4, 0; shortcut: 10 x - 1 = 9, -21.
        assert_eq!(run(&[residual], &[3.0, 1.0, 10.0, -1.0]), [13.0, -21.0]);
        let residual = Layer::Residual { body: body.clone(), shortcut: Vec::new() };
        assert_eq!(run(&[residual], &[3.0, 1.0]), [5.0, -2.0]);
        assert_eq!(run(&[Layer::Dense(body)], &[3.0, 1.0]), [1.0, -2.0, 4.0, 0.0]);
    }

    #[test]
    fn normalisation_in_evaluation_uses_the_running_statistics() {
        // Scale 2, shift 1, mean 3, variance 4: 2 (x - 3) / 2 + 1 = x - 2.
        let y = run(&[Layer::Norm(1)], &[2.0, 1.0, 3.0, 4.0]);
        assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] + 4.0).abs() < 1e-4, "{y:?}");
    }

    #[test]
    fn hard_swish_and_pooling_have_their_textbook_values() {
        // 1 * 4 / 6 and -2 * 1 / 6.
        let y = run(&[Layer::Hardswish], &[]);
        assert!((y[0] - 2.0 / 3.0).abs() < 1e-6 && (y[1] + 1.0 / 3.0).abs() < 1e-6, "{y:?}");
        assert_eq!(run(&[Layer::GlobalPool], &[]), [-0.5]);
    }

    #[test]
    fn a_depthwise_kernel_has_one_input_channel() {
        let depthwise = Convolution {
            inputs: 6,
            outputs: 6,
            kernel: 3,
            stride: 1,
            padding: 1,
            groups: 6,
            bias: false,
        };
        let mut slots = Vec::new();
        let block = Layer::Dense(vec![Layer::Relu, Layer::Convolution(depthwise)]);
        append_slots(&[block], "layers", &mut slots);
        assert_eq!(slots[0].name, "layers.0.body.1.weight");
        assert_eq!(slots[0].shape, [6, 1, 3, 3]);
    }
}

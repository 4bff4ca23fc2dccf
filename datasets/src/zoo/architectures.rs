//! The architectures of the zoo, small enough that one core answers thousands of images a second.

use super::network::{Convolution, Layer};

/// How one architecture is built and trained.
#[derive(Debug)]
pub(super) struct Architecture {
    /// Its name, which is its networks' ancestry too.
    pub(super) name: &'static str,
    /// Its layers.
    pub(super) layers: fn() -> Vec<Layer>,
    /// Passes over the training split.
    pub(super) epochs: usize,
    /// Largest learning rate of the schedule.
    pub(super) learning_rate: f64,
}

/// All architectures, in the order of the zoo.
pub(super) const ARCHITECTURES: [Architecture; 7] = [
    Architecture { name: "lenet", layers: lenet, epochs: 4, learning_rate: 0.05 },
    Architecture { name: "vgg", layers: vgg, epochs: 4, learning_rate: 0.1 },
    Architecture { name: "resnet", layers: resnet, epochs: 4, learning_rate: 0.1 },
    Architecture { name: "mobilenet", layers: mobilenet, epochs: 6, learning_rate: 0.1 },
    Architecture { name: "mlp", layers: mlp, epochs: 10, learning_rate: 0.05 },
    Architecture { name: "densenet", layers: densenet, epochs: 4, learning_rate: 0.1 },
    Architecture { name: "nin", layers: nin, epochs: 6, learning_rate: 0.06 },
];

/// Networks of each architecture: siblings that differ by their seed only.
pub(super) const SIBLINGS: [(&str, u64); 2] = [("a", 1), ("b", 2)];

/// LeCun et al.'s LeNet-5 (1998) with ReLU and max pooling: large kernels, no normalisation.
fn lenet() -> Vec<Layer> {
    vec![
        biased(1, 6, 5, 1, 2),
        Layer::Relu,
        Layer::MaxPool(2),
        biased(6, 16, 5, 1, 0),
        Layer::Relu,
        Layer::MaxPool(2),
        Layer::Flatten,
        linear(400, 120),
        Layer::Relu,
        linear(120, 84),
        Layer::Relu,
        linear(84, 10),
    ]
}

/// After Simonyan and Zisserman (2015): 3x3 convolutions between poolings, normalised.
fn vgg() -> Vec<Layer> {
    let mut layers = Vec::new();
    // The rectifier commutes with the pooling, and is cheaper behind it.
    let first = Layer::Convolution(convolution(1, 8, 3, 1, 1));
    layers.extend([first, Layer::MaxPool(2), Layer::Norm(8), Layer::Relu]);
    layers.extend(normed(convolution(8, 16, 3, 1, 1)));
    layers.push(Layer::MaxPool(2));
    layers.extend(normed(convolution(16, 32, 3, 1, 1)));
    layers.extend(normed(convolution(32, 32, 3, 1, 1)));
    layers.extend([
        Layer::MaxPool(2),
        Layer::Flatten,
        linear(288, 64),
        Layer::Relu,
        linear(64, 10),
    ]);
    layers
}

/// After He et al. (2016): a stem and three residual blocks, eight layers of weights.
fn resnet() -> Vec<Layer> {
    let mut layers = normed(convolution(1, 16, 3, 2, 1));
    for (inputs, outputs, stride) in [(16, 24, 2), (24, 24, 1), (24, 40, 2)] {
        let mut body = normed(convolution(inputs, outputs, 3, stride, 1));
        body.extend([
            Layer::Convolution(convolution(outputs, outputs, 3, 1, 1)),
            Layer::Norm(outputs),
        ]);
        let shortcut = match stride {
            1 => Vec::new(),
            _ => vec![
                Layer::Convolution(convolution(inputs, outputs, 1, stride, 0)),
                Layer::Norm(outputs),
            ],
        };
        layers.extend([Layer::Residual { body, shortcut }, Layer::Relu]);
    }
    layers.extend([Layer::GlobalPool, linear(40, 10)]);
    layers
}

/// After Howard et al. (2017, 2019): depthwise and pointwise convolutions in turn, hard swish.
fn mobilenet() -> Vec<Layer> {
    let mut layers =
        vec![Layer::Convolution(convolution(1, 16, 3, 2, 1)), Layer::Norm(16), Layer::Hardswish];
    for (inputs, outputs, stride) in [(16, 32, 2), (32, 48, 1), (48, 64, 1), (64, 96, 2)] {
        let depthwise = Convolution { groups: inputs, ..convolution(inputs, inputs, 3, stride, 1) };
        layers.extend([
            Layer::Convolution(depthwise),
            Layer::Norm(inputs),
            Layer::Hardswish,
            Layer::Convolution(convolution(inputs, outputs, 1, 1, 0)),
            Layer::Norm(outputs),
            Layer::Hardswish,
        ]);
    }
    layers.extend([Layer::GlobalPool, linear(96, 10)]);
    layers
}

/// A perceptron with two hidden layers: no convolution at all.
fn mlp() -> Vec<Layer> {
    vec![
        Layer::Flatten,
        linear(784, 128),
        Layer::Relu,
        linear(128, 64),
        Layer::Relu,
        linear(64, 10),
    ]
}

/// After Huang et al. (2017): two dense blocks with a transition, normalisation before each convolution.
fn densenet() -> Vec<Layer> {
    let dense = |inputs| {
        Layer::Dense(vec![
            Layer::Norm(inputs),
            Layer::Relu,
            Layer::Convolution(convolution(inputs, 12, 3, 1, 1)),
        ])
    };
    let mut layers = vec![Layer::Convolution(convolution(1, 16, 5, 2, 2)), Layer::MaxPool(2)];
    layers.extend([dense(16), dense(28), dense(40)]);
    layers.extend([
        Layer::Norm(52),
        Layer::Relu,
        Layer::Convolution(convolution(52, 32, 1, 1, 0)),
        Layer::AveragePool(2),
    ]);
    layers.extend([dense(32), dense(44)]);
    layers.extend([Layer::Norm(56), Layer::Relu, Layer::GlobalPool, linear(56, 10)]);
    layers
}

/// After Lin et al. (2014): 1x1 convolutions between strided ones, no pooling before the end, no normalisation.
fn nin() -> Vec<Layer> {
    let mut layers = Vec::new();
    for convolution in [
        biased(1, 24, 5, 2, 2),
        biased(24, 24, 1, 1, 0),
        biased(24, 48, 3, 2, 1),
        biased(48, 48, 1, 1, 0),
        biased(48, 64, 3, 2, 1),
        biased(64, 64, 1, 1, 0),
    ] {
        layers.extend([convolution, Layer::Relu]);
    }
    layers.extend([Layer::GlobalPool, linear(64, 10)]);
    layers
}

fn linear(inputs: i64, outputs: i64) -> Layer {
    Layer::Linear { inputs, outputs }
}

fn convolution(inputs: i64, outputs: i64, kernel: i64, stride: i64, padding: i64) -> Convolution {
    Convolution { inputs, outputs, kernel, stride, padding, groups: 1, bias: false }
}

fn biased(inputs: i64, outputs: i64, kernel: i64, stride: i64, padding: i64) -> Layer {
    Layer::Convolution(Convolution {
        bias: true,
        ..convolution(inputs, outputs, kernel, stride, padding)
    })
}

/// A convolution, normalised and rectified.
fn normed(convolution: Convolution) -> Vec<Layer> {
    vec![Layer::Convolution(convolution), Layer::Norm(convolution.outputs), Layer::Relu]
}

//! Stochastic gradient descent over a model's own parameters.

use bertillon::{Error, Mode, Model, Result, Stream, Workbench};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::{Kind, Reduction, Tensor};

/// How normalisation layers behave while a thief trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BatchNorm {
    /// By the batch; running statistics follow the thief's images.
    Training,
    /// By the running statistics, which stay.
    Evaluation,
}

impl From<BatchNorm> for Mode {
    fn from(policy: BatchNorm) -> Self {
        match policy {
            BatchNorm::Training => Self::Training,
            BatchNorm::Evaluation => Self::Evaluation,
        }
    }
}

/// Settings of the descent.
#[derive(Debug, Clone)]
pub(crate) struct Sgd {
    pub(crate) epochs: u32,
    pub(crate) learning_rate: f64,
    pub(crate) batch: u32,
    pub(crate) momentum: f64,
    pub(crate) mode: Mode,
}

impl Sgd {
    /// Refuses impossible settings.
    pub(crate) fn checked(self) -> Result<Self> {
        if !(1..=10_000).contains(&self.epochs) {
            return Err(Error::parameter("epochs", self.epochs, "must be in 1..=10000"));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Error::parameter("learning_rate", self.learning_rate, "must be above 0"));
        }
        if !(1..=65_536).contains(&self.batch) {
            return Err(Error::parameter("batch", self.batch, "must be in 1..=65536"));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(Error::parameter("momentum", self.momentum, "must be in [0, 1)"));
        }
        Ok(self)
    }

    /// Trains the parameters `trained` (indices) of `model` on the workbench's images; returns the mean loss of
    /// the last epoch.
    ///
    /// Cross-entropy, `v = momentum v + gradient`, `w = w - learning_rate v`, no weight decay. Every epoch shuffles
    /// the images anew by the workbench's stream; those left over from whole batches wait for the next epoch.
    /// `prepare` may change a batch of images, given with its labels, before it is learnt.
    pub(crate) fn train(
        &self,
        model: &dyn Model,
        trained: &[usize],
        workbench: &mut Workbench,
        mut prepare: impl FnMut(Tensor, &Tensor, &mut Stream) -> Result<Tensor>,
    ) -> Result<f64> {
        check_images(model, workbench)?;
        let parameters = model.parameters();
        for parameter in &parameters {
            let _ = parameter.tensor.set_requires_grad(false);
        }
        let mut weights: Vec<Tensor> =
            trained.iter().map(|&i| parameters[i].tensor.set_requires_grad(true)).collect();
        let mut velocities: Vec<Tensor> = weights.iter().map(Tensor::zeros_like).collect();
        let count = u32::try_from(workbench.images.len()).expect("images are counted in u32");
        let mut order: Vec<u32> = (0..count).collect();
        let batch = (self.batch as usize).min(order.len());
        let mut loss = 0.0;
        for epoch in 1..=self.epochs {
            workbench.stream.shuffle(&mut order);
            let mut sum = 0.0;
            for indices in order.chunks_exact(batch) {
                let images = workbench.images.images.gather(indices).tensor(workbench.device);
                let labels: Vec<i64> =
                    indices.iter().map(|&i| workbench.images.labels[i as usize].into()).collect();
                let labels = Tensor::from_slice(&labels).to_device(workbench.device);
                let step = || -> Result<f64> {
                    let images = prepare(images, &labels, &mut workbench.stream)?;
                    let loss = cross_entropy(&model.logits(&images, self.mode)?, &labels)?;
                    let gradients = Tensor::f_run_backward(&[&loss], &weights, false, false)?;
                    self.step(&mut weights, &mut velocities, &gradients)?;
                    Ok(loss.double_value(&[]))
                };
                sum += tch::with_grad(step)?;
            }
            loss = sum / (order.len() / batch) as f64;
            if !loss.is_finite() {
                return Err(Error::Refused(format!(
                    "training diverged in epoch {epoch}: lower `learning_rate` ({})",
                    self.learning_rate
                )));
            }
        }
        for weight in &weights {
            let _ = weight.set_requires_grad(false);
        }
        Ok(loss)
    }

    fn step(
        &self,
        weights: &mut [Tensor],
        velocities: &mut [Tensor],
        gradients: &[Tensor],
    ) -> Result<()> {
        tch::no_grad(|| {
            for ((weight, velocity), gradient) in weights.iter_mut().zip(velocities).zip(gradients)
            {
                // A weight that the forward pass did not use has none.
                if gradient.defined() {
                    *velocity = &*velocity * self.momentum + gradient;
                    let _ = weight.f_sub_(&(&*velocity * self.learning_rate))?;
                }
            }
            Ok(())
        })
    }
}

/// Mean cross-entropy of logits `[N, K]` and labels `[N]`.
pub(crate) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let likelihoods = logits.f_log_softmax(-1, Kind::Float)?;
    Ok(likelihoods.f_nll_loss(labels, None::<Tensor>, Reduction::Mean, -100)?)
}

fn check_images(model: &dyn Model, workbench: &Workbench) -> Result<()> {
    let images = &workbench.images;
    if images.is_empty() {
        return Err(Error::Refused("the thief has no images to fine-tune with".into()));
    }
    match images.labels.iter().find(|&&label| usize::from(label) >= model.classes()) {
        Some(label) => Err(Error::Refused(format!(
            "the thief's images have label {label}, but the model has {} classes",
            model.classes()
        ))),
        None => Ok(()),
    }
}

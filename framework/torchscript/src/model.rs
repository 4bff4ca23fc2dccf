//! Networks exported from PyTorch as TorchScript.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use bertillon::{Error, ImageShape, Mode, Model, Parameter, Result, Role};
use tch::{CModule, Device, Kind, Tensor};

use crate::frozen::Frozen;

/// What happens to an image in `[0, 1]` before the network: `scale x + offset`, channel by channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// One factor for all channels, or one each.
    pub scale: Vec<f64>,
    /// One summand for all channels, or one each.
    pub offset: Vec<f64>,
}

impl Default for Normalisation {
    /// The network takes `[0, 1]`.
    fn default() -> Self {
        Self { scale: vec![1.0], offset: vec![0.0] }
    }
}

/// A TorchScript module as a white box.
///
/// A traced module (`torch.jit.trace`) has its normalisation layers and dropout fixed as they were when it was traced:
/// [`Mode::Training`] then differs from [`Mode::Evaluation`] in nothing. A scripted one follows the mode.
#[derive(Debug)]
pub struct TorchScriptModel {
    /// Interior: switching between the modes changes the module.
    module: RefCell<(CModule, Mode)>,
    /// Answers in the module's place where it can: see [`plain`](Self::plain).
    frozen: RefCell<Frozen>,
    path: PathBuf,
    input: ImageShape,
    classes: usize,
    normalisation: Normalisation,
    device: Device,
    kind: Kind,
}

impl TorchScriptModel {
    /// Loads the module at `path`, which takes images of shape `input` after `normalisation` and answers one logit
    /// for each of `classes`; it is asked once, to see whether that is so.
    ///
    /// # Errors
    /// When the file is missing or no TorchScript module, or takes or answers something else.
    pub fn load(
        path: impl Into<PathBuf>,
        input: ImageShape,
        classes: usize,
        normalisation: Normalisation,
        device: Device,
    ) -> Result<Self> {
        let path = path.into();
        for values in [&normalisation.scale, &normalisation.offset] {
            if values.len() != 1 && values.len() != input.channels {
                let (n, channels) = (values.len(), input.channels);
                return Err(Error::file(
                    path,
                    format!(
                        "{n} values of normalisation for {channels} channels: give 1 or {channels}"
                    ),
                ));
            }
        }
        let module = read_module(&path, &path, input, device)?;
        let module = RefCell::new((module, Mode::Evaluation));
        let frozen = RefCell::new(Frozen::Unmade);
        let kind = Kind::Float;
        let model = Self { module, frozen, path, input, classes, normalisation, device, kind };
        model.try_out()?;
        Ok(model)
    }

    /// The same, always answering by the module itself.
    ///
    /// Otherwise a frozen copy of it answers in [`Mode::Evaluation`] while no parameter wants a gradient: it is about
    /// twice as fast, and its logits differ in their last bits. The copy is made when it is first needed, and made anew
    /// when a parameter has been changed in place. A module that can't be frozen answers itself.
    pub fn plain(self) -> Self {
        Self { frozen: RefCell::new(Frozen::Never), ..self }
    }

    /// A copy of the module, through a file: TorchScript knows no other.
    fn copied(&self) -> Result<Self> {
        let problem = |error: &dyn ToString| Error::file(&self.path, error.to_string());
        // libtorch refuses names that begin with a dot.
        let file =
            tempfile::Builder::new().prefix("bertillon-").suffix(".pt").tempfile().map_err(
                |error| problem(&format!("can't be copied to a temporary file: {error}")),
            )?;
        let borrowed = self.module.borrow();
        borrowed.0.save(file.path())?;
        let mut module = read_module(file.path(), &self.path, self.input, self.device)?;
        set_mode(&mut module, borrowed.1)?;
        Ok(Self {
            module: RefCell::new((module, borrowed.1)),
            frozen: RefCell::new(self.frozen.borrow().anew()),
            path: self.path.clone(),
            normalisation: self.normalisation.clone(),
            ..*self
        })
    }

    fn try_out(&self) -> Result<()> {
        let images = Tensor::zeros(self.input.batch(2), (Kind::Float, self.device));
        let problem = |problem: String| Error::file(&self.path, problem);
        let ImageShape { channels, height, width } = self.input;
        let logits = tch::no_grad(|| self.logits(&images, Mode::Evaluation)).map_err(|error| {
            problem(format!(
                "the network can't take images of {channels}x{height}x{width}: {error}"
            ))
        })?;
        match logits.size()[..] {
            [2, k] if usize::try_from(k) == Ok(self.classes) => Ok(()),
            ref size => Err(problem(format!(
                "the network answers 2 images with a tensor of shape {size:?}, expected [2, {}]",
                self.classes
            ))),
        }
    }

    fn normalised(&self, images: &Tensor) -> Tensor {
        let constant = |values: &[f64]| {
            Tensor::from_slice(values).to_kind(self.kind).to_device(self.device).view([1, -1, 1, 1])
        };
        // Rounded first, as a service in 16-bit floats would.
        images.to_kind(self.kind) * constant(&self.normalisation.scale)
            + constant(&self.normalisation.offset)
    }
}

impl Model for TorchScriptModel {
    fn input(&self) -> ImageShape {
        self.input
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut module = self.module.borrow_mut();
        if module.1 != mode {
            set_mode(&mut module.0, mode)?;
            module.1 = mode;
        }
        // The first passes would be profiled, and later ones optimised: not the same bits. The switch is per thread.
        tch::jit::set_graph_executor_optimize(false);
        let images = self.normalised(images);
        let mut frozen = self.frozen.borrow_mut();
        let logits = match mode {
            Mode::Evaluation => frozen.logits(&module.0, &images)?,
            Mode::Training => {
                frozen.forget();
                None
            }
        };
        let logits = logits.map_or_else(|| module.0.forward_ts(&[images]), Ok)?;
        Ok(logits.to_kind(Kind::Float))
    }

    fn parameters(&self) -> Vec<Parameter> {
        let named = self.module.borrow().0.named_parameters().unwrap_or_default();
        named
            .into_iter()
            .map(|(name, tensor)| Parameter { role: role(&name, &tensor), name, tensor })
            .collect()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.copied()?))
    }

    /// None when the module has constants that stay 32-bit and refuses 16-bit images.
    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        let mut half = self.copied()?;
        half.module.get_mut().0.to(self.device, Kind::Half, false);
        half.kind = Kind::Half;
        Ok(half.try_out().is_ok().then(|| Box::new(half) as Box<dyn Model>))
    }
}

fn set_mode(module: &mut CModule, mode: Mode) -> Result<()> {
    match mode {
        Mode::Evaluation => module.f_set_eval()?,
        Mode::Training => module.f_set_train()?,
    }
    Ok(())
}

/// Reads the module at `path`, which stands for `name`.
fn read_module(path: &Path, name: &Path, input: ImageShape, device: Device) -> Result<CModule> {
    let bytes = fs::read(path).map_err(|error| Error::file(name, error))?;
    let module = CModule::load_data_on_device(&mut &bytes[..], device).map_err(|error| {
        let ImageShape { channels, height, width } = input;
        Error::file(
            name,
            format!(
                "no TorchScript module ({}); export one in Python: torch.jit.trace(model.eval(), \
                 torch.zeros(1, {channels}, {height}, {width})).save(\"model.pt\"); pickled models and state \
                 dicts (torch.save) can't be loaded",
                Error::from(error)
            ),
        )
    });
    let mut module = module?;
    set_mode(&mut module, Mode::Evaluation)?;
    // Files keep what training wanted; whatever trains the model asks for gradients itself.
    for (_, parameter) in module.named_parameters()? {
        let _ = parameter.f_set_requires_grad(false)?;
    }
    Ok(module)
}

/// The role of a parameter, by its name and rank as PyTorch's layers have them.
fn role(name: &str, tensor: &Tensor) -> Role {
    let last = name.rsplit('.').next().unwrap_or(name);
    match (last, tensor.dim()) {
        ("weight", 4) => Role::Convolution,
        ("weight", 2) => Role::Linear,
        ("weight", 1) => Role::Norm,
        ("bias", _) => Role::Bias,
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };

    fn lenet() -> Option<TorchScriptModel> {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/attacks/lenet.pt");
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
        assert_eq!(
            model.logits(&images(), Mode::Evaluation).unwrap().abs().max(),
            Tensor::from(0_f32)
        );
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
}

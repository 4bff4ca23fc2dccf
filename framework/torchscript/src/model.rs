//! Networks exported from PyTorch as TorchScript.

mod foreign;
#[cfg(test)]
mod tests;
mod tryout;

use std::{
    cell::{OnceCell, RefCell},
    fs,
    path::{Path, PathBuf},
};

use bertillon::{Error, ImageShape, Mode, Model, Parameter, Result, Role};
use tch::{CModule, Device, Kind, Tensor};

use crate::{
    ColourOrder, Interface, Normalisation, Outputs,
    code::{self, Refusal},
    frozen::Frozen,
};

/// A TorchScript module as a white box.
///
/// A traced module (`torch.jit.trace`) has its normalisation layers and dropout fixed as they were when it was traced:
/// [`Mode::Training`] then differs from [`Mode::Evaluation`] in nothing. A scripted one follows the mode, unless that
/// would leave its answers to chance: libtorch's generator, which dropout draws from, is one for the whole process.
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
    colours: ColourOrder,
    outputs: Outputs,
    device: Device,
    kind: Kind,
    /// Whether it answers the same twice in [`Mode::Training`]; found out when that is first wanted.
    trains_surely: OnceCell<bool>,
}

impl TorchScriptModel {
    /// Loads the module at `path`, which takes images of shape `input` after `normalisation`, colours as red, green,
    /// blue, and answers one logit for each of `classes`; see [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn load(
        path: impl Into<PathBuf>,
        input: ImageShape,
        classes: usize,
        normalisation: Normalisation,
        device: Device,
    ) -> Result<Self> {
        Self::open(path, Interface { normalisation, ..Interface::new(input, classes) }, device)
    }

    /// Loads the module at `path`; it is asked a few images, to see whether it takes and answers what `interface` says.
    ///
    /// # Errors
    /// When the file is missing or no TorchScript module, or takes or answers something else; what it is or does instead
    /// is said, with the way to export it rightly.
    pub fn open(path: impl Into<PathBuf>, interface: Interface, device: Device) -> Result<Self> {
        let path = path.into();
        let bytes = read(&path, &path)?;
        Self::from_bytes(&bytes, path, interface, device)
    }

    /// As [`open`](Self::open), of a file whose content is at hand; `path` is where it came from.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(
        bytes: &[u8],
        path: impl Into<PathBuf>,
        interface: Interface,
        device: Device,
    ) -> Result<Self> {
        let path = path.into();
        let Interface { input, classes, normalisation, colours, outputs } = interface;
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
        let module = RefCell::new((read_module(bytes, &path, input, device)?, Mode::Evaluation));
        let mut model = Self {
            module,
            // A copy of weights that are about to be changed would be made for nothing.
            frozen: RefCell::new(Frozen::Never),
            path,
            input,
            classes,
            normalisation,
            colours,
            outputs,
            device,
            kind: Kind::Float,
            trains_surely: OnceCell::new(),
        };
        tryout::try_out(&model)?;
        model.frozen = RefCell::new(Frozen::Unmade);
        Ok(model)
    }

    /// A copy that gets its images prepared otherwise. It is not tried out: it may be meant to do badly.
    ///
    /// # Errors
    /// As [`fork`](Model::fork).
    pub fn prepared(&self, normalisation: Normalisation, colours: ColourOrder) -> Result<Self> {
        Ok(Self { normalisation, colours, ..self.copied()? })
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
        let bytes = read(file.path(), &self.path)?;
        let mut module = read_module(&bytes, &self.path, self.input, self.device)?;
        set_mode(&mut module, borrowed.1)?;
        Ok(Self {
            module: RefCell::new((module, borrowed.1)),
            frozen: RefCell::new(self.frozen.borrow().anew()),
            path: self.path.clone(),
            normalisation: self.normalisation.clone(),
            trains_surely: self.trains_surely.clone(),
            ..*self
        })
    }

    /// The mode to run in for `mode`.
    fn possible(&self, mode: Mode) -> Result<Mode> {
        if mode == Mode::Evaluation {
            return Ok(mode);
        }
        let surely = match self.trains_surely.get() {
            Some(surely) => *surely,
            None => {
                // On a copy: training changes running statistics.
                let mut copy = self.copied()?;
                set_mode(&mut copy.module.get_mut().0, Mode::Training)?;
                let surely = tryout::repeats(&copy);
                *self.trains_surely.get_or_init(|| surely)
            }
        };
        Ok(if surely { mode } else { Mode::Evaluation })
    }

    /// Images as the module takes them.
    fn normalised(&self, images: &Tensor) -> Tensor {
        let constant = |values: &[f64]| {
            Tensor::from_slice(values).to_kind(self.kind).to_device(self.device).view([1, -1, 1, 1])
        };
        let images = match self.colours {
            ColourOrder::Rgb => images.shallow_clone(),
            ColourOrder::Bgr => images.flip([1]),
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
        let mode = self.possible(mode)?;
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
        Ok(self.outputs.logits(&logits))
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
        Ok(tryout::answers(&half).then(|| Box::new(half) as Box<dyn Model>))
    }
}

fn set_mode(module: &mut CModule, mode: Mode) -> Result<()> {
    match mode {
        Mode::Evaluation => module.f_set_eval()?,
        Mode::Training => module.f_set_train()?,
    }
    Ok(())
}

/// The file at `path`, which stands for `name`.
fn read(path: &Path, name: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::file(name, error))
}

/// The module in the bytes of the file `name`.
fn read_module(bytes: &[u8], name: &Path, input: ImageShape, device: Device) -> Result<CModule> {
    let unfit = |said: Error| {
        let ImageShape { channels, height, width } = input;
        let example = format!("torch.zeros(1, {channels}, {height}, {width})");
        let diagnosis = foreign::diagnosis(bytes, &example).unwrap_or_else(|| {
            format!(
                "{said}; export one in Python: torch.jit.trace(model.eval(), {example}).save(\"model.pt\")"
            )
        });
        Error::file(name, format!("no TorchScript module: {diagnosis}"))
    };
    code::check(bytes).map_err(|refusal| match refusal {
        Refusal::Unreadable(said) => unfit(Error::torch(&said)),
        Refusal::Forbidden(word) => {
            let problem = format!(
                "its code has the name `{word}`, by which TorchScript reaches beyond the network (files, other programs): it \
                 is not loaded (docs/SECURITY.md); export a network that only computes, under other names"
            );
            Error::file(name, problem)
        }
    })?;
    let module = CModule::load_data_on_device(&mut &*bytes, device);
    let mut module = module.map_err(|error| unfit(Error::from(error)))?;
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
    match (last.ends_with("weight"), tensor.dim()) {
        // Of any other name too: nothing else has such a rank.
        (_, 4) | (true, 3 | 5) => Role::Convolution,
        (true, 2) => Role::Linear,
        (true, 1) => Role::Norm,
        _ if last.ends_with("bias") => Role::Bias,
        _ => Role::Other,
    }
}

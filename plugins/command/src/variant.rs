//! A variant made by a program: `plugin = "command"` in `[[variants]]`.
//!
//! The program says what kind of variant it makes, and whether it acts on images, which it then transforms before they
//! reach the stolen network, or on the network, which it gets and gives back as TorchScript. A method of its own; see
//! `docs/PLUGINS.md` for the protocol and examples in Python.

use std::{collections::BTreeMap, fs, path::Path};

use bertillon::{
    Changes, Configure, Cost, Derived, Error, ImageShape, Images, Mode, Model, Parameter, Result,
    VariantGenerator, Variation, Workbench, registry,
};
use bertillon_torchscript::{Normalisation, TorchScriptModel, export};
use tch::Tensor;

use crate::program::{
    Params, Plugin,
    protocol::{self, ActsOn, Call, Description, Role, Transformed, VariantDescription},
    read_images, seed, write_images, write_labels,
};

/// Makes variants by a program.
#[derive(Debug)]
pub struct Command {
    plugin: Plugin,
    description: VariantDescription,
}

impl Configure for Command {
    type Parameters = Params;

    const STARTS_PROGRAMS: bool = true;

    fn configure(params: Params) -> Result<Self> {
        let plugin = Plugin::new(params)?;
        let Description::Variant(description) = plugin.describe(Role::Variant)? else {
            return Err(Error::Refused("the program says that it makes no variants".to_owned()));
        };
        let kind = &description.kind;
        if !registry::is_kebab_case(kind) {
            let kind = kind.escape_debug();
            return Err(Error::Refused(format!("its kind `{kind}` must be in kebab-case")));
        }
        Ok(Self { plugin, description })
    }
}

impl VariantGenerator for Command {
    fn variation(&self) -> Variation {
        let VariantDescription { kind, detail, parameter, group, .. } = self.description.clone();
        Variation { kind, detail, parameter, group }
    }

    fn cost(&self, images: usize) -> Cost {
        match self.description.acts_on {
            ActsOn::Images => Cost { forwards_per_answer: 2.0, forwards_to_derive: 0.0 },
            ActsOn::Model => Cost { forwards_per_answer: 1.0, forwards_to_derive: images as f64 },
        }
    }

    fn ingredients(&self) -> Vec<String> {
        self.plugin.ingredients(&self.description.version)
    }

    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived> {
        let seed = seed(&mut workbench.stream);
        match self.description.acts_on {
            ActsOn::Model => self.derive_model(&*copy, workbench, seed),
            ActsOn::Images => {
                let summary = self.description.summary.clone();
                let model = Transforming { inner: copy, plugin: self.plugin.clone(), seed };
                let changes = Changes { summary, ..Changes::default() };
                Ok(Derived { model: Box::new(model), changes })
            }
        }
    }
}

impl Command {
    fn derive_model(
        &self,
        vanilla: &dyn Model,
        workbench: &Workbench,
        seed: u64,
    ) -> Result<Derived> {
        let folder = self.plugin.program.folder("derive-")?;
        let path = |name: &str| folder.path().join(name);
        let (model, output) = (path("model.pt"), path("derived.pt"));
        export(vanilla, &model, workbench.device)?;
        let (images, labels) = (path("images.npy"), path("labels.npy"));
        write_images(&images, &workbench.images.images)?;
        write_labels(&labels, &[workbench.images.labels.len()], &workbench.images.labels)?;
        let call =
            Call::Derive { model: model.clone(), images, labels, output: output.clone(), seed };
        let protocol::Derived { summary, unchanged } = self.plugin.call(call)?;
        let summary = if summary.is_empty() { self.description.summary.clone() } else { summary };
        let load = |path| {
            let normalisation = Normalisation::default();
            let (input, classes) = (vanilla.input(), vanilla.classes());
            TorchScriptModel::load(path, input, classes, normalisation, workbench.device)
        };
        if unchanged {
            let changes = Changes { summary, unchanged, ..Changes::default() };
            return Ok(Derived { model: Box::new(load(model)?), changes });
        }
        let derived = load(output)?;
        let changes = Changes { summary, ..changes(vanilla, &derived) };
        Ok(Derived { model: Box::new(derived), changes })
    }
}

/// Which weights differ, and the share of them that became zero.
fn changes(vanilla: &dyn Model, derived: &dyn Model) -> Changes {
    let before = vanilla.parameters().into_iter().map(|p| (p.name, p.tensor));
    let before: BTreeMap<String, Tensor> = before.collect();
    let (mut tensors, mut zeroed, mut all) = (Vec::new(), 0, 0);
    for Parameter { name, tensor, .. } in derived.parameters() {
        let Some(before) = before.get(&name).filter(|b| b.size() == tensor.size()) else {
            tensors.push(name);
            continue;
        };
        let before = before.to_device(tensor.device()).to_kind(tensor.kind());
        all += before.numel();
        if before.equal(&tensor) {
            continue;
        }
        let is_new_zero = tensor.eq(0.0).logical_and(&before.ne(0.0));
        let zeros = is_new_zero.sum(tch::Kind::Int64).int64_value(&[]);
        zeroed += usize::try_from(zeros).unwrap_or_default();
        tensors.push(name);
    }
    let zeroed = (zeroed > 0).then(|| zeroed as f64 / all as f64);
    Changes { tensors, zeroed, ..Changes::default() }
}

/// A file that is removed when it has been read, or could not be.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // One that was never written is no trouble, and all go with the scratch folder.
        let _ = fs::remove_file(self.0);
    }
}

/// A network behind a program that transforms 8-bit images; no gradient flows to them.
struct Transforming {
    inner: Box<dyn Model>,
    plugin: Plugin,
    seed: u64,
}

impl Transforming {
    fn around(&self, inner: Box<dyn Model>) -> Box<dyn Model> {
        Box::new(Self { inner, plugin: self.plugin.clone(), seed: self.seed })
    }
}

impl Model for Transforming {
    fn input(&self) -> ImageShape {
        self.inner.input()
    }

    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let seen = Images::from_tensor(&images.detach())?;
        // No folder of its own: to make and to remove one takes as long as all the rest.
        let [input, output] = self.plugin.program.paths(["images.npy", "output.npy"]);
        let _removed = [Removed(&input), Removed(&output)];
        write_images(&input, &seen)?;
        let call =
            Call::Transform { images: input.clone(), output: output.clone(), seed: self.seed };
        let Transformed {} = self.plugin.call(call)?;
        let seen = read_images(&output, seen.len(), seen.shape())?;
        self.inner.logits(&seen.tensor(images.device()), mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.inner.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(self.around(self.inner.fork()?))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        Ok(self.inner.to_half()?.map(|half| self.around(half)))
    }
}

bertillon::register_variant!("command", Command);

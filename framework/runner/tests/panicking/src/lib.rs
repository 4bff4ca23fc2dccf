//! Plugins that panic, or go on for ever, where they are told to.

use std::path::Path;

use bertillon::{
    Changes, Configure, Cost, Derived, Fingerprint, FingerprintMethod, Group, ImageRequest,
    ImageShape, ImageSource, InputSelector, Knowledge, Mode, Model, ModelCollection, Needs, Owner,
    Parameter, Recorded, Result, Split, Stream, Suspects, Vanilla, VariantGenerator, Variation,
    Workbench,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tch::{Device, Tensor};

/// Parameters of every plugin of this library.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The method that panics: `derive`, `logits`, `drop` and so on; `forever` answers without end.
    pub at: String,
}

impl Default for Params {
    fn default() -> Self {
        Self { at: "nowhere".to_owned() }
    }
}

impl Params {
    fn pass(&self, place: &str) {
        assert!(self.at != place, "told to panic in {place}");
    }
}

/// Implements every plugin trait.
#[derive(Debug)]
pub struct Panicking(Params);

impl Configure for Panicking {
    type Parameters = Params;

    fn configure(parameters: Params) -> Result<Self> {
        parameters.pass("configure");
        Ok(Self(parameters))
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.0.pass("drop");
    }
}

impl VariantGenerator for Panicking {
    fn variation(&self) -> Variation {
        self.0.pass("variation");
        Variation {
            kind: "panicking".into(),
            detail: Some(self.0.at.clone()),
            parameter: None,
            group: Group::Weights,
        }
    }

    fn ingredients(&self) -> Vec<String> {
        self.0.pass("ingredients");
        Vec::new()
    }

    fn cost(&self, _: usize) -> Cost {
        self.0.pass("cost");
        Cost::default()
    }

    fn derive(&self, copy: Box<dyn Model>, _: &mut Workbench) -> Result<Derived> {
        // A panic within leaves libtorch's recording of gradients switched off.
        tch::no_grad(|| self.0.pass("derive"));
        let changes = Changes { summary: "nothing, in another box".into(), ..Changes::default() };
        Ok(Derived {
            model: Box::new(PanickingModel { inner: copy, told: self.0.clone() }),
            changes,
        })
    }
}

struct PanickingModel {
    inner: Box<dyn Model>,
    told: Params,
}

impl Drop for PanickingModel {
    fn drop(&mut self) {
        self.told.pass("model-drop");
    }
}

impl Model for PanickingModel {
    fn input(&self) -> ImageShape {
        self.told.pass("input");
        self.inner.input()
    }

    fn classes(&self) -> usize {
        self.told.pass("classes");
        self.inner.classes()
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.told.pass("logits");
        if self.told.at == "forever" {
            loop {
                drop(images.f_matmul(&images.transpose(2, 3)));
            }
        }
        self.inner.logits(images, mode)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.told.pass("parameters");
        self.inner.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        self.told.pass("fork");
        Ok(Box::new(Self { inner: self.inner.fork()?, told: self.told.clone() }))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        self.told.pass("to-half");
        self.inner.to_half()
    }
}

impl InputSelector for Panicking {
    fn knowledge(&self) -> Knowledge {
        self.0.pass("knowledge");
        // White box, so that it can try to edit what it is lent.
        Knowledge { model: true, ..Knowledge::default() }
    }

    fn check(&self, _: usize, _: usize) -> Result<()> {
        self.0.pass("check");
        Ok(())
    }

    fn select(&self, owner: &Owner, budget: usize, stream: &mut Stream) -> Result<Vec<u32>> {
        self.0.pass("select");
        drop(owner.remembered("panicking: kept", || {
            self.0.pass("remembered");
            Ok(Kept(self.0.clone()))
        })?);
        if self.0.at == "edits" {
            for mut parameter in owner.model()?.parameters() {
                drop(tch::no_grad(|| parameter.tensor.zero_()));
            }
        }
        Ok(match self.0.at.as_str() {
            "beyond" => vec![u32::MAX; budget],
            _ => stream.sample_indices(owner.pool.len(), budget),
        })
    }
}

/// What is left in an owner's memory, to be dropped by the program.
struct Kept(Params);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.pass("memory-drop");
    }
}

impl FingerprintMethod for Panicking {
    fn needs(&self) -> Needs {
        self.0.pass("needs");
        Needs::default()
    }

    fn enroll(
        &self,
        owner: &Owner,
        _: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        self.0.pass("enroll");
        Ok(Fingerprint::benign(owner, stream.sample_indices(owner.pool.len(), budget)))
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        self.0.pass("distances");
        let statistic = bertillon::Statistic::LabelMatch;
        Ok(statistic.distances(&fingerprint.reference, None, suspects, out)?)
    }
}

impl ImageSource for Panicking {
    fn load(&self, _: &ImageRequest<'_>) -> Result<Split> {
        panic!("told to panic in load")
    }
}

impl ModelCollection for Panicking {
    fn vanillas(&self) -> &[Vanilla] {
        self.0.pass("vanillas");
        &[]
    }

    fn load(&self, _: usize, _: Device) -> Result<Box<dyn Model>> {
        panic!("told to panic in load")
    }

    fn recorded(&self, _: &Path) -> Result<Option<Vec<Recorded>>> {
        panic!("told to panic in recorded")
    }
}

bertillon::register_variant!("panicking", Panicking);
bertillon::register_selector!("panicking", Panicking);
bertillon::register_method!("panicking", Panicking);
bertillon::register_images!("panicking", Panicking);
bertillon::register_models!("panicking", Panicking);

#[cfg(feature = "library")]
bertillon::export_plugins!();

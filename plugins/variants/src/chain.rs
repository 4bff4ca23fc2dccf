//! A chain: several generators in a row, as a careful thief would use them.
//!
//! Prune then fine-tune, half then JPEG. Each step works on the variant of the step before; an input transform added
//! later comes first when an image arrives. T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign
//! Inputs", IEEE TIFS 2023, <https://arxiv.org/abs/2208.03169>, evaluate single steps only.
//!
//! # Differences from the paper
//! The paper has no chains. Fine-tuning after pruning trains all weights, those set to zero too (no mask is kept).

use std::fmt;

use bertillon::{
    Changes, Configure, Cost, Derived, Error, Group, Model, Result, VariantGenerator, Variation,
    Workbench,
    registry::{self, Builder, PluginKind},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Parameters of a chain.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The generators in order, one or more: `{ plugin = "prune", layers = "conv", amount = 0.2 }`. Default: prune a
    /// fifth of the convolutions, then fine-tune the last layer.
    pub steps: Vec<Step>,
}

/// One step of a chain.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Step {
    /// Name of a variant generator.
    pub plugin: String,
    /// Its parameters.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}

impl Default for Params {
    fn default() -> Self {
        let step = |plugin: &str, parameters: Value| Step {
            plugin: plugin.to_owned(),
            parameters: parameters.as_object().cloned().unwrap_or_default(),
        };
        let prune = step("prune", json!({ "layers": "conv", "amount": 0.2 }));
        let finetune = step("finetune", json!({ "layers": "last" }));
        Self { steps: vec![prune, finetune] }
    }
}

/// Derives a variant in several steps.
pub struct Chain {
    steps: Vec<Box<dyn VariantGenerator>>,
    recipes: Vec<String>,
}

impl Configure for Chain {
    type Parameters = Params;

    fn configure(Params { steps }: Params) -> Result<Self> {
        if steps.is_empty() {
            return Err(Error::parameter("steps", "[]", "a chain has at least one step"));
        }
        let built = steps.iter().enumerate().map(|(i, step)| build(i, step));
        let built: Vec<(Box<dyn VariantGenerator>, String)> = built.collect::<Result<_>>()?;
        let (steps, recipes) = built.into_iter().unzip();
        Ok(Self { steps, recipes })
    }
}

impl VariantGenerator for Chain {
    fn variation(&self) -> Variation {
        let names: Vec<String> = self.steps.iter().map(|s| s.variation().to_string()).collect();
        Variation {
            kind: "chain".into(),
            detail: Some(names.join("+")),
            parameter: None,
            // What the thief did last is what hides the model.
            group: self.steps.last().map_or(Group::Weights, |step| step.variation().group),
        }
    }

    fn ingredients(&self) -> Vec<String> {
        let own = self.steps.iter().flat_map(|step| step.ingredients());
        self.recipes.iter().cloned().chain(own).collect()
    }

    fn cost(&self, images: usize) -> Cost {
        self.steps.iter().fold(Cost::default(), |all, step| {
            let cost = step.cost(images);
            Cost {
                forwards_per_answer: all.forwards_per_answer * cost.forwards_per_answer,
                forwards_to_derive: all.forwards_to_derive + cost.forwards_to_derive,
            }
        })
    }

    fn derive(&self, copy: Box<dyn Model>, workbench: &mut Workbench) -> Result<Derived> {
        let (mut model, mut all) = (copy, Vec::with_capacity(self.steps.len()));
        for (i, step) in self.steps.iter().enumerate() {
            // A stream of its own: a step draws the same, whatever the steps before it drew.
            let mut bench = Workbench {
                images: workbench.images.clone(),
                device: workbench.device,
                stream: workbench.stream.child(&format!("step {i}")),
            };
            let derived = step.derive(model, &mut bench).map_err(|error| {
                Error::Refused(format!("step {} ({}): {error}", i + 1, step.variation()))
            })?;
            model = derived.model;
            all.push(derived.changes);
        }
        Ok(Derived { model, changes: merged(all) })
    }
}

bertillon::register_variant!("chain", Chain);

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&self.variation().to_string()).finish()
    }
}

/// A step, and the recipe of its plugin.
fn build(index: usize, step: &Step) -> Result<(Box<dyn VariantGenerator>, String)> {
    let known = registry::of_kind(PluginKind::Variant)?;
    let found = known.iter().find(|entry| entry.name == step.plugin);
    let Some((entry, Builder::Variant(build))) = found.map(|entry| (entry, entry.builder)) else {
        let names: Vec<&str> = known.iter().map(|entry| entry.name).collect();
        let problem = format!("no such variant generator; there are {}", names.join(", "));
        return Err(Error::parameter("steps", format!("`{}`", step.plugin), problem));
    };
    let built = build(&Value::Object(step.parameters.clone()).to_string());
    built
        .map(|generator| (generator, entry.recipe()))
        .map_err(|error| Error::Refused(format!("step {} ({}): {error}", index + 1, step.plugin)))
}

fn merged(all: Vec<Changes>) -> Changes {
    let mut merged = Changes { unchanged: true, ..Changes::default() };
    let mut summaries = Vec::with_capacity(all.len());
    for changes in all {
        merged.unchanged &= changes.unchanged;
        if let Some(zeroed) = changes.zeroed {
            merged.zeroed = Some(merged.zeroed.unwrap_or(0.0) + zeroed);
        }
        for tensor in changes.tensors {
            if !merged.tensors.contains(&tensor) {
                merged.tensors.push(tensor);
            }
        }
        summaries.push(changes.summary);
    }
    merged.summary = summaries.join("; then ");
    merged
}

#[cfg(test)]
mod tests {
    use bertillon::{Mode, testkit};
    use tch::{Device, Kind};

    use super::*;

    fn chain(steps: Value) -> Result<Chain> {
        Chain::configure(serde_json::from_value(json!({ "steps": steps })).unwrap())
    }

    fn derive(chain: &Chain) -> Derived {
        let model = Box::new(testkit::ToyModel::new(0));
        chain.derive(model, &mut testkit::workbench(0)).unwrap()
    }

    #[test]
    fn the_default_prunes_then_fine_tunes() {
        let chain = Chain::configure(Params::default()).unwrap();
        assert_eq!(chain.variation().to_string(), "chain/prune/conv/0.2+finetune/last");
        assert_eq!(chain.variation().group, Group::Training);
        let derived = derive(&chain);
        let names = ["features.weight", "classifier.weight", "classifier.bias"];
        assert_eq!(derived.changes.tensors, names);
        // A fifth of 54 weights, halves to even: 11 of 928; the convolution is not trained after it.
        assert_eq!(derived.changes.zeroed, Some(11.0 / 928.0));
        let convolution = &derived.model.parameters()[0].tensor;
        assert_eq!(convolution.eq(0.0).sum(Kind::Int64).int64_value(&[]), 11);
    }

    #[test]
    fn half_then_posterize_does_both() {
        let both = chain(json!([{ "plugin": "half" }, { "plugin": "posterize", "bits": 3 }]));
        let derived = derive(&both.unwrap());
        assert_eq!(derived.model.parameters()[0].tensor.kind(), Kind::Half);
        let images = testkit::images(6, 2).tensor(Device::Cpu);
        let seen = ((&images * 255.0).round() / 32.0).floor() * 32.0 / 255.0;
        let half = testkit::ToyModel::new(0).to_half().unwrap().unwrap();
        let expected = half.logits(&seen, Mode::Evaluation).unwrap();
        let actual = derived.model.logits(&images, Mode::Evaluation).unwrap();
        assert!((actual - expected).abs().max().double_value(&[]) < 1e-2);
    }

    #[test]
    fn a_chain_of_steps_that_change_nothing_is_unchanged() {
        let idle = chain(
            json!([{ "plugin": "posterize", "bits": 8 }, { "plugin": "prune", "amount": 0.0 }]),
        );
        assert!(derive(&idle.unwrap()).changes.unchanged);
    }

    #[test]
    fn wrong_steps_are_named() {
        let error = |steps| chain(steps).err().unwrap().to_string();
        assert!(error(json!([])).contains("at least one step"));
        let unknown = error(json!([{ "plugin": "prunes" }]));
        assert!(unknown.contains("`prunes`") && unknown.contains("posterize"), "{unknown}");
        let value = error(json!([{ "plugin": "half" }, { "plugin": "prune", "amount": 2 }]));
        assert_eq!(value, "step 2 (prune): `amount` = 2: must be in [0, 1]");
        let key = error(json!([{ "plugin": "half", "amount": 2 }]));
        assert!(key.contains("step 1 (half)") && key.contains("amount"), "{key}");
    }
}

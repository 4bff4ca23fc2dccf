//! Vanillas behind services of their own, and what a run checks before it trusts them.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

mod harness;

use bertillon::{
    Configure, ImageShape, Interpolation, Mode, Model, ModelCollection, Parameter, Preprocessing,
    Resize, Result, Vanilla,
    registry::{self, Builder, PluginKind},
    results::{Results, ServiceSettings},
};
use bertillon_runner::RunError;
use schemars::JsonSchema;
use serde::Deserialize;
use tch::{Device, Tensor};

/// Two networks of the zoo, as their provider hands them out.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    /// Their images come as negatives, which nobody trained them for.
    inverted: bool,
    /// They take images of this side, which they enlarge to 28 pixels themselves.
    side: Option<usize>,
    /// An accuracy that is claimed.
    claimed: Option<f64>,
    /// They answer the same to everything.
    constant: bool,
}

struct Lent {
    zoo: Box<dyn ModelCollection>,
    vanillas: Vec<Vanilla>,
    parameters: Parameters,
}

impl Configure for Lent {
    type Parameters = Parameters;

    fn configure(parameters: Parameters) -> Result<Self> {
        let entry = registry::find(PluginKind::Models, "zoo")?.unwrap();
        let Builder::Models(build) = entry.builder else { panic!("a collection") };
        let zoo = build(r#"{"names": ["lenet-a", "mlp-a"]}"#)?;
        let mut vanillas = zoo.vanillas().to_vec();
        for vanilla in &mut vanillas {
            vanilla.digest.push_str(&format!("{parameters:?}"));
            vanilla.accuracy = parameters.claimed;
            if let Some(side) = parameters.side {
                let input = ImageShape { channels: 1, height: side, width: side };
                vanilla.input = Some(input);
                vanilla.preprocessing = Some(preprocessing(side));
            }
        }
        Ok(Self { zoo, vanillas, parameters })
    }
}

fn preprocessing(side: usize) -> Preprocessing {
    Preprocessing {
        resize: Resize::Shorter(side),
        interpolation: Interpolation::Bilinear,
        keeps_native: false,
    }
}

impl ModelCollection for Lent {
    fn vanillas(&self) -> &[Vanilla] {
        &self.vanillas
    }

    fn load(&self, index: usize, device: Device) -> Result<Box<dyn Model>> {
        let network = self.zoo.load(index, device)?;
        Ok(Box::new(Adapted { network, parameters: self.parameters }))
    }

    fn mistaken(&self, index: usize, device: Device) -> Result<Vec<(String, Box<dyn Model>)>> {
        let parameters = Parameters { inverted: !self.parameters.inverted, ..self.parameters };
        let network = self.zoo.load(index, device)?;
        let way = if parameters.inverted { "as negatives" } else { "as positives" };
        Ok(vec![(way.to_owned(), Box::new(Adapted { network, parameters }))])
    }
}

struct Adapted {
    network: Box<dyn Model>,
    parameters: Parameters,
}

impl Model for Adapted {
    fn input(&self) -> ImageShape {
        let side = self.parameters.side.unwrap_or(28);
        ImageShape { channels: 1, height: side, width: side }
    }

    fn classes(&self) -> usize {
        10
    }

    fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let side = self.input().height as i64;
        assert_eq!(images.size()[2..], [side, side], "only what its service cuts out reaches it");
        let images = match self.parameters.side {
            Some(_) => images.f_upsample_bilinear2d([28, 28], false, None, None)?,
            None => images.shallow_clone(),
        };
        let images = if self.parameters.inverted { 1.0 - images } else { images };
        let logits = self.network.logits(&images, mode)?;
        Ok(if self.parameters.constant { logits.zeros_like() } else { logits })
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.network.parameters()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self { network: self.network.fork()?, parameters: self.parameters }))
    }

    fn to_half(&self) -> Result<Option<Box<dyn Model>>> {
        let parameters = self.parameters;
        let wrap = |network| Box::new(Self { network, parameters }) as Box<dyn Model>;
        Ok(self.network.to_half()?.map(wrap))
    }
}

bertillon::inventory::submit! {
    bertillon::Entry::models::<Lent>("lent", module_path!(), &[("lent", "digest of the source", "documentation")])
}

fn run(models: &str) -> Result<Results, RunError> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
        name = "services"
        [data]
        source = "fashion-mnist"
        pool = 200
        [models]
        source = "lent"
        {models}
        [[variants]]
        plugin = "jpeg"
        grid = {{ quality = [80] }}
        [[variants]]
        plugin = "finetune"
        layers = "last"
        epochs = 1
        [[fingerprints]]
        name = "IP-Guard"
        method = "ip-guard"
        attack = {{ name = "bp", steps = 10 }}
        [[fingerprints]]
        name = "FBI"
        method = "fbi"
        selector = "random"
        [evaluation]
        budgets = [20]
        draws = 2
        false_positive_rate = 0.5
        "#
    );
    harness::run(&text, &harness::options(folder.path()))
}

fn refusal(models: &str) -> String {
    run(models).unwrap_err().to_string()
}

#[test]
fn a_wrong_preparation_stops_the_run_with_the_one_that_is_better() {
    let error = refusal("inverted = true");
    assert!(error.contains("`lenet-a` seems to get its images wrongly prepared"), "{error}");
    assert!(error.contains("of the same 200 images, "), "{error}");
    assert!(error.contains(" % as positives; mend that"), "{error}");
    assert!(error.contains("`mlp-a` seems"), "both are told: {error}");
}

#[test]
fn a_claim_that_is_not_met_stops_the_run_and_one_that_is_met_is_believed() {
    let error = refusal("claimed = 0.99");
    assert!(error.contains("is said to reach 99 %; mend how"), "{error}");
    assert!(!error.contains("as negatives"), "that is no better: {error}");
    let error = refusal("claimed = 0.9\ninverted = true");
    assert!(error.contains("is said to reach 90 %; of the same 200 images"), "{error}");
    assert!(run("claimed = 0.88").is_ok());
}

#[test]
fn a_network_that_only_guesses_stops_the_run() {
    let error = refusal("constant = true");
    assert!(error.contains("no more than chance"), "{error}");
}

#[test]
fn networks_of_another_size_are_served_queries_of_one_size() {
    let results = run("side = 20").unwrap();
    assert_eq!(results.failures, []);
    let images = results.images.unwrap();
    assert_eq!(images.shape, [1, 28, 28]);
    let expected = ServiceSettings {
        vanilla: "lenet-a".to_owned(),
        input: [1, 20, 20],
        preprocessing: "shorter side to 20, bilinear, centre 20x20".to_owned(),
        keeps_native: false,
    };
    assert_eq!(images.services[0], expected);
    assert_eq!(images.services.len(), 2);
    // Crafted queries reach a network as its owner saw them: she recognises it, and its preparation moved no label.
    let crafted = &results.fingerprints[0];
    assert_eq!(crafted.budgets[0].variations[0].kind, "vanilla");
    assert_eq!(crafted.budgets[0].variations[0].tpr.mean, 1.0);
    let converged = crafted.enrolment.notes.iter().find(|note| note.name == "converged").unwrap();
    assert!(converged.value.unwrap() > 0.9, "{converged:?}");
    assert_eq!(run("").unwrap().images.unwrap().services, []);
}

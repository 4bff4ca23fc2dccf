//! The file names of the FBI paper's authors: `KIND-model-parameters.npy`.
//!
//! T. Maho, T. Furon, E. Le Merrer, "FBI: Fingerprinting models with Benign Inputs", IEEE TIFS 2023,
//! <https://arxiv.org/abs/2208.03169>; the answers that they published. A model's name has no `-`.

use bertillon::{Group, Variation};

/// Forms of the names, for messages and for the documentation.
pub(super) const FORMS: &str = "MODEL, FINETUNE-MODEL-all_model, FINETUNE-MODEL-last_layer, HALF-MODEL, \
     HIST-MODEL-equalize, JPEG-MODEL-QUALITY, POSTERIZE-MODEL-BITS, PRUNE-MODEL-LAYERS-AMOUNT (all, conv or last), \
     RS-MODEL-SIGMA-SAMPLES";

/// Smoothing's number of noisy copies that `randomized-smoothing` has by default.
const SAMPLES: u32 = 100;

/// Family and variation of the file `stem.npy`; no variation for a vanilla.
///
/// Kind, detail, parameter and group are those of bertillon's own variant generators, so that recorded variants are
/// compared with variants that an owner would rehearse.
pub(super) fn parse(stem: &str) -> Result<(String, Option<Variation>), String> {
    let parts: Vec<&str> = stem.split('-').collect();
    let (model, variation) = match parts[..] {
        [model] => (model, None),
        ["FINETUNE", model, layers] => {
            let layers = match layers {
                "all_model" => "all",
                "last_layer" => "last",
                _ => return Err(bad("layers", layers, "all_model or last_layer")),
            };
            (model, Some(variation("finetune", Some(layers), None, Group::Training)))
        }
        ["HALF", model] => (model, Some(variation("half", None, None, Group::Weights))),
        ["HIST", model, "equalize"] => {
            (model, Some(variation("histogram", None, None, Group::Input)))
        }
        ["JPEG", model, quality] => {
            let quality = number::<u8>("quality", quality, "1 to 100", |q| (1..=100).contains(&q))?;
            (model, Some(variation("jpeg", None, Some(quality), Group::Input)))
        }
        ["POSTERIZE", model, bits] => {
            let bits = number::<u8>("bits", bits, "1 to 8", |b| (1..=8).contains(&b))?;
            (model, Some(variation("posterize", None, Some(bits), Group::Input)))
        }
        ["PRUNE", model, layers, amount] => {
            if !["all", "conv", "last"].contains(&layers) {
                return Err(bad("layers", layers, "all, conv or last"));
            }
            let amount =
                number::<f64>("amount", amount, "in [0, 1]", |a| (0.0..=1.0).contains(&a))?;
            (model, Some(variation("prune", Some(layers), Some(amount), Group::Weights)))
        }
        ["RS", model, sigma, samples] => {
            let sigma = number::<f64>("sigma", sigma, "0 or more", |s| s >= 0.0 && s.is_finite())?;
            let count = samples.parse().ok().filter(|&n| n > 0);
            let detail = match count.ok_or_else(|| bad("samples", samples, "1 or more"))? {
                SAMPLES => None,
                // The generator does not tell them apart; here they must not be one model twice.
                other => Some(format!("samples-{other}")),
            };
            let kind = "randomized-smoothing";
            (model, Some(variation(kind, detail.as_deref(), Some(sigma), Group::Input)))
        }
        _ => {
            return Err(format!(
                "its name has none of the forms {FORMS}; rename it, or write a manifest"
            ));
        }
    };
    match model {
        "" => Err("its name has no model; rename it, or write a manifest".to_owned()),
        _ => Ok((model.to_owned(), variation)),
    }
}

fn variation(
    kind: &str,
    detail: Option<&str>,
    parameter: Option<String>,
    group: Group,
) -> Variation {
    Variation { kind: kind.to_owned(), detail: detail.map(str::to_owned), parameter, group }
}

/// The number as the generators print it: `0.1` for `0.10`.
fn number<T: std::str::FromStr + ToString + Copy>(
    name: &str,
    text: &str,
    allowed: &str,
    is_allowed: impl Fn(T) -> bool,
) -> Result<String, String> {
    let value = text.parse().ok().filter(|&value| is_allowed(value));
    value.map(|value| value.to_string()).ok_or_else(|| bad(name, text, allowed))
}

fn bad(name: &str, text: &str, allowed: &str) -> String {
    format!("`{text}` in its name: {name} must be {allowed}; rename it, or write a manifest")
}

#[cfg(test)]
mod tests {
    use bertillon::registry::{self, Builder, PluginKind};
    use bertillon_variants as _;

    use super::*;

    /// What the registered generator says of itself.
    fn generated(kind: &str, parameters: &str) -> Variation {
        let entries = registry::of_kind(PluginKind::Variant).unwrap();
        let entry = entries.iter().find(|entry| entry.name == kind).unwrap();
        let Builder::Variant(build) = entry.builder else { panic!("{kind} is no generator") };
        build(parameters).unwrap().variation()
    }

    #[test]
    fn variations_are_those_of_the_generators() {
        let cases = [
            ("FINETUNE-m-all_model", "finetune", r#"{"layers": "all"}"#),
            ("FINETUNE-m-last_layer", "finetune", r#"{"layers": "last"}"#),
            ("HALF-m", "half", "{}"),
            ("HIST-m-equalize", "histogram", "{}"),
            ("JPEG-m-30", "jpeg", r#"{"quality": 30}"#),
            ("POSTERIZE-m-3", "posterize", r#"{"bits": 3}"#),
            ("PRUNE-m-all-0.01", "prune", r#"{"layers": "all", "amount": 0.01}"#),
            ("PRUNE-m-conv-0.10", "prune", r#"{"layers": "conv", "amount": 0.1}"#),
            ("PRUNE-m-last-0.95", "prune", r#"{"layers": "last", "amount": 0.95}"#),
            ("RS-m-0.1-100", "randomized-smoothing", r#"{"sigma": 0.1, "samples": 100}"#),
        ];
        for (stem, kind, parameters) in cases {
            let (family, variation) = parse(stem).unwrap();
            assert_eq!(family, "m");
            assert_eq!(variation.unwrap(), generated(kind, parameters), "{stem}");
        }
        assert_eq!(parse("vit_base.p16"), Ok(("vit_base.p16".to_owned(), None)));
        let (_, fewer) = parse("RS-m-0.1-50").unwrap();
        assert_eq!(fewer.unwrap().to_string(), "randomized-smoothing/samples-50/0.1");
    }

    #[test]
    fn names_of_no_known_form_are_refused_with_the_forms() {
        let cases = [
            ("BLUR-m-1", "none of the forms MODEL, FINETUNE-MODEL-all_model"),
            ("JPEG-m", "none of the forms"),
            ("HIST-m-stretch", "none of the forms"),
            ("half-m", "none of the forms"),
            ("FINETUNE-m-first", "`first` in its name: layers must be all_model or last_layer"),
            ("JPEG-m-0", "`0` in its name: quality must be 1 to 100"),
            ("JPEG-m-30.5", "quality must be 1 to 100"),
            ("POSTERIZE-m-9", "bits must be 1 to 8"),
            ("PRUNE-m-conv-1.5", "amount must be in [0, 1]"),
            ("PRUNE-m-dense-0.5", "layers must be all, conv or last"),
            ("RS-m-nan-100", "sigma must be 0 or more"),
            ("RS-m-0.1-0", "samples must be 1 or more"),
            ("HALF-", "has no model"),
        ];
        for (stem, expected) in cases {
            let problem = parse(stem).unwrap_err();
            assert!(problem.contains(expected), "{stem}: {problem}");
        }
    }
}

//! What is known of a fingerprint when it is enrolled.

use std::collections::BTreeSet;

use bertillon::{
    cpu_capability,
    evaluation::{self, Calibration, Stranger},
    suite::Protocol,
};

use super::{Distances, chosen::Chosen};
use crate::{
    Options, RunError,
    enrolled::{Card, FORMAT, MethodCard, OwnerCard, ThresholdCard},
    plan::{Plan, device_class},
};

/// The card of what was enrolled, its threshold set by the distances of strangers.
///
/// # Errors
/// When there is no stranger, or the protocol takes distances for p-values and they are none.
pub(super) fn card(
    plan: &Plan,
    options: &Options,
    chosen: &Chosen,
    distances: Distances,
) -> Result<Card, RunError> {
    let planned = chosen.planned(plan);
    let vanilla = &plan.families[chosen.owner].vanilla;
    Ok(Card {
        format: FORMAT,
        bertillon: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: "2.11.0".to_owned(),
        device: format!("{} {}", device_class(options.device), cpu_capability()),
        suite: plan.suite.name.clone(),
        seed: plan.suite.seed,
        draw: chosen.draw,
        data: plan.data_digest.clone(),
        pool: plan.pool.len(),
        classes: plan.pool.classes,
        fingerprint: planned.name.clone(),
        budget: chosen.budget,
        ranks: planned.needs.access.ranks(),
        method: MethodCard {
            plugin: planned.recipe.plugin.clone(),
            source: planned.recipe.source.clone(),
            parameters: planned.recipe.parameters.clone(),
        },
        owner: OwnerCard {
            name: vanilla.name.clone(),
            ancestry: vanilla.ancestry.clone(),
            digest: vanilla.digest.clone(),
            input: vanilla.input.map(Into::into),
            preprocessing: vanilla.preprocessing,
            normalisation: plan.collection.normalisation(chosen.owner),
        },
        threshold: threshold(plan, chosen, &distances.strangers)?,
        own: distances.own,
    })
}

fn threshold(
    plan: &Plan,
    chosen: &Chosen,
    distances: &[(usize, f64)],
) -> Result<ThresholdCard, RunError> {
    let alpha = chosen.false_positive_rate;
    let strangers: Vec<Stranger> = distances
        .iter()
        .map(|&(family, distance)| Stranger { distance, group: plan.ancestry[family] })
        .collect();
    let nominal = plan.suite.evaluation.protocol == Protocol::Nominal;
    let calibrated = match nominal {
        true => evaluation::calibrate_nominally(&strangers, alpha),
        false => evaluation::calibrate(&strangers, alpha),
    };
    let Calibration { threshold, accepted, accepted_left_out, warnings } =
        calibrated.map_err(|error| RunError::User(format!("no threshold can be set: {error}")))?;
    let families: BTreeSet<usize> = distances.iter().map(|&(family, _)| family).collect();
    let mut distances: Vec<f64> = distances.iter().map(|&(_, distance)| distance).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let in_words = |warning: &evaluation::Warning| match warning.figure() {
        Some(figure) => format!("{}: {figure}", warning.cause()),
        None => warning.cause().to_owned(),
    };
    Ok(ThresholdCard {
        distance: threshold,
        nominal,
        false_positive_rate: alpha,
        strangers: distances,
        accepted,
        accepted_left_out,
        families: families.iter().map(|&f| plan.families[f].vanilla.name.clone()).collect(),
        warnings: warnings.iter().map(in_words).collect(),
    })
}

//! A model of a suite as a suspect.

use std::sync::{Arc, atomic::AtomicU64};

use bertillon::{Access, Derived, Error, ImageShape, Images, Model, Service, answer, suite::Suite};

use super::Suspect;
use crate::{
    Options, Progress, RunError,
    enroll::unknown,
    enrolled::Enrolled,
    interrogation::Answering,
    plan::{ModelId, Plan},
    population::{Place, derive_network},
    worker::{Site, guarded},
};

/// A model of a suite as a suspect: a vanilla by its name, or a variant as `prune/conv/0.2 of lenet-a`.
///
/// Where the suite's answers were recorded, they are looked up.
///
/// # Errors
/// When the suite, the data or the machine can't be used, there is no such model, it can't be derived, or can't be asked
/// the queries of this fingerprint.
pub fn suspect_of_suite(
    enrolled: &Enrolled,
    suite: &Suite,
    options: &Options,
    name: &str,
    progress: &dyn Progress,
) -> Result<Suspect<'static>, RunError> {
    let plan = Arc::new(Plan::new(suite, options)?);
    let models = plan.models();
    let names: Vec<String> = models.iter().map(|&model| plan.model_name(model)).collect();
    let found = names.iter().position(|known| known == name);
    let model = models[found.ok_or_else(|| {
        unknown("model", name, &names.iter().map(String::as_str).collect::<Vec<_>>())
    })?];
    let name = name.to_owned();
    if let Some(recorded) = &plan.recorded {
        if plan.data_digest != enrolled.card.data {
            return Err(RunError::User(format!(
                "`{name}` was recorded on other images than those of the fingerprint"
            )));
        }
        let answers = recorded.answers(model);
        let answers =
            answers.ok_or_else(|| RunError::User(format!("nothing was recorded of `{name}`")))?;
        let answers = enrolled.among(answers)?;
        return Ok(Suspect { name, answering: Answering::Given(answers) });
    }
    let shape = enrolled.image_shape()?;
    progress.working_on(&name);
    let site = Site::new(&plan, options, &Arc::new(AtomicU64::new(0)));
    let network = guarded(|| network(&site, model, shape))
        .map_err(|reason| RunError::User(format!("`{name}`: {reason}")))?;
    let (ranks, device) = (enrolled.card.ranks, options.device);
    let classes = enrolled.card.classes;
    if network.classes() != classes {
        return Err(RunError::User(format!(
            "`{name}` tells {} classes apart, the fingerprint's are {classes}",
            network.classes()
        )));
    }
    let ask = move |images: &Images| answer(&*network, images, Access::TopK(ranks), device);
    Ok(Suspect { name, answering: Answering::Asked(Box::new(ask)) })
}

/// A model behind a service that takes images of shape `sent`.
fn network(site: &Site, model: ModelId, sent: ImageShape) -> bertillon::Result<Box<dyn Model>> {
    let ModelId { family, variant } = model;
    let network = match variant {
        None => site.network(family)?,
        Some(variant) => {
            let Derived { model, changes } = derive_network(site, family, Place::Variant(variant))?;
            if changes.unchanged {
                return Err(Error::Refused(
                    "its generator leaves the vanilla as it is: ask that".to_owned(),
                ));
            }
            model
        }
    };
    match site.plan().families[family].vanilla.preprocessing {
        Some(preprocessing) => Ok(Box::new(Service::new(network, preprocessing, sent)?)),
        None if network.input() == sent => Ok(network),
        None => Err(Error::Refused(format!(
            "it takes images of {}, the queries have {sent}, and its collection does not say how they are resized",
            network.input()
        ))),
    }
}

//! One enrolled fingerprint, one suspect, one verdict.

mod of_suite;

use bertillon::{
    Answers, Error, FingerprintMethod, ImageShape,
    registry::{self, Builder, PluginKind},
};
pub use of_suite::suspect_of_suite;
use serde::Serialize;

use crate::{
    RunError,
    enrolled::{Card, Enrolled},
    interrogation::{Answering, Questions},
    worker::with_causes,
};

/// A suspect under the name that the verdict gives it.
#[derive(Debug)]
pub struct Suspect<'a> {
    /// What it is called.
    pub name: String,
    /// Where its answers come from.
    pub answering: Answering<'a>,
}

/// Which code of the method may judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodSource {
    /// That which set the threshold, and no other.
    AsEnrolled,
    /// Whatever goes by its name; the verdict says where it is other code.
    Any,
}

/// What a fingerprint says of a suspect: evidence, no proof.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The suspect.
    pub suspect: String,
    /// Whether it is taken for the owner's model or a variant of it.
    pub accepted: bool,
    /// The owner's vanilla.
    pub owner: String,
    /// The fingerprint.
    pub fingerprint: String,
    /// Its method.
    pub method: String,
    /// From the suspect to the owner's model; null: can't be told.
    pub distance: Option<f64>,
    /// Distances below it are accepted; null: any that can be told.
    pub threshold: Option<f64>,
    /// Queries spent on this suspect.
    pub queries_spent: usize,
    /// Queries that may be.
    pub budget: usize,
    /// What stands behind the threshold.
    pub strangers: Strangers,
    /// How the owner's own variants fared.
    pub own: Own,
    /// What to know before trusting it.
    pub warnings: Vec<String>,
}

/// Models of other families, by which a threshold was set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Strangers {
    /// How many.
    pub models: usize,
    /// Of how many families.
    pub families: usize,
    /// Those that the threshold accepts.
    pub accepted: usize,
    /// Their share: the false-positive rate realised.
    pub false_positive_rate: f64,
    /// The false-positive rate asked for.
    pub asked: f64,
    /// Those accepted by a threshold in which their own ancestry had no part.
    pub accepted_left_out: Option<usize>,
    /// Those as near as the suspect, or nearer.
    pub as_near: usize,
    /// Distance of the nearest; null: can't be told.
    pub nearest: Option<f64>,
}

/// Variants that the suite derived from the owner's vanilla, none of which she rehearsed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Own {
    /// How many.
    pub models: usize,
    /// Those that the threshold accepts.
    pub accepted: usize,
}

/// Puts a fingerprint to a suspect.
///
/// # Errors
/// When the method is not there or (unless `source` allows it) is other code than when the fingerprint was enrolled, or the
/// suspect or the method fails.
pub fn verify(
    enrolled: &Enrolled,
    mut suspect: Suspect<'_>,
    source: MethodSource,
) -> Result<Verdict, RunError> {
    let card = &enrolled.card;
    let (method, mut warnings) = method(card, source)?;
    let questions = enrolled.questions();
    let Suspect { name, answering } = &mut suspect;
    let found = match answering {
        Answering::Given(answers) => questions.check(answers, enrolled.len()),
        Answering::Asked(_) => Ok(()),
    };
    let found = found.and_then(|()| questions.put(&*method, answering));
    let found = found.map_err(|error| {
        RunError::User(format!("{name} can't be judged: {}", with_causes(&error)))
    })?;
    let threshold = &card.threshold;
    warnings.extend(threshold.warnings.iter().cloned());
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    Ok(Verdict {
        accepted: threshold.accepts(found.distance),
        suspect: suspect.name,
        owner: card.owner.name.clone(),
        fingerprint: card.fingerprint.clone(),
        method: card.method.plugin.clone(),
        distance: finite(found.distance),
        threshold: finite(threshold.distance),
        queries_spent: found.spent,
        budget: card.budget,
        strangers: Strangers {
            models: threshold.strangers.len(),
            families: threshold.families.len(),
            accepted: threshold.accepted,
            false_positive_rate: threshold.rate(),
            asked: threshold.false_positive_rate,
            accepted_left_out: threshold.accepted_left_out,
            as_near: threshold.strangers.iter().filter(|&&d| d <= found.distance).count(),
            nearest: threshold.strangers.first().copied().and_then(finite),
        },
        own: Own { models: card.own.len(), accepted: card.own_accepted() },
        warnings,
    })
}

impl Enrolled {
    /// Number of queries.
    pub fn len(&self) -> usize {
        self.fingerprint.queries.len()
    }

    /// Whether there is none; a file that is read has one at least.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answers to the queries among answers to the whole pool.
    ///
    /// # Errors
    /// When some queries are crafted, or the answers are not to as many images as the pool has.
    pub fn among(&self, pool: &Answers) -> Result<Answers, RunError> {
        if self.fingerprint.queries.crafted.is_some() {
            return Err(RunError::User(
                "queries of this fingerprint were crafted: answers to the pool say nothing of them"
                    .to_owned(),
            ));
        }
        match pool.len() == self.card.pool {
            true => Ok(pool.gather(&self.fingerprint.queries.pool)),
            false => Err(RunError::User(format!(
                "{} answers, to neither the {} queries of the fingerprint nor the {} images of its pool",
                pool.len(),
                self.len(),
                self.card.pool
            ))),
        }
    }

    /// Shape of the images that a suspect is sent.
    ///
    /// # Errors
    /// When the fingerprint was enrolled from recorded answers, and so has no images.
    pub fn image_shape(&self) -> Result<ImageShape, RunError> {
        match &self.queries {
            Some(images) => Ok(images.shape()),
            None => Err(RunError::User(format!(
                "this fingerprint was enrolled from recorded answers and holds no images, so no model can be asked: give \
                 the suspect's recorded answers to the {} images, or to the whole pool",
                self.len()
            ))),
        }
    }

    fn questions(&self) -> Questions<'_> {
        Questions {
            fingerprint: &self.fingerprint,
            images: self.queries.as_ref(),
            budget: self.card.budget,
            ranks: self.card.ranks,
            classes: self.card.classes,
        }
    }
}

/// The method that judges, and what to know about it.
fn method(
    card: &Card,
    source: MethodSource,
) -> Result<(Box<dyn FingerprintMethod>, Vec<String>), RunError> {
    let name = card.method.plugin.as_str();
    let user = |error: Error| RunError::User(format!("`{name}`: {}", with_causes(&error)));
    let entry = registry::find(PluginKind::Method, name).map_err(user)?;
    let Some(entry) = entry else {
        return Err(RunError::User(format!(
            "the fingerprint was enrolled by the method `{name}`, which is not there; load its library with --plugin"
        )));
    };
    let Builder::Method(build) = entry.builder else {
        return Err(RunError::User(format!("`{name}` is no method")));
    };
    let method = build(&card.method.parameters).map_err(user)?;
    let mut recipe = entry.recipe();
    method.ingredients().iter().for_each(|part| recipe.push_str(&format!(", {part}")));
    if recipe == card.method.source {
        return Ok((method, Vec::new()));
    }
    let difference = format!(
        "the code of `{name}` is not what the fingerprint was enrolled by ({} then, {recipe} now)",
        card.method.source
    );
    match source {
        MethodSource::AsEnrolled => Err(RunError::User(format!(
            "{difference}, so its threshold may not hold; enrol again, or judge all the same with --force"
        ))),
        MethodSource::Any => {
            Ok((method, vec![format!("{difference}: the threshold may not hold")]))
        }
    }
}

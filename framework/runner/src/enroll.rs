//! One owner enrols by one fingerprint, for use outside the suite: her threshold comes from the strangers that the suite
//! has.

mod card;
mod chosen;

use std::{collections::HashSet, sync::Arc};

use bertillon::{Answers, Fingerprint, Images, results::Failure, suite::Suite};
use chosen::Chosen;
pub(crate) use chosen::unknown;

use crate::{
    Options, Progress, RunError,
    cache::Cache,
    context::Context,
    enrolled::{Enrolled, Judged},
    enrolment::{self, Known},
    forecast::{Extent, step},
    interrogation::{Answering, Questions},
    plan::{ModelId, Plan},
    population::{Bank, Outcome},
    run::{ask_everyone, ask_vanillas, failures_of},
    worker::guarded,
};

/// What to enrol.
#[derive(Debug, Clone, PartialEq)]
pub struct Enrolment {
    /// Name of a vanilla of the suite.
    pub model: String,
    /// Name of a fingerprint of the suite, or of a method that one fingerprint alone uses.
    pub fingerprint: String,
    /// Most queries; the suite's primary budget where it is left out.
    pub budget: Option<usize>,
    /// Which draw of the queries.
    pub draw: usize,
    /// Share of strangers that may be accepted; the suite's where it is left out.
    pub false_positive_rate: Option<f64>,
}

/// An enrolled fingerprint, and what failed on the way.
#[derive(Debug, Clone)]
pub struct NewlyEnrolled {
    /// The fingerprint.
    pub enrolled: Enrolled,
    /// Models that could not be derived or judged, and so are in no count.
    pub failures: Vec<Failure>,
    /// Answers that had to be computed.
    pub computed: u64,
    /// Threads that ran past [`Options::cell_timeout`] and may still be running.
    pub abandoned: u64,
}

/// Enrols a vanilla of a suite by one of its fingerprints, as a run of the suite does, and sets her threshold: the largest
/// that accepts at most the share asked of the kept models of other families.
///
/// # Errors
/// When the suite, the data or the machine can't be used, there is no such model or fingerprint, enrolment fails, no
/// stranger is left, or the work is interrupted.
pub fn enroll(
    suite: &Suite,
    options: &Options,
    enrolment: &Enrolment,
    progress: &dyn Progress,
) -> Result<NewlyEnrolled, RunError> {
    let cache = Cache::open(&options.cache)?;
    let plan = Arc::new(Plan::new(suite, options)?);
    let chosen = Chosen::find(&plan, enrolment)?;
    let workers = options.workers()?;
    let context = Context::new(&plan, &cache, &workers, options, progress);
    let extent = Extent::Enrolment { fingerprint: chosen.fingerprint, owner: chosen.owner };
    let vanillas = ask_vanillas(&context, extent)?;
    let (asked, banks) = make(&context, &chosen, &vanillas)?;
    let outcomes = ask_everyone(&context, &vanillas, &banks)?;
    let mut failures = failures_of(&plan, &outcomes);
    let distances = judge(&context, &chosen, &asked, &outcomes, &mut failures)?;
    let card = card::card(&plan, options, &chosen, distances)?;
    let Asked { fingerprint, images: queries, .. } = asked;
    let fingerprint = Arc::unwrap_or_clone(fingerprint);
    Ok(NewlyEnrolled {
        enrolled: Enrolled { card, fingerprint, queries },
        failures,
        computed: context.computed(),
        abandoned: context.abandoned(),
    })
}

/// What she asks, and where that stands.
struct Asked {
    fingerprint: Arc<Fingerprint>,
    /// Row of each query in her bank, where she has one.
    rows: Option<Vec<u32>>,
    images: Option<Images>,
}

/// Makes her fingerprint; with it her bank, where she crafts.
fn make(
    context: &Context<'_>,
    chosen: &Chosen,
    vanillas: &[Result<Answers, String>],
) -> Result<(Asked, Vec<Bank>), RunError> {
    let plan = context.plan;
    let planned = chosen.planned(plan);
    let &Chosen { fingerprint: index, owner, budget, draw, .. } = chosen;
    let mut rehearsals = Vec::new();
    if planned.knowledge.rehearsals {
        let forecast = context.forecast();
        let name = step::rehearsing(&planned.name);
        let cost = |&owner: &usize| forecast.rehearsals(index, owner, &mut HashSet::new());
        let rehearse = |&owner: &usize| enrolment::rehearse(context, index, owner);
        let mut done = context.step_in_groups(&name, &[owner], cost, rehearse)?;
        rehearsals = done.pop().unwrap_or_default();
    }
    let known = Known { vanillas, rehearsals: &rehearsals };
    let failed = |reason: String| {
        let vanilla = &plan.families[owner].vanilla.name;
        RunError::User(format!("`{vanilla}` can't be enrolled by `{}`: {reason}", planned.name))
    };
    let stream = plan.draw_stream(owner, draw);
    if planned.bank.is_none() {
        let site = context.site();
        let peers = &planned.peers[owner];
        let fingerprint = guarded(|| {
            let owner = enrolment::owner(&site, planned, owner, peers, &known)?;
            enrolment::benign(planned, &owner, budget, stream)
        })
        .map_err(failed)?;
        let images = plan.pool.images.as_ref();
        let images = images.map(|images| images.gather(&fingerprint.queries.pool));
        return Ok((Asked { fingerprint: Arc::new(fingerprint), rows: None, images }, Vec::new()));
    }
    let forecast = context.forecast();
    let mut crafted = context.step_in_groups(
        step::CRAFTING,
        &[owner],
        |&owner| forecast.bank(index, owner),
        |&owner| enrolment::bank(context, index, owner, vanillas),
    )?;
    let content = Arc::new(crafted.pop().expect("one cell").map_err(failed)?);
    let (fingerprint, rows) = enrolment::sampled(&content, budget, stream);
    let images = images(plan, &fingerprint).map_err(|error| failed(error.to_string()))?;
    let key = plan.bank_key(planned, owner);
    let bank = Bank { fingerprint: index, owner, key, content };
    let asked =
        Asked { fingerprint: Arc::new(fingerprint), rows: Some(rows), images: Some(images) };
    Ok((asked, vec![bank]))
}

/// All queries of a crafted fingerprint, in their order.
fn images(plan: &Plan, fingerprint: &Fingerprint) -> bertillon::Result<Images> {
    let pool = plan.pool.images()?;
    let benign = pool.gather(&fingerprint.queries.pool);
    let crafted = fingerprint.queries.crafted.as_ref().map_or(&[][..], Images::as_bytes);
    Images::new([benign.as_bytes(), crafted].concat(), pool.shape())
}

/// Distances of those whom her fingerprint was put to.
#[derive(Default)]
struct Distances {
    /// Her own variants.
    own: Vec<Judged>,
    /// Family and distance of each model that is not hers.
    strangers: Vec<(usize, f64)>,
}

/// Interrogates every kept model whose pair with her counts.
fn judge(
    context: &Context<'_>,
    chosen: &Chosen,
    asked: &Asked,
    outcomes: &[Outcome],
    failures: &mut Vec<Failure>,
) -> Result<Distances, RunError> {
    let plan = context.plan;
    let planned = chosen.planned(plan);
    let place = (chosen.fingerprint, chosen.owner);
    let answers = |outcome: &Outcome| match &asked.rows {
        None => outcome.pool.as_ref().map(|all| all.gather(&asked.fingerprint.queries.pool)),
        Some(rows) => match outcome.banks.get(&place) {
            Some(Ok(answers)) => Some(answers.gather(rows)),
            _ => None,
        },
    };
    let cells: Vec<(ModelId, Answers)> = outcomes
        .iter()
        .filter(|outcome| outcome.kept && plan.counts(planned, chosen.owner, outcome.model))
        .filter_map(|outcome| Some((outcome.model, answers(outcome)?)))
        .collect();
    let (budget, index) = (chosen.budget, chosen.fingerprint);
    let interrogated = context.step(
        step::DISTANCES,
        &cells,
        |_| 1.0,
        |(_, answers)| {
            let (fingerprint, answers) = (asked.fingerprint.clone(), answers.clone());
            Ok(context.site().limited(move |site| {
                let planned = &site.plan().fingerprints[index];
                let questions = Questions {
                    fingerprint: &fingerprint,
                    images: None,
                    budget,
                    ranks: planned.needs.access.ranks(),
                    classes: site.plan().pool.classes,
                };
                questions.put(&*planned.method, &mut Answering::Given(answers))
            }))
        },
    )?;
    let mut distances = Distances::default();
    for (&(model, _), outcome) in cells.iter().zip(interrogated) {
        let name = plan.model_name(model);
        match outcome.map(|found| found.distance) {
            Ok(distance) if model.family != chosen.owner => {
                distances.strangers.push((model.family, distance));
            }
            // That she knows herself is no news.
            Ok(_) if model.variant.is_none() => {}
            Ok(distance) => distances.own.push(Judged { name, distance }),
            Err(reason) => failures.push(Failure {
                step: "interrogate".into(),
                subject: name,
                plugin: Some(planned.recipe.plugin.clone()),
                reason,
            }),
        }
    }
    Ok(distances)
}

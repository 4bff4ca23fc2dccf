//! Running a plan: vanillas answer the pool, owners craft, every model answers what it has not answered yet, and
//! distances are judged.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use bertillon::{Answers, Model, results::Failure, suite::Suite};
use tch::Device;

use crate::{
    Finished, Interrupt, Options, Progress, RunError,
    cache::Cache,
    enrolment::{self, Known},
    judgement::{self, Judged},
    output,
    plan::{ModelId, Plan},
    population::{self, Bank, Outcome},
    worker::{Interruptible, for_each},
};

/// What every cell of a run shares.
pub(crate) struct Context<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) cache: &'a Cache,
    pub(crate) device: Device,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) workers: &'a rayon::ThreadPool,
    computed: AtomicU64,
}

impl Context<'_> {
    /// A fresh copy of a vanilla.
    pub(crate) fn load(&self, family: usize) -> bertillon::Result<Box<dyn Model>> {
        Ok(Interruptible::wrap(self.plan.collection.load(family, self.device)?, self.interrupt))
    }

    pub(crate) fn count_answers(&self, answers: usize) {
        self.computed.fetch_add(answers as u64, Ordering::Relaxed);
    }

    /// Whether a variant with these answers is accurate enough (Maho et al. 2022, eq. 1).
    pub(crate) fn keeps(&self, variant: &Answers, vanilla: &Answers) -> bool {
        let truth = &self.plan.pool.truth;
        let ratio = variant.accuracy(truth) / vanilla.accuracy(truth);
        ratio - 1.0 > -self.plan.suite.evaluation.max_accuracy_drop
    }

    /// Runs a step of the run with progress.
    fn step<C: Sync, T: Send>(
        &self,
        name: &str,
        cells: &[C],
        work: impl Fn(&C) -> Result<T, RunError> + Sync,
    ) -> Result<Vec<T>, RunError> {
        self.progress.begin(name, cells.len() as u64, 0);
        let done = for_each(self.workers, self.interrupt, cells, |cell| {
            let result = work(cell)?;
            self.progress.advance(1);
            Ok(result)
        });
        self.progress.end();
        done
    }
}

/// Runs a suite and writes its results.
///
/// # Errors
/// When the suite, the data or the machine can't be used, or the run is interrupted; cells that fail are no error
/// but [`Results::failures`](bertillon::results::Results::failures).
pub fn run(
    suite: &Suite,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished, RunError> {
    let started = Instant::now();
    output::check_writable(&options.out)?;
    let cache = Cache::open(&options.cache)?;
    let plan = Plan::new(suite, options)?;
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| RunError::User(format!("{} threads: {error}", options.threads)))?;
    let context = Context {
        plan: &plan,
        cache: &cache,
        device: options.device,
        interrupt: &options.interrupt,
        progress,
        workers: &workers,
        computed: AtomicU64::new(0),
    };
    let vanillas = ask_vanillas(&context)?;
    let rehearsals = rehearse(&context)?;
    let (banks, mut failures) = craft(&context, &vanillas, &rehearsals)?;
    let outcomes = ask_everyone(&context, &vanillas, &banks)?;
    failures.splice(0..0, failures_of(&plan, &outcomes));
    let judged = judgement::judge(&context, &vanillas, &rehearsals, &banks, &outcomes, failures)?;
    let Judged { results, pairs } = judged;
    output::write(&context, options, &results, &pairs, started.elapsed())?;
    Ok(Finished {
        results,
        out: options.out.clone(),
        computed: context.computed.load(Ordering::Relaxed),
    })
}

type VanillaAnswers = Vec<Result<Answers, String>>;

/// Answers of rehearsals, `[fingerprint][owner][rehearsal]`.
pub(crate) type Rehearsed = Vec<Vec<VanillaAnswers>>;

fn ask_vanillas(context: &Context<'_>) -> Result<VanillaAnswers, RunError> {
    let plan = context.plan;
    let families: Vec<usize> = (0..plan.families.len()).collect();
    let answers = context.step("vanillas answer the pool", &families, |&family| {
        population::vanilla_answers(context, family)
    })?;
    let mut right = 0;
    for (family, answers) in plan.families.iter().zip(&answers) {
        let Ok(answers) = answers else { continue };
        right += 1;
        if answers.accuracy(&plan.pool.truth) == 0.0 {
            return Err(RunError::User(format!(
                "vanilla `{}` answers none of the {} images rightly: its weights, its preprocessing or the labels \
                 are wrong",
                family.vanilla.name,
                plan.pool.len()
            )));
        }
    }
    if right < 2 {
        let reasons: Vec<String> = plan
            .families
            .iter()
            .zip(&answers)
            .filter_map(|(family, answers)| {
                Some(format!("`{}`: {}", family.vanilla.name, answers.as_ref().err()?))
            })
            .collect();
        return Err(RunError::User(format!(
            "fewer than two vanillas answer, so there is no false pair; {}",
            reasons.join("; ")
        )));
    }
    Ok(answers)
}

fn rehearse(context: &Context<'_>) -> Result<Rehearsed, RunError> {
    let plan = context.plan;
    let owners = plan.families.len();
    let mut all = Vec::new();
    for fingerprint in &plan.fingerprints {
        if !fingerprint.knowledge.rehearsals {
            all.push(vec![Vec::new(); owners]);
            continue;
        }
        let cells: Vec<usize> = (0..owners).collect();
        let step = format!("owners rehearse for {}", fingerprint.name);
        all.push(
            context
                .step(&step, &cells, |&owner| enrolment::rehearse(context, fingerprint, owner))?,
        );
    }
    Ok(all)
}

/// Crafts every bank; owners whose crafting failed are failures.
fn craft(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
    rehearsals: &Rehearsed,
) -> Result<(Vec<Bank>, Vec<Failure>), RunError> {
    let plan = context.plan;
    let cells: Vec<(usize, usize)> = plan
        .crafting()
        .flat_map(|(index, _)| (0..plan.families.len()).map(move |owner| (index, owner)))
        .collect();
    if cells.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let crafted = context.step("owners craft queries", &cells, |&(index, owner)| {
        let known = Known { vanillas, rehearsals: &rehearsals[index] };
        enrolment::bank(context, &plan.fingerprints[index], owner, &known)
    })?;
    let (mut banks, mut failures) = (Vec::new(), Vec::new());
    for (&(fingerprint, owner), outcome) in cells.iter().zip(crafted) {
        match outcome {
            Ok(content) => {
                let key = plan.bank_key(&plan.fingerprints[fingerprint], owner);
                banks.push(Bank { fingerprint, owner, key, content });
            }
            Err(reason) => failures.push(enrolment_failure(plan, fingerprint, owner, reason)),
        }
    }
    Ok((banks, failures))
}

pub(crate) fn enrolment_failure(
    plan: &Plan,
    fingerprint: usize,
    owner: usize,
    reason: String,
) -> Failure {
    let planned = &plan.fingerprints[fingerprint];
    Failure {
        step: "enrol".into(),
        subject: format!("{} of {}", planned.name, plan.families[owner].vanilla.name),
        plugin: Some(planned.recipe.plugin.clone()),
        reason,
    }
}

fn ask_everyone(
    context: &Context<'_>,
    vanillas: &[Result<Answers, String>],
    banks: &[Bank],
) -> Result<Vec<Outcome>, RunError> {
    let plan = context.plan;
    let mut cells: Vec<ModelId> = plan.models();
    // The longest first, so that no thread is left with one at the end.
    cells.sort_by(|a, b| cost(plan, *b, banks).total_cmp(&cost(plan, *a, banks)));
    let mut outcomes = context.step("models are derived and answer", &cells, |&model| {
        population::cell(context, model, vanillas, banks)
    })?;
    outcomes.sort_by_key(|outcome| (outcome.model.family, outcome.model.variant));
    Ok(outcomes)
}

/// Forward passes of one image that a model costs.
pub(crate) fn cost(plan: &Plan, model: ModelId, banks: &[Bank]) -> f64 {
    let crafted: usize = banks.iter().map(|bank| bank.content.queries.len()).sum();
    cost_of_queries(plan, model, plan.pool.len() + crafted)
}

pub(crate) fn cost_of_queries(plan: &Plan, model: ModelId, queries: usize) -> f64 {
    let cost = match model.variant {
        None => bertillon::Cost::default(),
        Some(variant) => plan.variants[variant].generator.cost(plan.split.thief.len()),
    };
    cost.forwards_to_derive + cost.forwards_per_answer * queries as f64
}

fn failures_of(plan: &Plan, outcomes: &[Outcome]) -> Vec<Failure> {
    let mut failures = Vec::new();
    for outcome in outcomes {
        let name = plan.model_name(outcome.model);
        let plugin = outcome.model.variant.map(|v| plan.variants[v].recipe.plugin.clone());
        if let Some((step, reason)) = &outcome.failure {
            failures.push(Failure {
                step: (*step).into(),
                subject: name.clone(),
                plugin: plugin.clone(),
                reason: reason.clone(),
            });
        }
        let banks: BTreeMap<_, _> = outcome.banks.iter().collect();
        for (&(fingerprint, owner), answers) in banks {
            if let Err(reason) = answers {
                failures.push(Failure {
                    step: "interrogate".into(),
                    subject: format!(
                        "{name} by {} of {}",
                        plan.fingerprints[fingerprint].name, plan.families[owner].vanilla.name
                    ),
                    plugin: plugin.clone(),
                    reason: reason.clone(),
                });
            }
        }
    }
    failures
}

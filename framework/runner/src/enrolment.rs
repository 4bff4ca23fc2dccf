//! Enrolment: owners make fingerprints. Crafted queries are made once an owner, into a bank; benign ones anew for
//! every draw.

use bertillon::{
    Answers, Error, Fingerprint, Memory, Needs, Owner, Peer, Pool, Queries, Rehearsal,
    Result as PluginResult, Stream, results::Failure,
};

use crate::{
    RunError,
    context::Context,
    plan::{Plan, PlannedFingerprint},
    population::{self, Place},
    worker::{Site, guarded},
};

/// Answers of rehearsals, `[fingerprint][owner][rehearsal]`.
pub(crate) type Rehearsed = Vec<Vec<Vec<Result<Answers, String>>>>;

/// What an owner can know: answers of every vanilla, and of her rehearsals.
pub(crate) struct Known<'a> {
    pub(crate) vanillas: &'a [Result<Answers, String>],
    /// Hers, empty where the fingerprint does not rehearse.
    pub(crate) rehearsals: &'a [Result<Answers, String>],
}

/// The owner of family `family` as `fingerprint` sees her, who knows the families `peers`.
pub(crate) fn owner(
    site: &Site,
    fingerprint: &PlannedFingerprint,
    family: usize,
    peers: &[usize],
    known: &Known<'_>,
) -> PluginResult<Owner> {
    let plan = site.plan();
    let access = fingerprint.needs.access;
    let answers_of = |family: usize| match &known.vanillas[family] {
        Ok(answers) => Ok(answers.restricted_to(access)?),
        Err(reason) => {
            let name = &plan.families[family].vanilla.name;
            Err(Error::Refused(format!("`{name}` did not answer: {reason}")))
        }
    };
    let peers = match fingerprint.knowledge.peers {
        true => peers,
        false => &[],
    };
    let peers = peers
        .iter()
        .map(|&peer| {
            let name = plan.families[peer].vanilla.name.clone();
            Ok(Peer { name, answers: answers_of(peer)? })
        })
        .collect::<PluginResult<_>>()?;
    let mut rehearsals = Vec::new();
    if fingerprint.knowledge.rehearsals {
        for (planned, answers) in fingerprint.rehearsals.iter().zip(known.rehearsals) {
            // She can't derive what was not recorded of her family, and rehearses the rest.
            if plan.recorded.is_some() && answers.is_err() {
                continue;
            }
            let answers = answers.as_ref().map_err(|reason| {
                Error::Refused(format!("rehearsal `{}` failed: {reason}", planned.variation))
            })?;
            // What no thief could sell she need not recognise.
            if let Ok(vanilla) = &known.vanillas[family]
                && !plan.keeps(answers, vanilla)
            {
                continue;
            }
            let variation = planned.variation.clone();
            rehearsals.push(Rehearsal { variation, answers: answers.restricted_to(access)? });
        }
    }
    let model = match fingerprint.knowledge.model {
        true => Some(site.vanilla(family)?),
        false => None,
    };
    Ok(Owner {
        name: plan.families[family].vanilla.name.clone(),
        model,
        answers: answers_of(family)?,
        pool: plan.pool.clone(),
        peers,
        rehearsals,
        device: site.device(),
        memory: Memory::default(),
    })
}

/// The owner's bank of crafted queries.
pub(crate) fn bank(
    context: &Context<'_>,
    index: usize,
    family: usize,
    vanillas: &[Result<Answers, String>],
) -> Result<Result<Fingerprint, String>, RunError> {
    let fingerprint = &context.plan.fingerprints[index];
    let rehearsals = match fingerprint.knowledge.rehearsals {
        true => rehearse(context, index, family)?,
        false => Vec::new(),
    };
    context.obtain(context.plan.bank_key(fingerprint, family), || {
        let vanilla = &context.plan.families[family].vanilla.name;
        context.progress.working_on(&format!("{} of {vanilla}", fingerprint.name));
        let known = Known { vanillas, rehearsals: &rehearsals };
        craft(&context.site(), index, family, &known)
    })
}

fn craft(
    site: &Site,
    index: usize,
    family: usize,
    known: &Known<'_>,
) -> Result<Fingerprint, String> {
    let fingerprint = &site.plan().fingerprints[index];
    let size = fingerprint.bank.expect("only crafting fingerprints have banks");
    let owner = guarded(|| owner(site, fingerprint, family, &fingerprint.peers[family], known))?;
    site.limited(move |site| {
        let plan = site.plan();
        let mut stream = plan.bank_stream(family);
        let bank = plan.fingerprints[index].method.enroll(&owner, None, size, &mut stream)?;
        check(&bank, size, &plan.pool, &plan.fingerprints[index].needs)?;
        match bank.queries.len() == size {
            true => Ok(bank),
            false => Err(Error::Refused(format!(
                "{} of {size} queries of the bank were crafted",
                bank.queries.len()
            ))),
        }
    })
}

/// A benign fingerprint.
pub(crate) fn benign(
    fingerprint: &PlannedFingerprint,
    owner: &Owner,
    budget: usize,
    mut stream: Stream,
) -> PluginResult<Fingerprint> {
    let selector = fingerprint.selector.as_deref();
    let enrolled = fingerprint.method.enroll(owner, selector, budget, &mut stream)?;
    check(&enrolled, budget, &owner.pool, &fingerprint.needs)?;
    Ok(enrolled)
}

/// Some queries of a bank, at most `budget`, and the row of each.
pub(crate) fn sampled(
    bank: &Fingerprint,
    budget: usize,
    mut stream: Stream,
) -> (Fingerprint, Vec<u32>) {
    let size = bank.queries.len();
    let mut rows = stream.sample_indices(size, budget.min(size));
    rows.sort_unstable();
    (bank.sample(&rows), rows)
}

/// Holds a method to its budget, to what it declared, and its fingerprint to its shape.
fn check(fingerprint: &Fingerprint, budget: usize, pool: &Pool, needs: &Needs) -> PluginResult<()> {
    let Queries { pool: indices, crafted } = &fingerprint.queries;
    let queries = fingerprint.queries.len();
    let refuse = |reason: String| Err(Error::Refused(reason));
    if queries == 0 || queries > budget {
        return refuse(format!("a fingerprint of {queries} queries for a budget of {budget}"));
    }
    if let Some(index) = indices.iter().find(|&&index| index as usize >= pool.len()) {
        let images = pool.len();
        return refuse(format!("query {index} is beyond the pool of {images} images"));
    }
    let mut sorted = indices.clone();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(format!("image {} of the pool is asked twice", twice[0]));
    }
    if let Some(images) = crafted {
        if !needs.crafts {
            let count = images.len();
            return refuse(format!(
                "{count} crafted queries of a method that does not declare any"
            ));
        }
        let (shape, sent) = (images.shape(), pool.images()?.shape());
        if shape != sent {
            return refuse(format!("crafted queries of {shape}, where images of {sent} are sent"));
        }
    }
    let (revealed, ranks) = (fingerprint.reference.ranks(), needs.access.ranks());
    if revealed > ranks {
        let access = needs.access;
        return refuse(format!("a reference of {revealed} labels a query, declared is {access}"));
    }
    if fingerprint.reference.len() != queries {
        return refuse(format!(
            "{queries} queries with {} reference answers",
            fingerprint.reference.len()
        ));
    }
    match &fingerprint.truth {
        Some(truth) if truth.len() != queries => {
            refuse(format!("{queries} queries with {} true labels", truth.len()))
        }
        _ => Ok(()),
    }
}

/// Answers of an owner's rehearsals to the pool.
pub(crate) fn rehearse(
    context: &Context<'_>,
    fingerprint: usize,
    family: usize,
) -> Result<Vec<Result<Answers, String>>, RunError> {
    (0..context.plan.fingerprints[fingerprint].rehearsals.len())
        .map(|index| {
            let place = Place::Rehearsal { fingerprint, index };
            population::rehearsal_answers(context, family, place)
        })
        .collect()
}

/// An enrolment that failed, for the report.
pub(crate) fn failure(plan: &Plan, fingerprint: usize, owner: usize, reason: String) -> Failure {
    let planned = &plan.fingerprints[fingerprint];
    Failure {
        step: "enrol".into(),
        subject: format!("{} of {}", planned.name, plan.families[owner].vanilla.name),
        plugin: Some(planned.recipe.plugin.clone()),
        reason,
    }
}

//! Identification: whose model is it, if anyone's that is known?
//!
//! Every known owner is enrolled, and a suspect is asked all their fingerprints. All draw from one stream, so that owners
//! who choose alike ask the same images, and the suspect answers them once.

use std::collections::BTreeSet;

use bertillon::{
    AnswerTable, Answers, Memory, Owner, Rehearsal, Statistic, Stream, Suspects,
    evaluation::{
        IdentificationCase, IdentificationDraw, IdentificationSettings, IdentificationWarning,
        Suspect, identify as evaluate,
    },
    results::{Failure, IdentificationResult},
    suite::IdentifyBy,
};

use super::{
    Bench, Material,
    asker::{Asked, Asker},
    rates::{REPLICATES, Warnings},
};
use crate::{
    RunError,
    context::Context,
    enrolment,
    forecast::step,
    plan::{Plan, PlannedFingerprint},
    worker::{Site, guarded},
};

/// What identification finds.
#[derive(Default)]
pub(super) struct Found {
    pub(super) results: Vec<IdentificationResult>,
    pub(super) failures: Vec<Failure>,
    pub(super) warnings: Vec<String>,
}

/// Names every suspect by every fingerprint, at every budget.
pub(super) fn identify(
    context: &Context<'_>,
    material: &Material<'_>,
    bench: &Bench<'_>,
) -> Result<Found, RunError> {
    let plan = context.plan;
    let unknown = unknown_families(plan);
    let cells: Vec<(IdentifyBy, usize)> = plan
        .suite
        .evaluation
        .identification
        .by
        .iter()
        .flat_map(|&by| (0..plan.fingerprints.len()).map(move |index| (by, index)))
        .filter(|&(by, index)| by == IdentifyBy::Family || names_variations(plan, index))
        .collect();
    let done = context.step(
        step::IDENTIFICATION,
        &cells,
        |_| 1.0,
        |&(by, index)| {
            let question = match by {
                IdentifyBy::Family => Question::family(plan, index, &unknown, bench),
                IdentifyBy::Variation => Question::variation(plan, index, bench),
            };
            Ok(guarded(|| question.answer(context, material, bench)))
        },
    )?;
    let mut found = Found::default();
    let mut warnings = Warnings::default();
    for (&(by, index), outcome) in cells.iter().zip(done) {
        let name = &plan.fingerprints[index].name;
        match outcome {
            Ok(budgets) => {
                for (result, cautions) in budgets {
                    for caution in cautions {
                        let figure = Some(caution.figure());
                        warnings.add(caution.cause(), name, result.budget, figure);
                    }
                    found.results.push(result);
                }
            }
            Err(reason) => found.failures.push(Failure {
                step: "identify".into(),
                subject: format!("by {} with {name}", word(by)),
                plugin: Some(plan.fingerprints[index].recipe.plugin.clone()),
                reason,
            }),
        }
    }
    found.warnings = warnings.into_lines();
    Ok(found)
}

fn word(by: IdentifyBy) -> &'static str {
    match by {
        IdentifyBy::Family => "family",
        IdentifyBy::Variation => "variation",
    }
}

/// Whether an owner can tell kinds of variant apart: she rehearsed some, and asks images of the pool.
fn names_variations(plan: &Plan, index: usize) -> bool {
    let planned = &plan.fingerprints[index];
    planned.bank.is_none() && !planned.rehearsals.is_empty()
}

/// `[draw][family]`: who is unknown; never so many that fewer than two are known.
fn unknown_families(plan: &Plan) -> Vec<Vec<bool>> {
    let families = plan.families.len();
    let share = plan.suite.evaluation.identification.unknown;
    #[expect(clippy::cast_possible_truncation, reason = "a share of a small count")]
    #[expect(clippy::cast_sign_loss, reason = "a share")]
    let wanted = (share * families as f64).round() as usize;
    let at_least = usize::from(share > 0.0);
    let count = wanted.max(at_least).min(families.saturating_sub(2));
    (0..plan.suite.evaluation.draws)
        .map(|draw| {
            let names = ["unknown families", "draw", &draw.to_string()];
            let dropped = Stream::named(plan.suite.seed, names).sample_indices(families, count);
            (0..families).map(|family| dropped.iter().any(|&d| d as usize == family)).collect()
        })
        .collect()
}

/// What is to be named, by one fingerprint.
struct Question<'a> {
    plan: &'a Plan,
    by: IdentifyBy,
    index: usize,
    planned: &'a PlannedFingerprint,
    hypotheses: Vec<Hypothesis>,
    /// `[draw][hypothesis]`.
    known: Vec<Vec<bool>>,
    /// Columns of the bench that are asked: a rehearsed instance is none.
    columns: Vec<usize>,
}

/// One name that a suspect may get: a family, or a kind of variant of one.
struct Hypothesis {
    family: usize,
    /// Kind and detail; none for the whole family.
    kind: Option<(String, Option<String>)>,
}

impl<'a> Question<'a> {
    fn family(plan: &'a Plan, index: usize, unknown: &[Vec<bool>], bench: &Bench<'_>) -> Self {
        let families = 0..plan.families.len();
        let hypotheses = families.map(|family| Hypothesis { family, kind: None }).collect();
        let known = unknown.iter().map(|draw| draw.iter().map(|unknown| !unknown).collect());
        Self::new(plan, IdentifyBy::Family, index, hypotheses, known.collect(), bench)
    }

    fn variation(plan: &'a Plan, index: usize, bench: &Bench<'_>) -> Self {
        let rehearsals = plan.fingerprints[index].rehearsals.iter();
        let rehearsed: BTreeSet<(String, Option<String>)> = rehearsals
            .map(|rehearsal| (rehearsal.variation.kind.clone(), rehearsal.variation.detail.clone()))
            .collect();
        let kinds =
            || std::iter::once(("vanilla".to_owned(), None)).chain(rehearsed.iter().cloned());
        let hypotheses: Vec<Hypothesis> = (0..plan.families.len())
            .flat_map(|family| kinds().map(move |kind| Hypothesis { family, kind: Some(kind) }))
            .collect();
        let known = vec![vec![true; hypotheses.len()]; plan.suite.evaluation.draws];
        Self::new(plan, IdentifyBy::Variation, index, hypotheses, known, bench)
    }

    fn new(
        plan: &'a Plan,
        by: IdentifyBy,
        index: usize,
        hypotheses: Vec<Hypothesis>,
        known: Vec<Vec<bool>>,
        bench: &Bench<'_>,
    ) -> Self {
        let planned = &plan.fingerprints[index];
        // Only a method that uses rehearsals has seen them when families are named.
        let rehearses = by == IdentifyBy::Variation || planned.knowledge.rehearsals;
        let seen = |column: usize| {
            let variant = bench.kept[column].model.variant;
            rehearses && variant.is_some_and(|variant| planned.rehearses(plan, variant))
        };
        let columns = (0..bench.kept.len()).filter(|&column| !seen(column)).collect();
        Self { plan, by, index, planned, hypotheses, known, columns }
    }

    /// The rates at every budget, with what to know about them.
    fn answer(
        &self,
        context: &Context<'_>,
        material: &Material<'_>,
        bench: &Bench<'_>,
    ) -> bertillon::Result<Vec<(IdentificationResult, Vec<IdentificationWarning>)>> {
        let evaluation = &self.plan.suite.evaluation;
        let site = context.site();
        let suspects: Vec<Suspect> = self
            .columns
            .iter()
            .map(|&column| {
                let suspect = bench.suspects[column].clone();
                let rehearsed = self.planned.rehearses_group(&suspect.group);
                Suspect { rehearsed, ..suspect }
            })
            .collect();
        let truth: Vec<Option<usize>> = suspects.iter().map(|s| self.hypothesis_of(s)).collect();
        let candidates: Vec<bool> = self
            .hypotheses
            .iter()
            .flat_map(|hypothesis| suspects.iter().map(|s| s.family == hypothesis.family))
            .collect();
        let settings = IdentificationSettings {
            answered_unknown: evaluation.false_positive_rate,
            replicates: REPLICATES,
            seed: self.plan.suite.seed,
        };
        let mut draws: Vec<Vec<IdentificationDraw>> = vec![Vec::new(); evaluation.budgets.len()];
        for draw in 0..evaluation.draws {
            let askers = self.askers(context, &site, material, bench, draw)?;
            let asked = site.limited(move |site| ask(site.plan(), &askers, draw));
            let asked = asked.map_err(bertillon::Error::Refused)?;
            for (asked, draws) in asked.into_iter().zip(&mut draws) {
                draws.push(self.told(asked, draw));
            }
        }
        evaluation
            .budgets
            .iter()
            .zip(&draws)
            .map(|(budget, draws)| {
                let case = IdentificationCase {
                    suspects: &suspects,
                    truth: &truth,
                    hypotheses: self.hypotheses.len(),
                    candidates: (self.by == IdentifyBy::Variation).then_some(&candidates),
                    draws,
                };
                let found = evaluate(&case, &settings)?;
                let result = IdentificationResult {
                    fingerprint: self.planned.name.clone(),
                    group: word(self.by).to_owned(),
                    budget: budget.value,
                    draws: evaluation.draws,
                    ddof: 1,
                    rates: found.rates,
                };
                Ok((result, found.warnings))
            })
            .collect()
    }

    fn hypothesis_of(&self, suspect: &Suspect) -> Option<usize> {
        self.hypotheses.iter().position(|hypothesis| {
            let kind = hypothesis.kind.as_ref();
            hypothesis.family == suspect.family
                && kind
                    .is_none_or(|(kind, detail)| (kind, detail) == (&suspect.kind, &suspect.detail))
        })
    }

    /// Who asks for each hypothesis; none for those unknown in this draw.
    fn askers(
        &self,
        context: &Context<'_>,
        site: &Site,
        material: &Material<'_>,
        bench: &Bench<'_>,
        draw: usize,
    ) -> bertillon::Result<Vec<Option<Asker>>> {
        let asker = |(position, hypothesis): (usize, &Hypothesis)| {
            if !self.known[draw][position] {
                return Ok(None);
            }
            let family = hypothesis.family;
            if self.planned.bank.is_some() {
                let bank = material.bank(self.index, family).ok_or_else(|| {
                    let name = &self.plan.families[family].vanilla.name;
                    bertillon::Error::Refused(format!("`{name}` has no bank of crafted queries"))
                })?;
                return Asker::crafted(context, bank, bench).map(Some);
            }
            // Nobody knows the answers of a family that is unknown.
            let known =
                |peer: &&usize| self.by == IdentifyBy::Variation || self.known[draw][**peer];
            let peers: Vec<usize> =
                self.planned.peers[family].iter().filter(known).copied().collect();
            let known = material.known(self.index, family);
            let mut owner = enrolment::owner(site, self.planned, family, &peers, &known)?;
            if let Some((kind, detail)) = &hypothesis.kind
                && kind != "vanilla"
            {
                let of_family = known.rehearsals;
                owner = self.owner_of_kind(owner, of_family, kind, detail.as_deref())?;
            }
            Ok(Some(Asker::benign(self.index, owner, bench)))
        };
        self.hypotheses.iter().enumerate().map(asker).collect()
    }

    /// The owner with a kind of her rehearsals in the place of her family: the one closest to her vanilla stands for her
    /// own model.
    fn owner_of_kind(
        &self,
        owner: Owner,
        rehearsals: &[Result<Answers, String>],
        kind: &str,
        detail: Option<&str>,
    ) -> bertillon::Result<Owner> {
        let access = self.planned.needs.access;
        let mut members = Vec::new();
        for (planned, answers) in self.planned.rehearsals.iter().zip(rehearsals) {
            let variation = &planned.variation;
            if (variation.kind.as_str(), variation.detail.as_deref()) != (kind, detail) {
                continue;
            }
            let answers = answers.as_ref().map_err(|reason| {
                bertillon::Error::Refused(format!("rehearsal `{variation}` failed: {reason}"))
            })?;
            let answers = answers.restricted_to(access)?;
            members.push(Rehearsal { variation: variation.clone(), answers });
        }
        let columns: Vec<Answers> = members.iter().map(|member| member.answers.clone()).collect();
        let table = AnswerTable::with_truth(&columns, &owner.pool.truth)?;
        let images: Vec<u32> = (0..).take(owner.pool.len()).collect();
        let suspects = Suspects::new(&table, &images, table.ranks());
        let mut distances = vec![f64::INFINITY; members.len()];
        let truth = Some(&*owner.pool.truth);
        Statistic::LabelMatch.distances(&owner.answers, truth, &suspects, &mut distances)?;
        let closest = (0..members.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        let closest = closest.ok_or_else(|| bertillon::Error::Refused(format!("no {kind}")))?;
        Ok(Owner {
            answers: members[closest].answers.clone(),
            rehearsals: members,
            memory: Memory::default(),
            ..owner
        })
    }

    /// What one draw says at one budget.
    fn told(&self, asked: Vec<Option<Asked>>, draw: usize) -> IdentificationDraw {
        let columns = self.columns.len();
        let mut distances = vec![f64::INFINITY; asked.len() * columns];
        let (mut from_pool, mut crafted) = (BTreeSet::new(), 0);
        for (asked, row) in asked.into_iter().zip(distances.chunks_mut(columns.max(1))) {
            let Some(Asked { fingerprint, distances, .. }) = asked else { continue };
            from_pool.extend(fingerprint.queries.pool.iter().copied());
            crafted += fingerprint.queries.len() - fingerprint.queries.pool.len();
            for (place, &column) in row.iter_mut().zip(&self.columns) {
                *place = distances[column];
            }
        }
        let known = self.known[draw].clone();
        IdentificationDraw { known, distances, queries: from_pool.len() + crafted }
    }
}

/// `[budget][hypothesis]`: asks all that is known.
fn ask(
    plan: &Plan,
    askers: &[Option<Asker>],
    draw: usize,
) -> bertillon::Result<Vec<Vec<Option<Asked>>>> {
    let at = |budget: usize| {
        let ask = |asker: &Option<Asker>| {
            let asker = asker.as_ref();
            asker.map(|asker| asker.ask(plan, budget, plan.shared_draw_stream(draw))).transpose()
        };
        askers.iter().map(ask).collect()
    };
    plan.suite.evaluation.budgets.iter().map(|budget| at(budget.value)).collect()
}

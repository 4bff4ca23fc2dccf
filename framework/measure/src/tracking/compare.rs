//! Two runs side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Baseline, TrackedBudget, TrackedFingerprint,
    families::{Pairs, Spread, spread},
    gate::{Gate, LEVEL, List, Outcome, Verdict, judge},
    inputs::{InputChange, inspect},
    permutation::{Permutation, Unit, draws_needed, permute_draws, permute_owners},
    power::Noise,
};
use crate::{
    Stream,
    results::{Hits, kind_name},
};

/// Arrangements of a sampled permutation, at least, and for each row of a list.
const SAMPLE: u64 = 10_000;
const SAMPLE_PER_ROW: u64 = 400;

/// Rates that differ by less are the same numbers added up in another order.
const BLUR: f64 = 1e-9;

/// Two runs compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The run that is measured against.
    pub base: RunSummary,
    /// The run in question.
    pub new: RunSummary,
    /// Why their rates can't be compared; empty when they can.
    pub obstacles: Vec<String>,
    /// What differs but the rates.
    pub inputs: Vec<InputChange>,
    /// Each fingerprint and budget of both runs, followed by its kinds.
    pub rows: Vec<Row>,
    /// What BASE has and NEW has not, of what the gate looks at.
    pub missing: Vec<String>,
    /// What NEW has and BASE has not.
    pub added: Vec<String>,
    /// Cells that failed in NEW.
    pub failures: Vec<String>,
    /// The gate's decision.
    pub gate: Gate,
}

/// A run in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Name of the suite.
    pub suite: String,
    /// Seed.
    pub seed: u64,
    /// Draws.
    pub draws: usize,
    /// Models judged.
    pub models: usize,
}

/// A rate of both runs, at exactly the target false-positive rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// Kind of variant with its detail; none over all.
    pub kind: Option<String>,
    /// True pairs of a draw, in NEW.
    pub positives: usize,
    /// Mean over BASE's draws.
    pub base: f64,
    /// Mean over NEW's draws.
    pub new: f64,
    /// NEW less BASE.
    pub difference: f64,
    /// Whether it has changed on this population.
    pub change: Change,
    /// What new families may bring; where hits by family are known.
    pub families: Option<Spread>,
    /// The list that it is tested in; none for what never gates.
    pub list: Option<List>,
    /// Chance of such a loss by luck, adjusted for the length of the list.
    pub adjusted: Option<f64>,
    /// What the gate makes of it; none outside the lists.
    pub verdict: Option<Verdict>,
    /// The smallest loss that the gate would find nine times in ten; none where it could find none, and for kinds.
    pub smallest_loss: Option<f64>,
}

/// Whether a rate has changed on this population.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Change {
    /// The same queries had the same answers.
    Same,
    /// The same queries had other answers: a change without a test.
    Certain {
        /// NEW less BASE over the draws that both have.
        difference: f64,
    },
    /// Other queries: what luck alone would make of it.
    Tested(Permutation),
    /// It can't be told.
    Untested {
        /// Why.
        reason: String,
    },
}

impl Change {
    /// The test, where one was made.
    pub fn permutation(&self) -> Option<Permutation> {
        match self {
            Self::Tested(permutation) => Some(*permutation),
            Self::Same | Self::Certain { .. } | Self::Untested { .. } => None,
        }
    }
}

/// Compares two runs; losses up to `tolerance` (a share, `0.01` for one point) are let pass.
///
/// Sampled permutations and intervals draw from streams of their own: the same runs give the same comparison.
pub fn compare(base: &Baseline, new: &Baseline, tolerance: f64) -> Comparison {
    let inspection = inspect(base, new);
    let comparable = inspection.obstacles.is_empty();
    let primary = base.evaluation.primary_budget;
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for fingerprint in &base.fingerprints {
        match new.fingerprint(&fingerprint.name) {
            None => missing.push(fingerprint.name.clone()),
            Some(other) => {
                let pair = Matched { comparable, primary, base: fingerprint, new: other };
                pair.rows(&mut rows, &mut missing);
            }
        }
    }
    judge(&mut rows, List::Primary, tolerance);
    judge(&mut rows, List::Kinds, tolerance);
    let tests = [List::Primary, List::Kinds].map(|list| tests_of(&rows, list));
    for row in rows.iter_mut().filter(|row| row.list == Some(List::Primary)) {
        row.smallest_loss = smallest_loss(row, base, new, tests[0], tolerance);
    }
    let failures = new.failures.clone();
    let mut gate = Gate {
        outcome: Outcome::Passed,
        tolerance,
        level: LEVEL,
        tests,
        draws_needed: [
            too_few_draws(&rows, List::Primary, tests[0]),
            too_few_draws(&rows, List::Kinds, tests[1]),
        ],
    };
    gate.outcome = outcome(&rows, comparable, !missing.is_empty() || !failures.is_empty());
    Comparison {
        base: RunSummary::of(base),
        new: RunSummary::of(new),
        obstacles: inspection.obstacles,
        inputs: inspection.changes,
        rows,
        missing,
        added: added(base, new),
        failures,
        gate,
    }
}

fn outcome(rows: &[Row], comparable: bool, lacking: bool) -> Outcome {
    let any = |list: Option<List>, verdict: Verdict| {
        let of_list = |row: &&Row| row.list.is_some() && (list.is_none() || row.list == list);
        rows.iter().filter(of_list).any(|row| row.verdict == Some(verdict))
    };
    if lacking || (comparable && any(None, Verdict::Loss)) {
        Outcome::Failed
    } else if !comparable || any(Some(List::Primary), Verdict::Undecided) {
        Outcome::Undecided
    } else {
        Outcome::Passed
    }
}

fn tests_of(rows: &[Row], list: List) -> usize {
    let tested = |row: &&Row| row.list == Some(list) && row.change.permutation().is_some();
    rows.iter().filter(tested).count()
}

/// Draws needed, where a test by draws could not have rejected.
fn too_few_draws(rows: &[Row], list: List, tests: usize) -> Option<usize> {
    let blind = |row: &Row| {
        let test = row.change.permutation().filter(|test| test.unit == Unit::Draws);
        row.list == Some(list) && test.is_some_and(|test| test.floor * tests as f64 > LEVEL)
    };
    rows.iter().any(blind).then(|| draws_needed(tests, LEVEL))
}

fn added(base: &Baseline, new: &Baseline) -> Vec<String> {
    let mut added = Vec::new();
    for fingerprint in &new.fingerprints {
        let Some(other) = base.fingerprint(&fingerprint.name) else {
            added.push(fingerprint.name.clone());
            continue;
        };
        for budget in &fingerprint.budgets {
            match other.at(budget.budget) {
                None => added.push(format!("{} at L = {}", fingerprint.name, budget.budget)),
                Some(known) => added.extend(
                    budget
                        .kinds
                        .iter()
                        .map(|kind| kind.name())
                        .filter(|kind| known.kinds.iter().all(|other| other.name() != *kind))
                        .map(|kind| {
                            format!("{} at L = {}: {kind}", fingerprint.name, budget.budget)
                        }),
                ),
            }
        }
    }
    added
}

impl RunSummary {
    fn of(run: &Baseline) -> Self {
        Self {
            suite: run.suite.clone(),
            seed: run.seed,
            draws: run.evaluation.draws,
            models: run.models.iter().filter(|model| model.kept).count(),
        }
    }
}

/// A fingerprint of both runs.
struct Matched<'a> {
    comparable: bool,
    primary: usize,
    base: &'a TrackedFingerprint,
    new: &'a TrackedFingerprint,
}

impl Matched<'_> {
    fn rows(&self, rows: &mut Vec<Row>, missing: &mut Vec<String>) {
        let name = &self.base.name;
        if self.base.at(self.primary).is_none() && self.new.at(self.primary).is_some() {
            missing.push(format!("{name} at L = {} in BASE", self.primary));
        }
        for base in &self.base.budgets {
            let is_primary = base.budget == self.primary;
            let Some(new) = self.new.at(base.budget) else {
                if is_primary {
                    missing.push(format!("{name} at L = {}", base.budget));
                }
                continue;
            };
            let paired = Paired::of(self, base, new);
            let (Some(before), Some(after)) = (base.mean(), new.mean()) else { continue };
            rows.push(Row {
                list: is_primary.then_some(List::Primary),
                positives: new.positives,
                ..paired.row(None, before, after)
            });
            for kind in &base.kinds {
                let name_of_kind = kind.name();
                match new.kinds.iter().find(|other| other.name() == name_of_kind) {
                    Some(other) => rows.push(Row {
                        list: is_primary.then_some(List::Kinds),
                        positives: other.positives,
                        ..paired.row(Some(&name_of_kind), kind.rate, other.rate)
                    }),
                    None if is_primary => missing.push(format!("{name}: {name_of_kind}")),
                    None => {}
                }
            }
        }
    }

    /// Whether all draws of a run share queries that were crafted once.
    fn is_crafted(&self) -> bool {
        let banks = |fingerprint: &TrackedFingerprint| {
            let mut hits = fingerprint.budgets.iter().filter_map(|budget| budget.hits.as_ref());
            hits.any(|hits| hits.bank.is_some())
        };
        banks(self.base) || banks(self.new)
    }
}

/// A fingerprint of both runs at one budget, with what can be tested there.
struct Paired<'a> {
    fingerprint: &'a str,
    base: &'a TrackedBudget,
    new: &'a TrackedBudget,
    way: Way,
}

/// How two runs are told apart.
enum Way {
    /// They ask the same: positions of the draws of either.
    Twins(Vec<(usize, usize)>),
    /// By draws that differ from each other: their positions.
    Draws(Vec<usize>, Vec<usize>),
    /// By owners.
    Owners,
    /// Not at all.
    None(&'static str),
}

impl<'a> Paired<'a> {
    fn of(matched: &'a Matched<'_>, base: &'a TrackedBudget, new: &'a TrackedBudget) -> Self {
        let way = match matched.comparable {
            true => way(base, new, matched.is_crafted()),
            false => Way::None("the runs can't be compared"),
        };
        Self { fingerprint: &matched.base.name, base, new, way }
    }

    fn row(&self, kind: Option<&str>, base: f64, new: f64) -> Row {
        Row {
            fingerprint: self.fingerprint.to_owned(),
            budget: self.base.budget,
            kind: kind.map(str::to_owned),
            positives: 0,
            base,
            new,
            difference: new - base,
            change: self.change(kind),
            families: self.families(kind),
            list: None,
            adjusted: None,
            verdict: None,
            smallest_loss: None,
        }
    }

    fn change(&self, kind: Option<&str>) -> Change {
        let untested = |reason: &str| Change::Untested { reason: reason.to_owned() };
        if let Way::None(reason) = self.way {
            return untested(reason);
        }
        let tested = |test: Option<Permutation>| {
            test.map_or_else(|| untested("there are no draws"), Change::Tested)
        };
        let sample = SAMPLE.max(SAMPLE_PER_ROW * (self.base.kinds.len() as u64 + 1));
        let mut stream = self.stream("permutation", kind);
        let series = (rates(self.base, kind), rates(self.new, kind));
        let at = |rates: &[f64], places: &[usize]| -> Vec<f64> {
            places.iter().filter_map(|&place| rates.get(place).copied()).collect()
        };
        match (&self.way, series) {
            (Way::Owners, _) => match self.by_owner(kind) {
                Some(pairs) => tested(permute_owners(&differences(&pairs), sample, &mut stream)),
                None => untested("hits by family are kept at the primary budget only"),
            },
            (_, (None, _) | (_, None)) => {
                untested("hits by kind and draw are kept at the primary budget only")
            }
            (Way::Twins(twins), (Some(base), Some(new))) => {
                let places: (Vec<usize>, Vec<usize>) = twins.iter().copied().unzip();
                twins_change(&at(&base, &places.0), &at(&new, &places.1))
            }
            (Way::Draws(of_base, of_new), (Some(base), Some(new))) => {
                tested(permute_draws(&at(&base, of_base), &at(&new, of_new), sample, &mut stream))
            }
            (Way::None(reason), _) => untested(reason),
        }
    }

    fn families(&self, kind: Option<&str>) -> Option<Spread> {
        let pairs: Vec<Pairs> = self.by_owner(kind)?;
        Some(spread(&pairs, &mut self.stream("families", kind)))
    }

    /// Families of both runs with true pairs of a kind, or of any.
    fn by_owner(&self, kind: Option<&str>) -> Option<Vec<Pairs>> {
        let (base, new) = (self.base.hits.as_ref()?, self.new.hits.as_ref()?);
        let of = |hits: &Hits, draws: usize| -> BTreeMap<String, (f64, f64)> {
            let counts = |kinds: &mut dyn Iterator<Item = f64>| {
                kinds
                    .zip(&hits.kinds)
                    .filter(|(_, known)| {
                        kind.is_none_or(|kind| {
                            kind == kind_name(&known.kind, known.detail.as_deref())
                        })
                    })
                    .map(|(count, _)| count)
                    .sum::<f64>()
            };
            hits.families
                .iter()
                .map(|family| {
                    let positives = counts(&mut family.positives.iter().map(|&n| f64::from(n)));
                    let accepted = counts(&mut family.accepted.iter().copied()) / draws as f64;
                    (family.family.clone(), (positives, accepted))
                })
                .collect()
        };
        let base = of(base, self.base.draws.len());
        let new = of(new, self.new.draws.len());
        let pairs = base.iter().filter_map(|(family, before)| {
            let after = new.get(family).filter(|after| before.0 > 0.0 && after.0 > 0.0)?;
            Some(Pairs { positives: [before.0, after.0], accepted: [before.1, after.1] })
        });
        Some(pairs.collect())
    }

    fn stream(&self, purpose: &str, kind: Option<&str>) -> Stream {
        let budget = self.base.budget.to_string();
        let names =
            ["tracking", purpose, self.fingerprint, budget.as_str(), kind.unwrap_or_default()];
        Stream::named(0, names)
    }
}

/// Rates by draw; none where they are not kept.
fn rates(budget: &TrackedBudget, kind: Option<&str>) -> Option<Vec<f64>> {
    let Some(kind) = kind else {
        return Some(budget.draws.iter().map(|draw| draw.rate).collect());
    };
    let mut kinds = budget.hits.as_ref()?.kinds.iter();
    let hits = kinds.find(|hits| kind_name(&hits.kind, hits.detail.as_deref()) == kind)?;
    let positives = hits.positives as f64;
    (hits.positives > 0).then(|| hits.accepted.iter().map(|count| count / positives).collect())
}

/// How runs with these draws can be told apart.
fn way(base: &TrackedBudget, new: &TrackedBudget, crafted: bool) -> Way {
    let (of_base, of_new) = (distinct(base), distinct(new));
    let twins: Vec<(usize, usize)> = of_base
        .iter()
        .filter_map(|(queries, &place)| Some((place, *of_new.get(queries)?)))
        .collect();
    let fewer = of_base.len().min(of_new.len());
    if fewer == 0 {
        return Way::None("there are no draws");
    }
    if twins.len() == fewer {
        return Way::Twins(twins);
    }
    // Draws that all ask the same, or sample what was crafted once, are no independent repetitions.
    match crafted || fewer == 1 {
        true => Way::Owners,
        false => {
            let places = |draws: BTreeMap<&str, usize>| {
                draws.into_values().collect::<BTreeSet<usize>>().into_iter().collect()
            };
            Way::Draws(places(of_base), places(of_new))
        }
    }
}

/// Draws that ask different queries: the first of each.
fn distinct(budget: &TrackedBudget) -> BTreeMap<&str, usize> {
    let mut places = BTreeMap::new();
    for (place, draw) in budget.draws.iter().enumerate() {
        places.entry(draw.queries.as_str()).or_insert(place);
    }
    places
}

fn twins_change(base: &[f64], new: &[f64]) -> Change {
    let differences: Vec<f64> = base.iter().zip(new).map(|(base, new)| new - base).collect();
    match differences.iter().all(|difference| difference.abs() < BLUR) {
        true => Change::Same,
        false => Change::Certain {
            difference: differences.iter().sum::<f64>() / differences.len() as f64,
        },
    }
}

/// What each owner contributes to the difference of two rates.
fn differences(pairs: &[Pairs]) -> Vec<f64> {
    let all = |run: usize| pairs.iter().map(|pair| pair.positives[run]).sum::<f64>();
    let (base, new) = (all(0), all(1));
    pairs.iter().map(|pair| pair.accepted[1] / new - pair.accepted[0] / base).collect()
}

/// The smallest loss of a row that its test would find nine times in ten.
fn smallest_loss(
    row: &Row,
    base: &Baseline,
    new: &Baseline,
    tests: usize,
    tolerance: f64,
) -> Option<f64> {
    let at = |run: &'_ Baseline| run.fingerprint(&row.fingerprint)?.at(row.budget).cloned();
    let (base, new) = (at(base)?, at(new)?);
    let level = LEVEL / tests.max(1) as f64;
    match &row.change {
        // Nothing is left to luck.
        Change::Same | Change::Certain { .. } => Some(tolerance),
        Change::Untested { .. } => None,
        Change::Tested(test) if test.floor > level => None,
        Change::Tested(test) => {
            let noise = match test.unit {
                Unit::Draws => Noise::of_draws(&rates(&base, None)?, &rates(&new, None)?)?,
                Unit::Owners => {
                    let paired =
                        Paired { fingerprint: "", base: &base, new: &new, way: Way::Owners };
                    Noise::of_owners(&differences(&paired.by_owner(None)?))?
                }
            };
            Some(noise.smallest_loss(level, tolerance)).filter(|loss| *loss <= row.base)
        }
    }
}

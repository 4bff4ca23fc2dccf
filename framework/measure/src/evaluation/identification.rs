//! Who is this suspect? The nearest known hypothesis, or no answer, with suspects that belong to none.
//!
//! ```text
//! g*  = argmin of D(g, b) over the known candidates g of suspect b      the first on ties
//! answer g* if D(g*, b) < tau, else abstain
//! k   = floor(alpha N)            suspects of unknown hypotheses that may be answered, of N in all draws together
//! tau = (k+1)-th smallest D(g*, b) among these; infinite when there are none
//! ```
//! One threshold serves all draws: an owner sets it before she meets a suspect, from families that she leaves out in
//! turn, and a single draw leaves out too few suspects to find a share of 5 %. (The authors' script cuts where 5 % of the
//! wrong answers are left, which depends on how many there were; a bound on answers to suspects that have no right name
//! says what an owner risks.) An infinite distance is never answered.
//!
//! Intervals are those of a bootstrap over families as elsewhere in this module: suspects weigh as their family does, and
//! thresholds are found anew. The hypotheses stay as they are, so an interval is about further suspects of such
//! families, not about other lists of hypotheses. Where a draw's unknown suspects come from few families, one of them
//! decides the threshold, and a replicate that lacks it finds a larger one: intervals then reach further up than down,
//! and rates vary between draws mostly with what was dropped. A replicate leaves out the draws for which it has no unknown or no
//! known suspect; one without any draw is drawn again, and counted.

use super::{Suspect, evaluate::over_draws, rows::Row, threshold::allowed};
use crate::{
    Error, Result, Stream,
    results::{IdentificationRates, IdentificationRow, Rate, Threshold},
};

mod counts;
mod doubt;

use counts::{Outcome, Shares, Tables};
use doubt::Doubt;

/// Unknown suspects that should stand behind a threshold.
const FEW: u64 = 10;

/// A rate below this share of its target is coarse: ties keep the test from using what it may.
const FAR_BELOW: f64 = 0.8;

/// Suspects to be named by one fingerprint at one budget.
#[derive(Debug, Clone, Copy)]
pub struct IdentificationCase<'a> {
    /// Columns; a suspect's `family` is its cluster for intervals.
    pub suspects: &'a [Suspect],
    /// The hypothesis that each suspect belongs to; none when it belongs to none of the list.
    pub truth: &'a [Option<usize>],
    /// Number of hypotheses: families, or kinds of variant of each.
    pub hypotheses: usize,
    /// `[hypotheses, suspects]`: whether a suspect may get this name; none when all may.
    pub candidates: Option<&'a [bool]>,
    /// At least one.
    pub draws: &'a [IdentificationDraw],
}

/// One random repetition.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentificationDraw {
    /// Which hypotheses the owner knows; suspects of the others are unknown to her.
    pub known: Vec<bool>,
    /// `[hypotheses, suspects]`, `+inf` allowed; NaN is refused where it is looked at only.
    pub distances: Vec<f64>,
    /// Queries put to each suspect.
    pub queries: usize,
}

/// What is asked of an identification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IdentificationSettings {
    /// Share of unknown suspects that may be answered, alpha, in (0, 1).
    pub answered_unknown: f64,
    /// Replicates of the bootstrap, 2000 for 95 % intervals; 0 for none.
    pub replicates: usize,
    /// Seed of the bootstrap's stream.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// Rates over all suspects and by variation.
    pub rates: IdentificationRates,
    /// What a reader should know before trusting them.
    pub warnings: Vec<IdentificationWarning>,
}

/// What a reader should know before trusting an identification's rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum IdentificationWarning {
    /// The threshold lets so few unknown suspects pass that the target can hardly be measured.
    FewUnknown {
        /// Unknown suspects that may be answered, over all draws.
        answered: u64,
        /// Unknown suspects, over all draws.
        unknown: usize,
    },
    /// Ties keep the share of answered unknown suspects far below the target.
    Ties {
        /// That share.
        reached: f64,
    },
    /// Replicates of the bootstrap that had no suspects of one sort and were drawn again.
    Redrawn(usize),
}

impl IdentificationWarning {
    /// What is the matter, without the figure.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::FewUnknown { .. } => {
                "fewer than 10 unknown suspects may be named, so the threshold can't be trusted"
            }
            Self::Ties { .. } => {
                "ties keep the share of unknown suspects that are named far below the target; share reached, in %"
            }
            Self::Redrawn(_) => {
                "replicates of the bootstrap that had no suspects to judge by and were drawn again"
            }
        }
    }

    /// The figure behind it.
    pub fn figure(&self) -> String {
        match self {
            Self::FewUnknown { answered, unknown } => format!("{answered} of {unknown}"),
            Self::Ties { reached } => format!("{:.2}", 100.0 * reached),
            Self::Redrawn(count) => count.to_string(),
        }
    }
}

/// Distances to the nearest delegate of each hypothesis, for owners who keep several of one.
///
/// `hypothesis_of[d]` is the hypothesis of delegate `d`; one without any is infinitely far.
///
/// # Shapes
/// `distances`: `[delegates, suspects]`; result: `[hypotheses, suspects]`.
///
/// # Errors
/// When lengths disagree, a hypothesis is not among `hypotheses`, or a distance is NaN.
pub fn nearest_delegates(
    distances: &[f64],
    hypothesis_of: &[usize],
    hypotheses: usize,
    suspects: usize,
) -> Result<Vec<f64>> {
    Error::require_length(
        "distances to delegates",
        hypothesis_of.len() * suspects,
        distances.len(),
    )?;
    let mut nearest = vec![f64::INFINITY; hypotheses * suspects];
    for (delegate, &hypothesis) in hypothesis_of.iter().enumerate() {
        if hypothesis >= hypotheses {
            return Err(Error::Empty("a delegate stands for a hypothesis beyond the list"));
        }
        let own = &mut nearest[hypothesis * suspects..(hypothesis + 1) * suspects];
        for (nearest, &distance) in own.iter_mut().zip(&distances[delegate * suspects..]) {
            if distance.is_nan() {
                return Err(Error::NanDistance);
            }
            *nearest = nearest.min(distance);
        }
    }
    Ok(nearest)
}

/// Rates of an identification.
///
/// Without any unknown suspect in a draw, its threshold is infinite: every finite distance is answered. The bootstrap
/// draws from the stream `["bootstrap"]` of the seed, as detection's does.
///
/// # Errors
/// When lengths disagree, a hypothesis is beyond the list, a distance looked at is NaN, alpha is not in (0, 1), there
/// is no draw, or no suspect is known in any draw.
pub fn identify(
    case: &IdentificationCase<'_>,
    settings: &IdentificationSettings,
) -> Result<Identified> {
    check(case, settings)?;
    let tables = Tables::new(case)?;
    let once = vec![1; tables.families];
    let threshold = tables.threshold(&once, settings.answered_unknown).unwrap_or(f64::INFINITY);
    let observed: Vec<Option<Shares>> =
        tables.draws.iter().map(|draw| tables.shares(draw, &once, threshold)).collect();
    if observed.iter().all(Option::is_none) {
        return Err(Error::Empty("no suspect is of a hypothesis that is known in any draw"));
    }
    let mut stream = Stream::named(settings.seed, ["bootstrap"]);
    let doubt = Doubt::new(&tables, settings.answered_unknown, settings.replicates, &mut stream);
    let row = |position: usize, pick: fn(&Outcome) -> f64| {
        let by_draw = observed.iter().flatten().filter_map(|s| s.rows[position].as_ref().map(pick));
        let replicates = doubt.rows[position].iter().map(pick).collect::<Vec<_>>();
        rate(by_draw, &replicates, tables.known_families(position))
    };
    let unknown_answered = rate(
        observed.iter().flatten().filter_map(|shares| shares.unknown_answered),
        &doubt.unknown_answered,
        tables.unknown_families(),
    );
    let all = |pick| row(super::rows::ALL, pick).ok_or(Error::Empty("no suspect is known"));
    let rates = IdentificationRates {
        known: tables.mean_known(super::rows::ALL),
        unknown: tables.mean_unknown(),
        queries: mean(case.draws.iter().map(|draw| draw.queries as f64)),
        correct: all(|outcome| outcome.correct)?,
        wrong: all(|outcome| outcome.wrong)?,
        abstained: all(Outcome::abstained)?,
        correct_without_vanillas: row(super::rows::WITHOUT_VANILLAS, |outcome| outcome.correct),
        target: settings.answered_unknown,
        unknown_answered,
        threshold: Threshold { mean: Some(threshold).filter(|t| t.is_finite()) },
        closed_set_accuracy: all(|outcome| outcome.nearest)?,
        auroc: rate(
            observed.iter().flatten().filter_map(|shares| shares.auroc),
            &doubt.auroc,
            tables.all_families(),
        ),
        variations: (super::rows::VARIATIONS..tables.rows.len())
            .filter_map(|position| variation(&tables.rows[position], &tables, position, &row))
            .collect(),
    };
    let warnings = warnings(&tables, settings, unknown_answered, doubt.redrawn);
    Ok(Identified { rates, warnings })
}

fn variation(
    row: &Row,
    tables: &Tables,
    position: usize,
    rate: &impl Fn(usize, fn(&Outcome) -> f64) -> Option<Rate>,
) -> Option<IdentificationRow> {
    let head = row.head.clone()?;
    Some(IdentificationRow {
        correct: rate(position, |outcome| outcome.correct)?,
        wrong: rate(position, |outcome| outcome.wrong)?,
        abstained: rate(position, Outcome::abstained)?,
        known: tables.mean_known(position),
        kind: head.kind,
        detail: head.detail,
        parameter: head.parameter,
        group: head.group,
        rehearsed: head.rehearsed,
    })
}

fn warnings(
    tables: &Tables,
    settings: &IdentificationSettings,
    answered: Option<Rate>,
    redrawn: usize,
) -> Vec<IdentificationWarning> {
    let mut warnings = Vec::new();
    if let Some(answered) = answered {
        let alpha = settings.answered_unknown;
        let (may, unknown) = (allowed(alpha, tables.unknown() as u64), tables.unknown());
        if may < FEW {
            warnings.push(IdentificationWarning::FewUnknown { answered: may, unknown });
        }
        if answered.mean < FAR_BELOW * alpha {
            warnings.push(IdentificationWarning::Ties { reached: answered.mean });
        }
    }
    if redrawn > 0 {
        warnings.push(IdentificationWarning::Redrawn(redrawn));
    }
    warnings
}

/// Mean and spread over draws, with an interval where there is one; none without a draw.
fn rate(by_draw: impl Iterator<Item = f64>, replicates: &[f64], families: usize) -> Option<Rate> {
    let by_draw: Vec<f64> = by_draw.collect();
    (!by_draw.is_empty()).then(|| over_draws(&by_draw, replicates, families))
}

/// 0 without values.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}

fn check(case: &IdentificationCase<'_>, settings: &IdentificationSettings) -> Result<()> {
    if !(0.0 < settings.answered_unknown && settings.answered_unknown < 1.0) {
        return Err(Error::Empty("the share of unknown suspects answered must lie in (0, 1)"));
    }
    if case.draws.is_empty() {
        return Err(Error::Empty("there is no draw to evaluate"));
    }
    let cells = case.hypotheses * case.suspects.len();
    Error::require_length("true hypotheses of suspects", case.suspects.len(), case.truth.len())?;
    if let Some(candidates) = case.candidates {
        Error::require_length("candidates of suspects", cells, candidates.len())?;
    }
    for draw in case.draws {
        Error::require_length("known hypotheses", case.hypotheses, draw.known.len())?;
        Error::require_length("distances of a draw", cells, draw.distances.len())?;
    }
    match case.truth.iter().flatten().any(|&truth| truth >= case.hypotheses) {
        true => Err(Error::Empty("a suspect belongs to a hypothesis beyond the list")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;

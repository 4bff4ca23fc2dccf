//! What a run finds when it checks itself: exchanged families, copies, and what stands behind thresholds.

use bertillon::{
    evaluation::{self, Case, Copies, Evaluated, Exchange, FEWEST_EXCHANGED, Settings, Warning},
    results::{Checks, CopyCheck, ExchangeCheck, FartherCopy, ThinThreshold},
};

use super::{Bench, Scored, rates::Warnings};
use crate::plan::Plan;

/// Chance that a run in which all is well is flagged for any of its fingerprints with families exchanged.
const FLAGGED: f64 = 0.01;

/// Why copies are not compared.
const DELEGATED: &str =
    "a delegate stands for the model, so a copy of the model need not be nearest";

/// What was checked of one fingerprint at one budget.
pub(super) struct Checked {
    copies: Copies,
    /// At the primary budget only.
    exchange: Option<Result<Exchange, String>>,
}

/// Checks one fingerprint at one budget; `settings.counts_hits` tells the primary one.
pub(super) fn check(case: &Case<'_>, settings: &Settings, fingerprints: usize) -> Checked {
    let level = FLAGGED / fingerprints as f64;
    let exchange = || evaluation::exchange(case, settings, level).map_err(|e| e.to_string());
    Checked { copies: evaluation::copies(case), exchange: settings.counts_hits.then(exchange) }
}

/// Puts what was checked of a fingerprint at a budget among the rest, and warns of what fails.
pub(super) fn add(
    (plan, bench): (&Plan, &Bench<'_>),
    (fingerprint, budget): (usize, usize),
    scored: &Scored,
    checked: Checked,
    (checks, warnings): (&mut Checks, &mut Warnings),
) {
    let queries = plan.suite.evaluation.budgets[budget].value;
    let name = &plan.fingerprints[fingerprint].name;
    if let Some(exchange) = checked.exchange {
        let check = exchanged(name, queries, exchange);
        if let (true, Some(rate), Some([low, high])) = (check.fails(), check.rate, check.expected) {
            let [rate, low, high] = [rate, low, high].map(|share| 100.0 * share);
            let figure = format!("{rate:.1} where {low:.1} to {high:.1} are expected");
            warnings.add(
                "given to another family, fingerprints accept a share of its models that chance does not explain: the \
                 order of models, thresholds or families that are not alike may be the cause; in %",
                name,
                queries,
                Some(figure),
            );
        }
        checks.exchanged.push(check);
    }
    let check = copied(plan, bench, (name, queries), scored.delegated, &checked.copies);
    if let Some(worst) = &check.worst {
        let copy = worst.copy.map_or_else(|| "infinite".to_owned(), |copy| format!("{copy:.4}"));
        let figure = format!(
            "{} of {}, worst for {} in draw {}: {copy}, and {:.4} for {}",
            check.farther, check.compared, worst.owner, worst.draw, worst.distance, worst.suspect
        );
        warnings.add(
            "to some owners another suspect is nearer than an identical copy of their model, so the distance is none",
            name,
            queries,
            Some(figure),
        );
    }
    checks.copies.push(check);
}

fn exchanged(
    fingerprint: &str,
    budget: usize,
    exchange: Result<Exchange, String>,
) -> ExchangeCheck {
    let (families, level, rate, unchecked) = match exchange {
        Ok(Exchange { families, level, rate: Some(rate) }) => (families, level, Some(rate), None),
        Ok(Exchange { families, level, rate: None }) => {
            let why = match families < FEWEST_EXCHANGED {
                true => format!("fewer than {FEWEST_EXCHANGED} families"),
                false => "no owner can be given another's family of other ancestry".to_owned(),
            };
            (families, level, None, Some(why))
        }
        Err(reason) => (0, 0.0, None, Some(reason)),
    };
    ExchangeCheck {
        fingerprint: fingerprint.to_owned(),
        budget,
        families,
        rate: rate.map(|(rate, _)| rate),
        expected: rate.map(|(_, expected)| expected),
        level,
        unchecked,
    }
}

fn copied(
    plan: &Plan,
    bench: &Bench<'_>,
    (fingerprint, budget): (&str, usize),
    delegated: bool,
    copies: &Copies,
) -> CopyCheck {
    let unchecked = match (delegated, copies.compared) {
        (true, _) => Some(DELEGATED.to_owned()),
        (false, 0) => Some("no vanilla is judged by its owner".to_owned()),
        _ => None,
    };
    let found = if unchecked.is_some() { &Copies::default() } else { copies };
    CopyCheck {
        fingerprint: fingerprint.to_owned(),
        budget,
        compared: found.compared,
        farther: found.farther,
        worst: found.worst.map(|worst| FartherCopy {
            owner: plan.families[worst.owner].vanilla.name.clone(),
            draw: worst.draw,
            copy: Some(worst.copy).filter(|copy| copy.is_finite()),
            suspect: plan.model_name(bench.kept[worst.suspect].model),
            distance: worst.distance,
        }),
        unchecked,
    }
}

/// What is too little behind a threshold, as the evaluation warns of it.
pub(super) fn thin(fingerprint: &str, budget: usize, found: &Evaluated) -> Option<ThinThreshold> {
    let few = found.warnings.iter().find_map(|warning| match warning {
        Warning::FewNegatives { accepted, .. } => Some(*accepted),
        _ => None,
    });
    let family_pairs = found.warnings.iter().find_map(|warning| match warning {
        Warning::FewFamilyPairs(pairs) => Some(*pairs),
        _ => None,
    });
    (few.is_some() || family_pairs.is_some()).then(|| ThinThreshold {
        fingerprint: fingerprint.to_owned(),
        budget,
        negatives: found.negatives,
        accepted: few,
        family_pairs,
    })
}

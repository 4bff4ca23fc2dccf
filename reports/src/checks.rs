//! What a run checked of itself, in words.

use bertillon_measure::results::{Checks, ExchangeCheck, Results};

use crate::text::{count, percent};

/// One item a fingerprint; nothing of files that have no checks.
pub(crate) fn checks(results: &Results) -> Vec<(String, String)> {
    let Some(checks) = &results.checks else { return Vec::new() };
    let item = |name: &String| {
        let exchanged = checks.exchanged.iter().find(|check| check.fingerprint == *name);
        let said = [exchanged.map(exchange), copies(checks, name), Some(thin(checks, name))];
        (name.clone(), said.into_iter().flatten().collect::<Vec<_>>().join("; "))
    };
    let judged = results.fingerprints.iter().filter(|found| !found.budgets.is_empty());
    judged.map(|found| item(&found.name)).collect()
}

fn exchange(check: &ExchangeCheck) -> String {
    let (Some(rate), Some([low, high])) = (check.rate, check.expected) else {
        let why = check.unchecked.as_deref().unwrap_or("no rate");
        return format!("not tried on other families ({why})");
    };
    let verdict = if check.fails() { "NOT EXPLAINED BY CHANCE, " } else { "" };
    format!(
        "with another family taken for hers, an owner accepts {} % ({verdict}{} to {} % expected, L = {})",
        percent(rate),
        percent(low),
        percent(high),
        check.budget
    )
}

/// All budgets together.
fn copies(checks: &Checks, fingerprint: &str) -> Option<String> {
    let of = || checks.copies.iter().filter(|check| check.fingerprint == fingerprint);
    if let Some(why) = of().find_map(|check| check.unchecked.as_deref()) {
        return Some(format!("copies not compared ({why})"));
    }
    let compared: usize = of().map(|check| check.compared).sum();
    let farther: usize = of().map(|check| check.farther).sum();
    Some(match (compared, farther) {
        (0, _) => return None,
        (_, 0) => format!(
            "no suspect is nearer than an identical copy ({} cases)",
            count(compared as f64)
        ),
        _ => format!(
            "ANOTHER SUSPECT IS NEARER THAN AN IDENTICAL COPY in {} of {} cases",
            count(farther as f64),
            count(compared as f64)
        ),
    })
}

fn thin(checks: &Checks, fingerprint: &str) -> String {
    let of = || checks.thin.iter().filter(|thin| thin.fingerprint == fingerprint);
    let budgets = |unmeasured: bool| {
        let those = of().filter(|thin| (thin.accepted == Some(0)) == unmeasured);
        let those: Vec<String> = those.map(|thin| thin.budget.to_string()).collect();
        (!those.is_empty()).then(|| those.join(", "))
    };
    match (budgets(true), budgets(false)) {
        (None, None) => {
            "10 false pairs of 10 pairs of families, or more, behind every threshold".to_owned()
        }
        (Some(at), _) => format!("TOO FEW FALSE PAIRS TO MEASURE THE TARGET at L = {at}"),
        (None, Some(at)) => format!("TOO LITTLE BEHIND THE THRESHOLD at L = {at}"),
    }
}

#[cfg(test)]
mod tests {
    use bertillon_measure::results::{CopyCheck, ThinThreshold};

    use super::*;
    use crate::fixture;

    fn exchanged(rate: Option<f64>) -> ExchangeCheck {
        ExchangeCheck {
            fingerprint: "FBI 30/70".to_owned(),
            budget: 100,
            families: 12,
            rate,
            expected: rate.map(|_| [0.021, 0.09]),
            level: 0.0017,
            unchecked: rate.is_none().then(|| "fewer than 8 families".to_owned()),
        }
    }

    fn copies(budget: usize, farther: usize) -> CopyCheck {
        CopyCheck {
            fingerprint: "FBI 30/70".to_owned(),
            budget,
            compared: 1200,
            farther,
            worst: None,
            unchecked: None,
        }
    }

    fn said(checks: Checks) -> String {
        let mut results = fixture::results();
        assert_eq!(super::checks(&results), []);
        results.checks = Some(checks);
        super::checks(&results)[0].1.clone()
    }

    #[test]
    fn a_sound_run_says_what_was_found() {
        let checks = Checks {
            exchanged: vec![exchanged(Some(0.048))],
            copies: vec![copies(100, 0), copies(200, 0)],
            thin: Vec::new(),
        };
        assert_eq!(
            said(checks),
            "with another family taken for hers, an owner accepts 4.8 % (2.1 to 9.0 % expected, L = 100); no suspect is \
             nearer than an identical copy (2,400 cases); 10 false pairs of 10 pairs of families, or more, behind every \
             threshold"
        );
    }

    #[test]
    fn what_fails_is_said_aloud() {
        let thin = |budget, accepted| ThinThreshold {
            fingerprint: "FBI 30/70".to_owned(),
            budget,
            negatives: 12,
            accepted,
            family_pairs: Some(3.0),
        };
        let checks = Checks {
            exchanged: vec![exchanged(Some(0.3))],
            copies: vec![copies(100, 0), copies(200, 7)],
            thin: vec![thin(100, Some(0)), thin(200, None)],
        };
        let text = said(checks.clone());
        for part in
            ["accepts 30.0 % (NOT EXPLAINED", "COPY in 7 of 2,400", "MEASURE THE TARGET at L = 100"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let thin = vec![thin(200, None)];
        assert!(said(Checks { thin, ..checks.clone() }).ends_with("THE THRESHOLD at L = 200"));
        let unchecked = said(Checks { exchanged: vec![exchanged(None)], ..checks });
        assert!(unchecked.starts_with("not tried on other families (fewer than 8 families)"));
    }

    #[test]
    fn every_report_shows_them() {
        let mut results = fixture::results();
        results.checks = Some(Checks { copies: vec![copies(100, 7)], ..Checks::default() });
        let reports = [
            crate::terminal(&results, None, crate::Colour::Never),
            crate::markdown(&results),
            crate::html(&results, None),
            crate::latex(&results),
        ];
        for report in reports {
            assert!(report.contains("ANOTHER SUSPECT IS NEARER"), "{report}");
        }
    }
}

//! What owners had rehearsed and what was new to them, and differences to the suite's baselines.

use bertillon_measure::results::{
    BudgetResult, Difference, FingerprintResult, GroupResult, Results,
};

use crate::table::{Cell, NOTHING, Table, at, mark_best};

/// Rates by group of variants at the primary budget; none where no owner rehearses.
pub(crate) fn by_group(results: &Results) -> Option<Table> {
    let primary = results.evaluation.primary_budget;
    let groups = groups(results);
    if groups.is_empty() {
        return None;
    }
    let row = |fingerprint: &FingerprintResult| {
        let at = at(fingerprint, primary);
        let mut row = vec![Cell::Text(fingerprint.name.clone())];
        row.push(Cell::Text(match fingerprint.rehearsed.is_empty() {
            true => NOTHING.to_owned(),
            false => fingerprint.rehearsed.join(", "),
        }));
        row.extend(groups.iter().map(|group| {
            let found = at.and_then(|at| at.groups.iter().find(|found| found.group == *group));
            Cell::rate(found.filter(|found| !found.rehearsed).map(|found| &found.tpr_randomised))
        }));
        row
    };
    let mut rows: Vec<Vec<Cell>> = results.fingerprints.iter().map(row).collect();
    // What is unseen is not the same for all.
    for column in 3..2 + groups.len() {
        mark_best(rows.iter_mut().map(|row| &mut row[column]));
    }
    let mut head = vec!["Fingerprint".to_owned(), "Rehearsed".to_owned()];
    head.extend(groups.iter().map(|group| match group == GroupResult::UNSEEN {
        true => "All unseen".to_owned(),
        false => group.clone(),
    }));
    Some(Table {
        title: format!(
            "By group of variants that the owner did not rehearse, at L = {primary}, in %"
        ),
        head,
        labels: 1,
        rows,
        remarks: vec![format!(
            "Vanillas and variants that answer the whole pool as theirs are left out; {NOTHING} where the group is rehearsed."
        )],
    })
}

/// Every group that occurs, what is unseen first.
fn groups(results: &Results) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let budgets = results.fingerprints.iter().flat_map(|fingerprint| &fingerprint.budgets);
    for group in budgets.flat_map(|at| &at.groups) {
        if !names.contains(&group.group) {
            names.push(group.group.clone());
        }
    }
    names.sort_by_key(|name| name != GroupResult::UNSEEN);
    names
}

/// Differences to each baseline, a column a budget; none where the suite names no baseline.
pub(crate) fn against(results: &Results) -> Vec<Table> {
    let budgets: Vec<usize> = results
        .fingerprints
        .first()
        .map(|fingerprint| fingerprint.budgets.iter().map(|at| at.budget).collect())
        .unwrap_or_default();
    let mut baselines: Vec<&str> = Vec::new();
    let all = results.fingerprints.iter().flat_map(|fingerprint| &fingerprint.budgets);
    for difference in all.flat_map(|at| &at.against) {
        if !baselines.contains(&difference.baseline.as_str()) {
            baselines.push(&difference.baseline);
        }
    }
    baselines.into_iter().map(|baseline| table(results, baseline, &budgets)).collect()
}

fn table(results: &Results, baseline: &str, budgets: &[usize]) -> Table {
    let to = |found: &[Difference]| {
        let difference = found.iter().find(|difference| difference.baseline == baseline);
        Cell::Figure(difference.map_or_else(|| NOTHING.to_owned(), points))
    };
    let mut rows = Vec::new();
    for fingerprint in results.fingerprints.iter().filter(|f| f.name != baseline) {
        let cells = |pick: &dyn Fn(&BudgetResult) -> Cell| -> Vec<Cell> {
            let nothing = || Cell::Figure(NOTHING.to_owned());
            budgets
                .iter()
                .map(|&budget| at(fingerprint, budget).map_or_else(nothing, pick))
                .collect()
        };
        let head = [Cell::Text(fingerprint.name.clone()), Cell::Text("all".to_owned())];
        rows.push(head.into_iter().chain(cells(&|at| to(&at.against))).collect());
        let groups = groups(results).into_iter().filter(|group| group != GroupResult::UNSEEN);
        for group in groups {
            let of_group = |at: &BudgetResult| {
                let found = at.groups.iter().find(|found| found.group == group);
                found.filter(|found| !found.rehearsed).map(|found| to(&found.against))
            };
            let is_there = fingerprint.budgets.iter().any(|at| of_group(at).is_some());
            if is_there {
                let nothing = || Cell::Figure(NOTHING.to_owned());
                let head = [Cell::Text(fingerprint.name.clone()), Cell::Text(group.clone())];
                let cells = cells(&|at| of_group(at).unwrap_or_else(nothing));
                rows.push(head.into_iter().chain(cells).collect());
            }
        }
    }
    let mut head = vec!["Fingerprint".to_owned(), "Variants".to_owned()];
    head.extend(budgets.iter().map(|budget| format!("L = {budget}")));
    Table {
        title: format!("Difference to {baseline}, in points"),
        head,
        labels: 2,
        rows,
        remarks: vec![
            "Rates at exactly the target; paired by families, 95 % interval over families. A group is one that the owner did not \
             rehearse, without vanillas and copies."
                .to_owned(),
        ],
    }
}

/// `+3.1 [1.0, 5.2]`.
fn points(difference: &Difference) -> String {
    let points = |share: f64| format!("{:+.1}", 100.0 * share);
    match difference.ci95 {
        Some([low, high]) => {
            format!("{} [{}, {}]", points(difference.difference), points(low), points(high))
        }
        None => points(difference.difference),
    }
}

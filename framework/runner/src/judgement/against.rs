//! Differences to the fingerprints that the suite names as baselines, overall and by group, at every budget.

use bertillon::{
    evaluation::{Contender, Replicated, difference},
    results::{BudgetResult, Difference, FingerprintResult, GroupResult},
};

/// One fingerprint at one budget, with the replicates of its rates.
struct Entry<'a> {
    name: &'a str,
    at: &'a BudgetResult,
    overall: &'a [Replicated],
    groups: &'a [Replicated],
}

impl<'a> Entry<'a> {
    /// Its rate over all, or over a group.
    fn contender(&self, group: Option<&str>) -> Option<Contender<'a>> {
        let (rate, replicated) = match group {
            None => (&self.at.tpr_randomised, self.overall.first()?),
            Some(group) => {
                let position = self.at.groups.iter().position(|found| found.group == group)?;
                (&self.at.groups[position].tpr_randomised, self.groups.get(position)?)
            }
        };
        Some(Contender { name: self.name, rate: rate.mean, replicated })
    }

    fn against(&self, baselines: &[&Self], group: Option<&str>) -> Vec<Difference> {
        let others = baselines.iter().filter(|other| other.name != self.name);
        let differences = others.filter_map(|other| {
            Some(difference(&self.contender(group)?, &other.contender(group)?))
        });
        differences.collect()
    }
}

/// Notes the differences; `replicated` and `groups` have an entry for each budget result, in order.
pub(super) fn compare(
    fingerprints: &mut [FingerprintResult],
    replicated: &[Vec<Replicated>],
    groups: &[Vec<Replicated>],
    baselines: &[&str],
) {
    let results =
        fingerprints.iter().flat_map(|f| f.budgets.iter().map(|at| (f.name.as_str(), at)));
    let entries: Vec<Entry<'_>> = results
        .zip(replicated.iter().zip(groups))
        .map(|((name, at), (overall, groups))| Entry { name, at, overall, groups })
        .collect();
    let found: Vec<(Vec<Difference>, Vec<Vec<Difference>>)> = entries
        .iter()
        .map(|entry| {
            let is_baseline = |other: &&Entry<'_>| {
                other.at.budget == entry.at.budget && baselines.contains(&other.name)
            };
            let others: Vec<&Entry<'_>> = entries.iter().filter(is_baseline).collect();
            // What is unseen is not the same for both.
            let of_group = |group: &GroupResult| match group.group == GroupResult::UNSEEN {
                true => Vec::new(),
                false => entry.against(&others, Some(&group.group)),
            };
            let by_group = entry.at.groups.iter().map(of_group).collect();
            (entry.against(&others, None), by_group)
        })
        .collect();
    let budgets = fingerprints.iter_mut().flat_map(|fingerprint| &mut fingerprint.budgets);
    for (at, (overall, by_group)) in budgets.zip(found) {
        at.against = overall;
        at.groups.iter_mut().zip(by_group).for_each(|(group, found)| group.against = found);
    }
}

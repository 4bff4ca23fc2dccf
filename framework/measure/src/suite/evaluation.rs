//! Reading `[evaluation]`.

use super::{
    EvaluationUse, Located, Negatives, Peers, Protocol, Task,
    grid::variant,
    section::{Item, Mistakes, Section, tables},
    tasks, values,
};

const DEFAULT_BUDGETS: [usize; 4] = [20, 50, 100, 200];
const DEFAULT_PRIMARY_BUDGET: usize = 100;
const DEFAULT_FALSE_POSITIVE_RATE: f64 = 0.05;
const DEFAULT_MAX_ACCURACY_DROP: f64 = 0.15;
const DEFAULT_DRAWS: usize = 10;

/// Far more than tell anything: each has its queries, its distances and its row in results.
const MOST_DRAWS: usize = 100_000;

/// The evaluation, defaults where a value is absent or wrong (its mistake is noted).
pub(super) fn evaluation_use(mut section: Section<'_>, mistakes: &mut Mistakes) -> EvaluationUse {
    let mut taken = |key| section.take(key);
    let asked = taken("task").map(|item| tasks::tasks(item, mistakes));
    let asked = asked.unwrap_or_else(|| vec![Task::Detection]);
    let identification = tasks::identification(taken("identification"), &asked, mistakes);
    let sequential = tasks::sequential(taken("sequential"), &asked, mistakes);
    let budgets = taken("budgets").map(|item| budgets(item, mistakes));
    let budgets = budgets.unwrap_or_else(|| {
        DEFAULT_BUDGETS.iter().map(|&value| Located { value, at: 0..0 }).collect()
    });
    let primary_budget =
        taken("primary_budget").and_then(|item| primary_budget(item, &budgets, mistakes));
    let rate = taken("false_positive_rate").and_then(|item| {
        let inside = |rate| 0.0 < rate && rate < 1.0;
        values::number(item, "false_positive_rate", "(0, 1)", inside, mistakes)
    });
    let drop = taken("max_accuracy_drop").and_then(|item| {
        let inside = |drop| 0.0 < drop && drop <= 1.0;
        values::number(item, "max_accuracy_drop", "(0, 1]", inside, mistakes)
    });
    let draws =
        taken("draws").and_then(|item| values::count_up_to(item, "draws", MOST_DRAWS, mistakes));
    let peers = taken("peers").and_then(|item| peers(item, mistakes));
    let negatives = taken("negatives").and_then(|item| {
        let words = [("all", Negatives::All), ("strangers", Negatives::Strangers)];
        values::word(item, "negatives", &words, mistakes)
    });
    let protocol = taken("protocol").and_then(|item| {
        let words = Protocol::ALL.map(|protocol| (protocol.word(), protocol));
        values::word(item, "protocol", &words, mistakes)
    });
    let baselines = taken("baselines").map(|item| values::labels(item, "baselines", mistakes));
    let rehearsals = taken("rehearsals").map(|item| tables(item, "rehearsals", variant, mistakes));
    section.refuse_rest(mistakes);
    EvaluationUse {
        baselines: baselines.unwrap_or_default(),
        tasks: asked,
        identification,
        sequential,
        primary_budget: primary_budget.unwrap_or_else(|| default_primary(&budgets)),
        budgets,
        false_positive_rate: rate.unwrap_or(DEFAULT_FALSE_POSITIVE_RATE),
        max_accuracy_drop: drop.unwrap_or(DEFAULT_MAX_ACCURACY_DROP),
        draws: draws.map_or(DEFAULT_DRAWS, |draws| draws.value),
        peers: peers.unwrap_or(Peers::All),
        negatives: negatives.unwrap_or(Negatives::All),
        protocol: protocol.unwrap_or(Protocol::Pooled),
        rehearsals: rehearsals.unwrap_or_default(),
    }
}

fn budgets(item: &Item<'_>, mistakes: &mut Mistakes) -> Vec<Located<usize>> {
    if item.get_ref().as_array().is_some_and(|items| items.is_empty()) {
        mistakes.add(item.span(), "`budgets` is empty", "give at least one budget", None);
    }
    let mut budgets = values::counts(item, "budgets", mistakes);
    budgets.sort_by_key(|budget| budget.value);
    budgets
}

fn primary_budget(
    item: &Item<'_>,
    budgets: &[Located<usize>],
    mistakes: &mut Mistakes,
) -> Option<usize> {
    let primary = values::count(item, "primary_budget", mistakes)?;
    if !budgets.is_empty() && budgets.iter().all(|budget| budget.value != primary.value) {
        let listed: Vec<String> = budgets.iter().map(|budget| budget.value.to_string()).collect();
        mistakes.add(
            primary.at,
            format!("`primary_budget` = {} is not one of `budgets`", primary.value),
            format!("one of {}", listed.join(", ")),
            None,
        );
    }
    Some(primary.value)
}

fn default_primary(budgets: &[Located<usize>]) -> usize {
    let usual = budgets.iter().find(|budget| budget.value == DEFAULT_PRIMARY_BUDGET);
    usual.or(budgets.last()).map_or(DEFAULT_PRIMARY_BUDGET, |budget| budget.value)
}

/// Which vanillas an owner knows: `all`, a share or names.
pub(super) fn peers(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<Peers> {
    let value = item.get_ref();
    if value.is_str() {
        return values::word(item, "peers", &[("all", ())], mistakes).map(|()| Peers::All);
    }
    if value.is_integer() || value.is_float() {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        return values::number(item, "peers", "[0, 1], a share", share, mistakes).map(Peers::Share);
    }
    let Some(items) = value.as_array() else {
        let expected = "`\"all\"`, a share or a list of names";
        return values::wrong_type(item, "peers", expected, mistakes);
    };
    let mut names: Vec<Located<String>> = Vec::new();
    for item in items {
        let Some(name) = values::label(item, "peers", mistakes) else {
            continue;
        };
        if names.iter().any(|earlier| earlier.value == name.value) {
            let message = format!("`{}` stands twice among the peers", name.value);
            mistakes.add(name.at.clone(), message, "again", None);
        }
        names.push(name);
    }
    Some(Peers::Named(names))
}

//! A share of a frozen plan, and the results of all of it.

use std::{str::FromStr, sync::Arc};

use bertillon::{Answers, results::Failure, suite::Suite};

use crate::{
    CellCost, Finished, Options, Progress, RunError,
    cache::Cache,
    cells::{Cell, Ledger, Phase, State, Work},
    context::Context,
    enrolment,
    frozen::{FrozenPlan, stand},
    key::Key,
    output,
    population::{self, Bank, Outcome, Place},
    preflight,
    run::{self, failures_of},
};

/// One of several shares of the cells, told apart by their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// All cells.
    pub const ALL: Self = Self { number: 1, of: 1 };

    /// Share `number` of `of`; none unless 1 <= number <= of.
    pub fn new(number: u64, of: u64) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// The share, from 1, of `of` to which a cell belongs.
    pub(crate) fn of(key: Key, of: u64) -> u64 {
        key.below(of.max(1)) + 1
    }

    fn has(self, key: Key) -> bool {
        Self::of(key, self.of) == self.number
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/');
        let numbers = numbers.and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
        numbers
            .and_then(|(number, of)| Self::new(number, of))
            .ok_or("use i/N, with 1 <= i <= N: `3/8`")
    }
}

/// What came of a share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Worked {
    /// Cells of the share that were there already, or failed before.
    pub there: u64,
    /// Cells that were computed.
    pub done: u64,
    /// Those of which something failed, even when it was tried again.
    pub failures: Vec<Failure>,
    /// Threads that ran past [`Options::cell_timeout`] and may still be running.
    pub abandoned: u64,
}

/// Works on a share of a frozen plan, phase by phase or in one phase only. What a cell needs and nobody has made yet is
/// made on the way; what fails is tried once more, and noted for good.
///
/// # Errors
/// When the suite, the data or the machine can't be used, they are not those that the plan was frozen with, or the work
/// is interrupted; cells that fail are no error.
pub fn work(
    frozen: &FrozenPlan,
    suite: &Suite,
    options: &Options,
    shard: Shard,
    phase: Option<Phase>,
    progress: &dyn Progress,
) -> Result<Worked, RunError> {
    let cache = Cache::open(&options.cache)?;
    let (plan, mut cells) = frozen.thawed(suite, options)?;
    cells.retain(|cell| shard.has(cell.key));
    let plan = Arc::new(plan);
    let workers = options.workers()?;
    let context = Context::new(&plan, &cache, &workers, options, progress);
    let mut worked = Worked::default();
    for phase in Phase::ALL.into_iter().filter(|&each| phase.is_none_or(|one| one == each)) {
        let ledger = Ledger::new(&plan, &cache);
        let (todo, there): (Vec<&Cell>, Vec<&Cell>) = cells
            .iter()
            .filter(|cell| cell.work.phase() == phase)
            .partition(|cell| match ledger.state(cell.work) {
                State::Done => false,
                State::Failed => options.retry_failures,
                State::Missing => true,
            });
        worked.there += there.len() as u64;
        if todo.is_empty() {
            continue;
        }
        let needed = Needed::of(&context, phase)?;
        let failures = in_phase(&context, &ledger, phase, &todo, &needed)?;
        let failed: Vec<&Cell> = todo
            .iter()
            .zip(&failures)
            .filter(|(_, failures)| !failures.is_empty())
            .map(|(cell, _)| *cell)
            .collect();
        worked.done += (todo.len() - failed.len()) as u64;
        if failed.is_empty() {
            continue;
        }
        progress.warn(&format!("{} cells failed and are tried once more", failed.len()));
        let again = Options { retry_failures: true, ..options.clone() };
        let context = Context::new(&plan, &cache, &workers, &again, progress);
        let failures = in_phase(&context, &ledger, phase, &failed, &needed)?;
        worked.abandoned += context.abandoned();
        worked.done += failures.iter().filter(|failures| failures.is_empty()).count() as u64;
        worked.failures.extend(failures.into_iter().flatten());
    }
    worked.abandoned += context.abandoned();
    Ok(worked)
}

/// What failed of each of these cells of a phase.
fn in_phase(
    context: &Context<'_>,
    ledger: &Ledger<'_>,
    phase: Phase,
    cells: &[&Cell],
    needed: &Needed,
) -> Result<Vec<Vec<Failure>>, RunError> {
    let forecast = context.forecast();
    let costs: Vec<f64> = cells.iter().map(|cell| ledger.cost(cell.work, &forecast)).collect();
    let mut order: Vec<(usize, f64)> = costs.into_iter().enumerate().collect();
    // The longest first, so that no thread is left with one at the end.
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let done = context.step_in_groups(
        phase.step(),
        &order,
        |&(_, work)| CellCost { group: phase.word().to_owned(), work },
        |&(position, _)| Ok((position, one(context, cells[position], needed)?)),
    )?;
    let mut failures = vec![Vec::new(); cells.len()];
    done.into_iter().for_each(|(position, found)| failures[position] = found);
    Ok(failures)
}

fn one(
    context: &Context<'_>,
    cell: &Cell,
    Needed { vanillas, banks }: &Needed,
) -> Result<Vec<Failure>, RunError> {
    let plan = context.plan;
    let failure = |reason: String| {
        let plugin = Some(plan.suite.models.plugin.value.clone());
        Failure { step: "answer".into(), subject: cell.name.clone(), plugin, reason }
    };
    Ok(match cell.work {
        Work::Vanilla(family) => match population::vanilla_answers(context, family)? {
            Ok(answers) => {
                preflight::check_one(context, family, &answers)?;
                Vec::new()
            }
            Err(reason) => vec![failure(reason)],
        },
        Work::Rehearsal { owner, fingerprint, index } => {
            let place = Place::Rehearsal { fingerprint, index };
            let answers = population::rehearsal_answers(context, owner, place)?;
            answers.err().map(failure).into_iter().collect()
        }
        Work::Bank { fingerprint, owner } => {
            let bank = enrolment::bank(context, fingerprint, owner, vanillas)?;
            let failure = |reason| enrolment::failure(plan, fingerprint, owner, reason);
            bank.err().map(failure).into_iter().collect()
        }
        Work::Model(model) => {
            let outcome: Outcome = population::cell(context, model, vanillas, banks)?;
            failures_of(plan, &[outcome])
        }
    })
}

/// What cells of a phase need of earlier ones, mostly from the cache.
#[derive(Default)]
pub(crate) struct Needed {
    /// Answers of every vanilla.
    pub(crate) vanillas: Vec<Result<Answers, String>>,
    /// Every bank that could be crafted.
    pub(crate) banks: Vec<Bank>,
}

impl Needed {
    pub(crate) fn of(context: &Context<'_>, phase: Phase) -> Result<Self, RunError> {
        if phase == Phase::Vanillas {
            return Ok(Self::default());
        }
        let vanillas = population::vanillas(context)?;
        let banks = match phase {
            Phase::Vanillas | Phase::Crafting => Vec::new(),
            Phase::Models => run::craft(context, &vanillas)?.0,
        };
        Ok(Self { vanillas, banks })
    }
}

/// Writes the results of a plan whose cells are all there, as a run of its suite would: to the byte.
///
/// # Errors
/// With the names of missing cells, while there are any; else as for [`run()`](crate::run()).
pub fn merge(
    frozen: &FrozenPlan,
    suite: &Suite,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished, RunError> {
    output::check_writable(&options.out)?;
    let cache = Cache::open(&options.cache)?;
    let (plan, cells) = frozen.thawed(suite, options)?;
    let missing: Vec<String> = stand(frozen, &cells, &Ledger::new(&plan, &cache), 1)
        .into_iter()
        .flat_map(|standing| standing.missing)
        .collect();
    match missing.is_empty() {
        true => run::run_plan(&Arc::new(plan), &cache, options, progress),
        false => Err(RunError::Missing(missing)),
    }
}

/// Runs what is missing of a frozen plan, and writes its results.
///
/// # Errors
/// As for [`run()`](crate::run()); or when the machine is not as the plan was frozen for.
pub fn run_frozen(
    frozen: &FrozenPlan,
    suite: &Suite,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished, RunError> {
    output::check_writable(&options.out)?;
    let cache = Cache::open(&options.cache)?;
    let (plan, _) = frozen.thawed(suite, options)?;
    run::run_plan(&Arc::new(plan), &cache, options, progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_a_number_of_a_number() {
        assert_eq!("3/8".parse(), Ok(Shard { number: 3, of: 8 }));
        for wrong in ["0/8", "9/8", "3", "3/", "/8", "a/b", "1/0", "-1/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_cell_belongs_to_one_shard_and_none_stays_without() {
        let keys: Vec<Key> = (0..1000).map(|n| Key::recipe("test").number(n).finish()).collect();
        for of in [1, 2, 7, 8] {
            let shards: Vec<Shard> = (1..=of).map(|n| Shard::new(n, of).unwrap()).collect();
            let takers = |&key: &Key| shards.iter().filter(|shard| shard.has(key)).count();
            assert!(keys.iter().all(|key| takers(key) == 1));
            // Shares are even: 1000 / of cells each, give or take four standard deviations.
            let even = 1000.0 / of as f64;
            let deviation = (even * (1.0 - 1.0 / of as f64)).sqrt();
            for shard in &shards {
                let taken = keys.iter().filter(|&&key| shard.has(key)).count() as f64;
                assert!((taken - even).abs() <= 4.0 * deviation, "{taken} of {even}");
            }
        }
    }
}

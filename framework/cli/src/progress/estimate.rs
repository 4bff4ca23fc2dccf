//! How long the rest of a run takes, learned from the cells that are done.
//!
//! Every cell has a declared cost `d`. Cells of one group take `r d + x` seconds: `r` is what a unit of work takes, `x`
//! what the declaration leaves out. Both are found by least squares with a prior, so that one cell is enough to go by
//! and many are believed:
//!
//! ```text
//! minimise  sum (s - r d - x)^2 / (0.3 r0 (d + m) / 2)^2  +  (r - r0)^2 / r0^2  +  x^2 / (r0 m)^2
//! ```
//!
//! with `r0` the pace of all groups together and `m` the mean cost of the group. Older cells count less, and what is left
//! is stretched as the last cells were against what was expected of them: the machine has other things to do.

use bertillon_runner::{Ahead, CellCost};

/// Weight of a cell when the next of its group is done.
const FADING: f64 = 0.95;

/// Weight of a cell when the next of any group is done, in how the last ones went; and cells that these must outweigh.
const FADING_LAST: f64 = 0.95;
const AS_EXPECTED: f64 = 3.0;

/// Scatter of a cell around the line, as a share of what its group takes on average.
const SCATTER: f64 = 0.3;

/// Share of the work ahead whose groups must have been seen, before a figure is given...
const SEEN: f64 = 0.5;

/// ...or share of all work that must be done.
const DONE: f64 = 0.1;

/// Least work done, as a share of all, and least time gone by, in seconds, before a figure is given.
const LEAST_DONE: f64 = 0.01;
const LEAST_TIME: f64 = 2.0;

/// What is known of the run so far. Times are seconds from any moment on.
#[derive(Debug)]
pub(crate) struct Estimate {
    workers: f64,
    /// Steps that are not over, the present one first once it began.
    steps: Vec<StepAhead>,
    running: Vec<Running>,
    /// Work, and seconds of workers it took, of all cells done.
    pace: (f64, f64),
    /// Seconds of workers so far.
    spent: f64,
    last: Last,
    began: f64,
    told: Option<Told>,
}

#[derive(Debug)]
struct StepAhead {
    name: String,
    groups: Vec<Group>,
}

/// Cells of one group that are not in the cache.
#[derive(Debug)]
struct Group {
    name: String,
    cells: f64,
    work: f64,
    done: f64,
    worked: f64,
    /// Seconds of the cells done.
    took: f64,
    sums: Sums,
}

/// Fading sums over the cells done, which scatter the more the larger they are: 1, d, s, d d, d s.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    n: f64,
    d: f64,
    s: f64,
    dd: f64,
    ds: f64,
}

/// How the last cells went: how many, seconds taken and seconds expected, fading.
#[derive(Debug, Default, Clone, Copy)]
struct Last {
    cells: f64,
    took: f64,
    expected: f64,
}

#[derive(Debug)]
struct Running {
    worker: usize,
    cost: CellCost,
    since: f64,
}

/// The figure that was given last.
#[derive(Debug, Clone, Copy)]
struct Told {
    left: f64,
    at: f64,
}

impl Estimate {
    /// Of a run that begins at `now` with so many workers.
    pub(crate) fn new(workers: usize, now: f64) -> Self {
        Self {
            workers: workers.max(1) as f64,
            steps: Vec::new(),
            running: Vec::new(),
            pace: (0.0, 0.0),
            spent: 0.0,
            last: Last::default(),
            began: now,
            told: None,
        }
    }

    /// Takes over what is ahead from now on; costs may be in another unit than before.
    pub(crate) fn foresee(&mut self, steps: &[Ahead]) {
        self.steps = steps.iter().map(StepAhead::new).collect();
        self.pace = (0.0, 0.0);
    }

    /// A step begins: what was foreseen before it is over, what is known of it now replaces what was foreseen.
    pub(crate) fn begin(&mut self, step: &Ahead) {
        match self.steps.iter().position(|ahead| ahead.name == step.name) {
            Some(position) => drop(self.steps.drain(..position)),
            None => self.steps.insert(0, StepAhead::new(step)),
        }
        let foreseen = &mut self.steps[0];
        let known = StepAhead::new(step);
        if foreseen.groups.is_empty() && !known.groups.is_empty() {
            // No unit in common with what came before.
            self.pace = (0.0, 0.0);
        }
        *foreseen = known;
    }

    /// A step is over.
    pub(crate) fn end(&mut self) {
        if !self.steps.is_empty() {
            self.steps.remove(0);
        }
        self.running.clear();
    }

    pub(crate) fn cell_begins(&mut self, worker: usize, cost: &CellCost, now: f64) {
        self.running.retain(|running| running.worker != worker);
        self.running.push(Running { worker, cost: cost.clone(), since: now });
    }

    pub(crate) fn cell_ends(&mut self, worker: usize, cost: &CellCost, took: f64) {
        self.running.retain(|running| running.worker != worker);
        self.spent += took;
        if cost.work <= 0.0 {
            return;
        }
        let expected = self.expected(cost);
        self.pace = (self.pace.0 + cost.work, self.pace.1 + took);
        let step = self.steps.first_mut();
        let groups = step.into_iter().flat_map(|step| step.groups.iter_mut());
        let mut is_known = false;
        groups.filter(|group| group.name == cost.group).for_each(|group| {
            is_known |= group.done > 0.0;
            group.done += 1.0;
            group.worked += cost.work;
            group.took += took;
            group.sums.add(cost.work, took, group.work / group.cells);
        });
        // What was expected of the first of a group says nothing of the machine.
        if is_known {
            self.last.add(took, expected);
        }
    }

    /// Share of the present step's work that is done, in [0, 1]; none where there is none to do.
    pub(crate) fn share_of_step(&self) -> Option<f64> {
        let step = self.steps.first()?;
        let (done, left) = step.groups.iter().fold((0.0, 0.0), |(done, left), group| {
            (done + group.took, left + self.left_of(group).0)
        });
        (done + left > 0.0).then(|| done / (done + left))
    }

    /// Seconds that the rest takes, steadied; none while there is too little to go by.
    pub(crate) fn left(&mut self, now: f64) -> Option<f64> {
        let Some(raw) = self.raw(now) else {
            self.told = None;
            return None;
        };
        let left = match self.told {
            Some(told) => {
                let passed = (now - told.at).max(0.0);
                let expected = (told.left - passed).max(0.5);
                let patience = (0.05 * (now - self.began + raw)).clamp(2.0, 60.0);
                let weight = 1.0 - (-passed / patience).exp();
                ((1.0 - weight) * expected.ln() + weight * raw.max(0.5).ln()).exp()
            }
            None => raw,
        };
        self.told = Some(Told { left, at: now });
        Some(left)
    }

    /// Seconds that the rest takes by what is known now.
    fn raw(&self, now: f64) -> Option<f64> {
        let (mut wall, mut left, mut seen) = (0.0, 0.0, 0.0);
        for (index, step) in self.steps.iter().enumerate() {
            let (mut step_left, mut cells) = (0.0, 0.0);
            for group in &step.groups {
                let (seconds, is_seen) = self.left_of(group);
                step_left += seconds;
                cells += (group.cells - group.done).max(0.0);
                seen += if is_seen { seconds } else { 0.0 };
            }
            left += step_left;
            let mut longest: f64 = 0.0;
            if index == 0 {
                for running in &self.running {
                    let (expected, passed) = (self.expected(&running.cost), now - running.since);
                    step_left -= passed.clamp(0.0, 0.95 * expected);
                    longest = longest.max(expected - passed);
                }
            }
            wall += (step_left.max(0.0) / self.workers.min(cells).max(1.0)).max(longest);
        }
        wall *= self.last.stretch();
        let share = self.spent / (self.spent + left);
        let is_known = seen >= SEEN * left || share >= DONE && self.pace.0 > 0.0;
        let is_late = now - self.began >= LEAST_TIME;
        (is_known && is_late && share >= LEAST_DONE && left > 0.0).then_some(wall)
    }

    /// Seconds of a worker that a cell of the present step takes.
    fn expected(&self, cost: &CellCost) -> f64 {
        let groups = self.steps.first().map(|step| step.groups.as_slice()).unwrap_or_default();
        let group = groups.iter().find(|group| group.name == cost.group && cost.work > 0.0);
        group.map_or(0.0, |group| {
            let (r, x) = group.line(self.rate());
            (r * cost.work + x).max(0.0)
        })
    }

    /// Seconds of workers that the rest of a group takes, and whether one of it was seen.
    fn left_of(&self, group: &Group) -> (f64, bool) {
        let (cells, work) = (group.cells - group.done, group.work - group.worked);
        if cells <= 0.0 {
            return (0.0, true);
        }
        let (r, x) = group.line(self.rate());
        ((r * work.max(0.0) + x * cells).max(0.0), group.done > 0.0)
    }

    /// Seconds a unit of work, over all groups; 1 while nothing is known.
    fn rate(&self) -> f64 {
        let (work, seconds) = self.pace;
        if work > 0.0 { (seconds / work).max(f64::MIN_POSITIVE) } else { 1.0 }
    }
}

impl StepAhead {
    fn new(step: &Ahead) -> Self {
        let groups = step.groups.iter().map(|(name, cells, work)| Group {
            name: name.clone(),
            cells: *cells as f64,
            work: *work,
            done: 0.0,
            worked: 0.0,
            took: 0.0,
            sums: Sums::default(),
        });
        Self { name: step.name.clone(), groups: groups.collect() }
    }
}

impl Group {
    /// Seconds a unit of work and seconds a cell, at the pace `r0` of all groups.
    fn line(&self, r0: f64) -> (f64, f64) {
        let mean = r0 * self.work / self.cells;
        if mean <= 0.0 {
            return (r0, 0.0);
        }
        let noise = 1.0 / (SCATTER * mean).powi(2);
        let Sums { n, d, s, dd, ds } = self.sums;
        let (a, b, c) = (dd * noise + r0.powi(-2), d * noise, n * noise + mean.powi(-2));
        let (right, below) = (ds * noise + 1.0 / r0, s * noise);
        let determinant = a * c - b * b;
        ((right * c - below * b) / determinant, (below * a - right * b) / determinant)
    }
}

impl Last {
    fn add(&mut self, took: f64, expected: f64) {
        self.cells = FADING_LAST * self.cells + 1.0;
        self.took = FADING_LAST * self.took + took;
        self.expected = FADING_LAST * self.expected + expected;
    }

    /// Time taken as a share of that expected, 1 while few cells are done.
    fn stretch(self) -> f64 {
        if self.cells <= 0.0 || self.expected <= 0.0 {
            return 1.0;
        }
        let doubt = AS_EXPECTED * self.expected / self.cells;
        ((self.took + doubt) / (self.expected + doubt)).clamp(0.5, 2.0)
    }
}

impl Sums {
    /// Adds a cell of a group of this mean cost.
    fn add(&mut self, d: f64, s: f64, mean: f64) {
        let weight = (2.0 * mean / (d + mean)).powi(2);
        let Self { n, d: sum_d, s: sum_s, dd, ds } = *self;
        *self = Self {
            n: FADING * n + weight,
            d: FADING * sum_d + weight * d,
            s: FADING * sum_s + weight * s,
            dd: FADING * dd + weight * d * d,
            ds: FADING * ds + weight * d * s,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of a simulated run: group, declared cost and true seconds of each cell, in the order of work.
    type Simulated = (&'static str, Vec<(&'static str, f64, f64)>);

    /// What is told at a moment, beside the truth: share of the work done, seconds left as told, and in truth.
    struct Moment {
        share: f64,
        told: Option<f64>,
        truth: f64,
    }

    /// Plays a schedule on `workers` workers, each taking the next cell, and asks four times a second.
    fn play(workers: usize, steps: &[Simulated]) -> Vec<Moment> {
        let ahead = |(name, cells): &Simulated| {
            let costs =
                cells.iter().map(|&(group, work, _)| CellCost { group: group.into(), work });
            Ahead::new(name, costs)
        };
        let all: Vec<Ahead> = steps.iter().map(ahead).collect();
        let total: f64 = steps.iter().flat_map(|(_, cells)| cells).map(|cell| cell.2).sum();
        let mut estimate = Estimate::new(workers, 0.0);
        estimate.foresee(&all);
        let (mut now, mut spent) = (0.0, 0.0);
        let mut asked: Vec<(f64, f64, Option<f64>)> = Vec::new();
        for ((_, cells), ahead) in steps.iter().zip(&all) {
            estimate.begin(ahead);
            let mut busy: Vec<Option<(f64, usize)>> = vec![None; workers];
            let mut next = 0;
            loop {
                for (worker, busy) in busy.iter_mut().enumerate() {
                    if busy.is_none() && next < cells.len() {
                        let (group, work, seconds) = cells[next];
                        estimate.cell_begins(worker, &CellCost { group: group.into(), work }, now);
                        *busy = Some((now + seconds, next));
                        next += 1;
                    }
                }
                let first =
                    busy.iter().enumerate().filter_map(|(w, b)| b.map(|(end, i)| (end, w, i)));
                let Some((end, worker, index)) = first.min_by(|a, b| a.0.total_cmp(&b.0)) else {
                    break;
                };
                while now + 0.25 < end {
                    now += 0.25;
                    asked.push((now, spent / total, estimate.left(now)));
                }
                let (group, work, seconds) = cells[index];
                estimate.cell_ends(worker, &CellCost { group: group.into(), work }, seconds);
                spent += seconds;
                busy[worker] = None;
                now = end;
            }
            estimate.end();
        }
        asked.into_iter().map(|(at, share, told)| Moment { share, told, truth: now - at }).collect()
    }

    /// A small generator of its own, so that schedules repeat.
    fn numbers(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Three steps with cells of very different costs, the longest first; `truth` gives seconds from group and cost.
    fn schedule(seed: u64, truth: impl Fn(&str, f64, f64) -> f64) -> Vec<Simulated> {
        let mut number = numbers(seed);
        let mut step = |groups: &[&'static str], cells: usize, largest: f64| {
            let mut all: Vec<(&'static str, f64, f64)> = (0..cells)
                .map(|i| {
                    let group = groups[i % groups.len()];
                    let work = largest * (0.02 + number().powi(3));
                    (group, work, truth(group, work, number()))
                })
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            // As the runner does: a middling cell of each group goes ahead.
            for group in groups {
                let members: Vec<usize> = (0..cells).filter(|&i| all[i].0 == *group).collect();
                let scout = all.remove(members[members.len() / 2]);
                all.insert(0, scout);
            }
            all
        };
        vec![
            ("vanillas", step(&["vanilla"], 14, 1.0)),
            ("craft", step(&["ip-guard"], 14, 10.0)),
            ("models", step(&["vanilla", "prune", "jpeg", "smooth", "finetune"], 180, 20.0)),
        ]
    }

    #[track_caller]
    fn assert_within(moments: &[Moment], from_share: f64, factor: f64) {
        let last = moments.last().unwrap();
        for moment in moments.iter().filter(|moment| moment.share >= from_share) {
            // The rest of a run of seconds is over before anything is told.
            if moment.truth < 3.0 {
                continue;
            }
            let told = moment.told.unwrap_or(f64::NAN);
            let ratio = told / moment.truth;
            // What is shown as a few seconds may be a few more.
            assert!(
                (1.0 / factor..=factor).contains(&ratio) || (told - moment.truth).abs() < 7.5,
                "{:.0} % done: told {told:.1} s, in truth {:.1} s (of {:.1} s)",
                100.0 * moment.share,
                moment.truth,
                last.truth
            );
        }
    }

    #[test]
    fn costs_that_are_proportional_to_the_truth_are_within_a_factor_of_two_after_a_fifth() {
        for seed in 1..=40 {
            for (workers, pace) in [(1, 0.05), (1, 3.0), (2, 0.7), (4, 0.7), (16, 3.0)] {
                let steps = schedule(seed, |_, work, _| pace * work);
                assert_within(&play(workers, &steps), 0.2, 2.0);
            }
        }
    }

    #[test]
    fn costs_that_leave_something_out_are_learned_group_by_group() {
        for seed in 1..=40 {
            for workers in [1, 2, 4] {
                let truth = |group: &str, work: f64, noise: f64| {
                    let (r, x) = match group {
                        "jpeg" => (1.0, 6.0),
                        "smooth" => (0.3, 0.0),
                        "finetune" => (2.5, 0.0),
                        _ => (1.0, 0.2),
                    };
                    0.4 * (r * work + x) * (0.8 + 0.4 * noise)
                };
                assert_within(&play(workers, &schedule(seed, truth)), 0.3, 2.0);
            }
        }
    }

    #[test]
    fn what_is_told_never_jumps() {
        for seed in 1..=20 {
            let truth = |group: &str, work: f64, _: f64| match group {
                "finetune" => 4.0 * work,
                _ => 0.3 * work,
            };
            let moments = play(2, &schedule(seed, truth));
            for pair in moments.windows(2) {
                let (Some(before), Some(after)) = (pair[0].told, pair[1].told) else { continue };
                assert!(after < 1.3 * before + 1.0, "{before:.1} s, then {after:.1} s");
            }
        }
    }

    #[test]
    fn a_machine_that_slows_down_is_noticed() {
        // Twice as slow from the middle on: cells of the same cost, all of one group.
        let cells: Vec<_> =
            (0..200).map(|i| ("prune", 1.0, if i < 100 { 1.0 } else { 2.0 })).collect();
        let moments = play(2, &[("models", cells)]);
        let total = moments[0].truth;
        let late = moments.iter().filter(|m| (0.1 * total..0.5 * total).contains(&m.truth));
        let ratios: Vec<f64> = late.map(|m| m.told.unwrap() / m.truth).collect();
        assert!(ratios.iter().all(|ratio| (0.7..1.3).contains(ratio)), "{ratios:?}");
    }

    #[test]
    fn nothing_is_told_before_anything_is_done() {
        let steps = [("models", vec![("prune", 1.0, 30.0); 20])];
        let moments = play(2, &steps);
        assert!(moments.iter().all(|m| m.told.is_none() == (m.share < 0.05)));
    }

    #[test]
    fn a_step_of_another_unit_is_learned_from_its_own_cells() {
        let mut estimate = Estimate::new(1, 0.0);
        let cell = |group: &str, work| CellCost { group: group.into(), work };
        estimate
            .foresee(&[Ahead::new("models", [cell("prune", 100.0)]), Ahead::new("distances", [])]);
        estimate.begin(&Ahead::new("models", [cell("prune", 100.0)]));
        estimate.cell_begins(0, &cell("prune", 100.0), 0.0);
        estimate.cell_ends(0, &cell("prune", 100.0), 10.0);
        estimate.end();
        estimate.begin(&Ahead::new("distances", vec![cell("", 1.0); 10]));
        assert_eq!(estimate.left(11.0), None, "nothing is known of distances");
        estimate.cell_ends(0, &cell("", 1.0), 5.0);
        assert!((estimate.left(15.0).unwrap() - 45.0).abs() < 1e-9);
    }

    #[test]
    fn cached_cells_teach_nothing() {
        let mut estimate = Estimate::new(1, 0.0);
        let cell = |work| CellCost { group: "prune".into(), work };
        let step = Ahead::new("models", [cell(0.0), cell(0.0), cell(2.0), cell(2.0)]);
        estimate.foresee(std::slice::from_ref(&step));
        estimate.begin(&step);
        (0..2).for_each(|_| estimate.cell_ends(0, &cell(0.0), 0.001));
        assert_eq!(estimate.left(3.0), None);
        estimate.cell_ends(0, &cell(2.0), 8.0);
        assert!((estimate.left(11.0).unwrap() - 8.0).abs() < 0.1);
        assert!((estimate.share_of_step().unwrap() - 0.5).abs() < 0.01);
    }

    #[test]
    fn few_cells_keep_few_workers_busy() {
        // Three cells of 10 s: with 16 workers as with 3, one after another on none.
        let mut estimate = Estimate::new(16, 0.0);
        let cell = CellCost { group: "prune".into(), work: 1.0 };
        let step = Ahead::new("models", vec![cell.clone(); 4]);
        estimate.begin(&step);
        estimate.cell_ends(0, &cell, 10.0);
        assert!((estimate.left(10.0).unwrap() - 10.0).abs() < 0.1);
    }
}

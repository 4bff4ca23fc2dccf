//! Differences to the best, by a second implementation and over many populations.

use super::*;
use crate::results::AgainstBest;

fn compare(evaluated: &[Evaluated], row: usize) -> Vec<AgainstBest> {
    let rate = |found: &Evaluated| match row {
        0 => found.tpr_randomised.mean,
        kind => found.variations[kind - 1].tpr_randomised.mean,
    };
    let contenders: Vec<Contender<'_>> = evaluated
        .iter()
        .zip(["a", "b", "c", "d", "e", "f"])
        .map(|(found, name)| Contender {
            name,
            rate: rate(found),
            replicated: &found.replicated[row],
        })
        .collect();
    against_best(&contenders)
}

#[test]
fn differences_equal_those_of_pairs_written_out() {
    for protocol in [Protocol::Pooled, Protocol::LeaveOneFamilyOut] {
        // Three methods on one population; replicates that one of them can't be judged with are rare but there.
        let first = Random::new(21, 7, 5, 2, 25);
        let methods = [11, 12, 13]
            .map(|seed| Random { draws: Random::new(seed, 7, 5, 2, 25).draws, ..first.clone() });
        let settings = Settings { replicates: 200, protocol, ..settings(0.1) };
        let evaluated = methods.each_ref().map(|m| evaluate(&m.case(), &settings).unwrap());
        let found = compare(&evaluated, 0);
        let best = found.iter().position(|one| one.difference == 0.0).unwrap();

        let mut stream = Stream::named(settings.seed, ["bootstrap"]);
        let mut differences = [Vec::new(), Vec::new(), Vec::new()];
        while differences[best].len() < 200 {
            let mut weights = [0; 7];
            (0..7).for_each(|_| weights[stream.below(7) as usize] += 1);
            let rates = methods.each_ref().map(|method| {
                let of_draw = |draw| method.naive(draw, &weights, 0.1, protocol);
                Some((of_draw(0)?.1 + of_draw(1)?.1) / 2.0)
            });
            for (differences, rate) in differences.iter_mut().zip(rates) {
                differences.extend(rate.zip(rates[best]).map(|(rate, best)| rate - best));
            }
        }
        for (one, naive) in found.iter().zip(&differences).filter(|(one, _)| one.p.is_some()) {
            let [low, high] = interval(naive, 7).unwrap();
            let ci = one.ci95.unwrap();
            assert!((ci[0] - low).abs() < 1e-9 && (ci[1] - high).abs() < 1e-9, "{ci:?} {naive:?}");
            // What can't be told apart at 5 % has an interval that holds 0.
            assert_eq!(one.p.unwrap() > 0.05, ci[0] < 0.0 && ci[1] > 0.0, "{one:?}");
        }
        assert_eq!(found.iter().filter(|one| one.p.is_some()).count(), 2);
    }
}

#[test]
fn rows_of_kinds_are_compared_over_their_own_pairs() {
    let first = Random::new(3, 8, 8, 2, 1000);
    let second = Random { draws: Random::new(4, 8, 8, 2, 1000).draws, ..first.clone() };
    let settings = Settings { replicates: 300, ..settings(0.05) };
    let evaluated = [&first, &second].map(|m| evaluate(&m.case(), &settings).unwrap());
    let kinds = evaluated[0].variations.iter().filter(|row| row.parameter.is_none()).count();
    assert_eq!(evaluated[0].replicated.len(), 1 + kinds);
    for row in 1..=kinds {
        let alone = |one: &Random| {
            let kind = &evaluated[0].variations[row - 1].kind;
            let cell = |cell: usize| {
                let suspect = &one.suspects[cell % one.suspects.len()];
                let mine = suspect.family == cell / one.suspects.len();
                one.judged[cell] && (!mine || suspect.kind == *kind)
            };
            let judged = (0..one.judged.len()).map(cell).collect();
            evaluate(&Random { judged, ..one.clone() }.case(), &settings).unwrap()
        };
        let alone = [alone(&first), alone(&second)];
        let found = (compare(&evaluated, row), compare(&alone, 0));
        let close = |a: Option<[f64; 2]>, b: Option<[f64; 2]>| match (a, b) {
            (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9),
            (a, b) => a == b,
        };
        for (all, alone) in found.0.iter().zip(&found.1) {
            assert!(close(all.ci95, alone.ci95) && all.p == alone.p, "{all:?}, {alone:?}");
        }
    }
}

/// A population of families that differ in how easily each method recognises them; the last method is `worse`.
fn population(run: u64, families: usize, methods: usize, worse: f64) -> Vec<Random> {
    let mut stream = Stream::named(run, ["simulated population"]);
    let mut normal = |count: usize| {
        let mut values = vec![0.0; count];
        stream.fill_normal(&mut values);
        values
    };
    let each = 6;
    let suspects: Vec<Suspect> =
        (0..families * each).map(|index| suspect(index / each, "prune", None)).collect();
    let cells = families * suspects.len();
    let shared = normal(families);
    let method = |index: usize| {
        let (own, noise) = (normal(families), normal(cells));
        let shift = if index + 1 == methods { worse } else { 0.0 };
        let distance = |cell: usize| {
            let (owner, family) = (cell / suspects.len(), suspects[cell % suspects.len()].family);
            f64::from(match owner == family {
                true => 0.6 * (shared[owner] + own[owner]) + 0.7 * noise[cell],
                false => 2.0 + noise[cell],
            }) + if owner == family { shift } else { 0.0 }
        };
        let draws = vec![(0..cells).map(distance).collect()];
        let (ancestry, judged) = (vec![0; families], vec![true; cells]);
        Random { suspects: suspects.clone(), ancestry, judged, draws }
    };
    (0..methods).map(method).collect()
}

/// In how many of so many populations the first method is not marked, any of the equal ones is not, the last is not.
fn unmarked(runs: u64, families: usize, methods: usize, worse: f64) -> [usize; 3] {
    let mut counts = [0; 3];
    for run in 0..runs {
        let settings = Settings { replicates: 500, seed: run, ..settings(0.05) };
        let methods = population(run, families, methods, worse);
        let evaluated: Vec<Evaluated> =
            methods.iter().map(|method| evaluate(&method.case(), &settings).unwrap()).collect();
        let tied: Vec<bool> =
            compare(&evaluated, 0).iter().map(|found| found.tied_with_best).collect();
        let (last, equal) = tied.split_last().unwrap();
        counts[0] += usize::from(!tied[0]);
        counts[1] += usize::from(equal.contains(&false) || (worse == 0.0 && !last));
        counts[2] += usize::from(!last);
    }
    counts
}

#[test]
fn what_is_as_good_as_the_best_stays_marked_and_what_is_far_worse_does_not() {
    for (families, methods) in [(12, 4), (23, 3)] {
        let runs = 200;
        // Of 400 populations one of the best was not marked in 2 to 6, any of the equals in 6 to 23.
        let [first, any, _] = unmarked(runs, families, methods, 0.0);
        assert!(first <= 10 && any <= 20, "{families} families: {first}, {any}");
        let [first, _, worse] = unmarked(runs, families, methods, 2.0);
        assert!(first <= 10 && worse >= 190, "{families} families: {first}, {worse}");
    }
}

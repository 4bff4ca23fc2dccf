use proptest::prelude::*;

use super::*;

const INF: f64 = f64::INFINITY;

fn suspect(family: usize, kind: &str, parameter: Option<&str>) -> Suspect {
    Suspect {
        family,
        kind: kind.to_owned(),
        detail: None,
        parameter: parameter.map(str::to_owned),
        group: "weights".to_owned(),
        vanilla: kind == "vanilla",
        rehearsed: false,
        copy: false,
    }
}

fn settings(answered_unknown: f64) -> IdentificationSettings {
    IdentificationSettings { answered_unknown, replicates: 0, seed: 1 }
}

struct Random {
    suspects: Vec<Suspect>,
    truth: Vec<Option<usize>>,
    hypotheses: usize,
    candidates: Option<Vec<bool>>,
    draws: Vec<IdentificationDraw>,
}

impl Random {
    /// Families of three members, each a hypothesis; the last two suspects belong to none.
    fn new(seed: u64, families: usize, dropped: usize, draws: usize, levels: u32) -> Self {
        let mut stream = Stream::named(seed, ["identification"]);
        let kinds = [("vanilla", None), ("prune", Some("0.1")), ("prune", Some("0.2"))];
        let mut suspects: Vec<Suspect> = (0..families * 3)
            .map(|index| suspect(index / 3, kinds[index % 3].0, kinds[index % 3].1))
            .collect();
        let mut truth: Vec<Option<usize>> = suspects.iter().map(|s| Some(s.family)).collect();
        for kind in ["vanilla", "half"] {
            suspects.push(suspect(families, kind, None));
            truth.push(None);
        }
        let draws = (0..draws)
            .map(|_| {
                let mut known = vec![true; families];
                for hypothesis in stream.sample_indices(families, dropped) {
                    known[hypothesis as usize] = false;
                }
                let distance = |stream: &mut Stream| match stream.below(levels) {
                    0 => INF,
                    level => f64::from(level) / f64::from(levels),
                };
                let cells = families * suspects.len();
                let distances = (0..cells).map(|_| distance(&mut stream)).collect();
                IdentificationDraw { known, distances, queries: 10 }
            })
            .collect();
        Self { suspects, truth, hypotheses: families, candidates: None, draws }
    }

    fn case(&self) -> IdentificationCase<'_> {
        IdentificationCase {
            suspects: &self.suspects,
            truth: &self.truth,
            hypotheses: self.hypotheses,
            candidates: self.candidates.as_deref(),
            draws: &self.draws,
        }
    }

    /// Every suspect as often as its family weighs.
    fn repeated(&self, weights: &[u32]) -> Self {
        let chosen: Vec<usize> = (0..self.suspects.len())
            .flat_map(|s| std::iter::repeat_n(s, weights[self.suspects[s].family] as usize))
            .collect();
        let columns = |row: &[f64]| chosen.iter().map(|&s| row[s]).collect::<Vec<_>>();
        let draws = self.draws.iter().map(|draw| IdentificationDraw {
            distances: draw.distances.chunks_exact(self.suspects.len()).flat_map(columns).collect(),
            ..draw.clone()
        });
        Self {
            suspects: chosen.iter().map(|&s| self.suspects[s].clone()).collect(),
            truth: chosen.iter().map(|&s| self.truth[s]).collect(),
            hypotheses: self.hypotheses,
            candidates: None,
            draws: draws.collect(),
        }
    }
}

/// Distance to the nearest known candidate of each suspect, and which one that is.
fn nearest(case: &IdentificationCase<'_>, draw: &IdentificationDraw) -> Vec<(f64, Option<usize>)> {
    let suspects = case.suspects.len();
    (0..suspects)
        .map(|s| {
            let may =
                |&h: &usize| draw.known[h] && case.candidates.is_none_or(|c| c[h * suspects + s]);
            let distance = |h: usize| draw.distances[h * suspects + s];
            let smallest = (0..case.hypotheses).filter(may).map(distance).fold(INF, f64::min);
            (smallest, (0..case.hypotheses).filter(may).find(|&h| distance(h) == smallest))
        })
        .collect()
}

/// Of all thresholds that could matter the largest that keeps the target over all draws together.
fn literal_threshold(case: &IdentificationCase<'_>, alpha: f64) -> f64 {
    let mut unknown: Vec<f64> = Vec::new();
    for draw in case.draws {
        let nearest = nearest(case, draw);
        let is_unknown = |&s: &usize| case.truth[s].is_none_or(|truth| !draw.known[truth]);
        unknown.extend((0..case.suspects.len()).filter(is_unknown).map(|s| nearest[s].0));
    }
    let may = alpha * unknown.len() as f64 + 1e-9;
    let answered = |tau: f64| unknown.iter().filter(|&&d| d < tau).count() as f64;
    let mut thresholds: Vec<f64> = unknown.iter().copied().chain([INF]).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.into_iter().rfind(|&tau| answered(tau) <= may).unwrap()
}

/// Correct, wrong, abstained, unknown answered, closed-set accuracy, AUROC of one draw, by their definitions.
fn literal(case: &IdentificationCase<'_>, draw: &IdentificationDraw, tau: f64) -> Option<[f64; 6]> {
    let nearest = nearest(case, draw);
    let is_known = |s: usize| case.truth[s].is_some_and(|truth| draw.known[truth]);
    let (known, unknown): (Vec<usize>, Vec<usize>) =
        (0..case.suspects.len()).partition(|&s| is_known(s));
    if known.is_empty() {
        return None;
    }
    let answered = |tau: f64| unknown.iter().filter(|&&s| nearest[s].0 < tau).count();
    let share = |keep: &dyn Fn(usize) -> bool| {
        known.iter().filter(|&&s| keep(s)).count() as f64 / known.len() as f64
    };
    let right = |s: usize| nearest[s].1 == case.truth[s] && nearest[s].0 < INF;
    let mut won = 0.0;
    for &a in &known {
        for &b in &unknown {
            let (a, b) = (nearest[a].0, nearest[b].0);
            won += if a < b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
        }
    }
    Some([
        share(&|s| nearest[s].0 < tau && right(s)),
        share(&|s| nearest[s].0 < tau && !right(s)),
        share(&|s| nearest[s].0 >= tau),
        answered(tau) as f64 / unknown.len() as f64,
        share(&right),
        won / (known.len() * unknown.len()) as f64,
    ])
}

fn found(rates: &IdentificationRates) -> [f64; 6] {
    [
        rates.correct.mean,
        rates.wrong.mean,
        rates.abstained.mean,
        rates.unknown_answered.unwrap().mean,
        rates.closed_set_accuracy.mean,
        rates.auroc.unwrap().mean,
    ]
}

/// Two hypotheses, the second one unknown; suspects 0 to 2 known, 3 to 6 unknown.
fn small(distances: &[f64; 7]) -> Random {
    let suspects = [0, 0, 0, 1, 1, 1, 1].map(|family| suspect(family, "prune", None));
    Random {
        truth: suspects.iter().map(|s| Some(s.family)).collect(),
        suspects: suspects.into(),
        hypotheses: 2,
        candidates: None,
        draws: vec![IdentificationDraw {
            known: vec![true, false],
            distances: [distances.as_slice(), &[0.0; 7]].concat(),
            queries: 20,
        }],
    }
}

#[test]
fn the_threshold_is_the_first_unknown_suspect_that_may_not_be_answered() {
    // k = floor(0.25 * 4) = 1: tau = 0.4.
    let case = small(&[0.1, 0.4, 0.5, 0.3, 0.4, 0.8, INF]);
    let rates = identify(&case.case(), &settings(0.25)).unwrap().rates;
    assert_eq!(rates.threshold.mean, Some(0.4));
    assert_eq!(rates.unknown_answered.unwrap().mean, 0.25);
    assert_eq!((rates.correct.mean, rates.wrong.mean), (1.0 / 3.0, 0.0));
    assert_eq!((rates.known, rates.unknown, rates.queries), (3.0, 4.0, 20.0));
    // Won: 4, 2.5 (beats .8 and inf, ties .4), 2 of 4 each.
    assert!((rates.auroc.unwrap().mean - 8.5 / 12.0).abs() < 1e-12);
    assert_eq!(rates.closed_set_accuracy.mean, 1.0);
    assert_eq!(rates.correct_without_vanillas.unwrap().mean, 1.0 / 3.0);
}

#[test]
fn ties_below_the_target_are_refused_together_and_warned_of() {
    let case = small(&[0.1, 0.3, 0.5, 0.3, 0.3, 0.3, 0.3]);
    let found = identify(&case.case(), &settings(0.5)).unwrap();
    assert_eq!(found.rates.unknown_answered.unwrap().mean, 0.0);
    assert_eq!(found.rates.correct.mean, 1.0 / 3.0);
    assert_eq!(
        found.warnings,
        [
            IdentificationWarning::FewUnknown { answered: 2, unknown: 4 },
            IdentificationWarning::Ties { reached: 0.0 },
        ]
    );
}

#[test]
fn without_unknown_suspects_every_finite_distance_is_answered() {
    let mut case = small(&[0.1, INF, 0.5, 0.3, 0.4, 0.8, INF]);
    case.draws[0].known = vec![true, true];
    // The second hypothesis: nearer to suspect 2, to all its own, and infinitely far from suspects 1 and 6.
    case.draws[0].distances[7..].copy_from_slice(&[0.2, INF, 0.4, 0.1, 0.1, 0.1, INF]);
    let rates = identify(&case.case(), &settings(0.05)).unwrap().rates;
    assert_eq!((rates.threshold.mean, rates.unknown_answered, rates.auroc), (None, None, None));
    let sevenths = |n: f64| (n / 7.0 * 1e12).round();
    let rounded = |rate: Rate| (rate.mean * 1e12).round();
    assert_eq!(rounded(rates.correct), sevenths(4.0));
    assert_eq!(rounded(rates.wrong), sevenths(1.0));
    assert_eq!(rounded(rates.abstained), sevenths(2.0));
    assert_eq!(rounded(rates.closed_set_accuracy), sevenths(4.0));
}

#[test]
fn the_first_of_equally_near_hypotheses_is_named() {
    let mut case = small(&[0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4]);
    case.draws[0].known = vec![true, true];
    case.draws[0].distances[7..].copy_from_slice(&[0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4]);
    let rates = identify(&case.case(), &settings(0.05)).unwrap().rates;
    assert!((rates.correct.mean - 3.0 / 7.0).abs() < 1e-12);
}

#[test]
fn only_candidates_are_named() {
    let mut case = small(&[0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4]);
    case.draws[0].known = vec![true, true];
    case.draws[0].distances[7..].fill(0.5);
    let own = (0..14).map(|cell| case.truth[cell % 7] == Some(cell / 7)).collect();
    case.candidates = Some(own);
    // What is not looked at may be NaN.
    case.draws[0].distances[7..10].fill(f64::NAN);
    let rates = identify(&case.case(), &settings(0.05)).unwrap().rates;
    assert_eq!(rates.correct.mean, 1.0);
    case.candidates = None;
    assert!(matches!(identify(&case.case(), &settings(0.05)), Err(Error::NanDistance)));
}

#[test]
fn rates_of_many_draws_are_those_of_the_definition() {
    for (index, seed) in (0..60).enumerate() {
        let levels = [3, 8, 1000][index % 3];
        let mut random = Random::new(seed, 6, 2, 4, levels);
        if seed % 2 == 0 {
            let mut stream = Stream::named(seed, ["candidates"]);
            let cells = random.hypotheses * random.suspects.len();
            random.candidates = Some((0..cells).map(|_| stream.below(3) > 0).collect());
        }
        let alpha = [0.05, 0.2, 0.5][index % 3];
        let case = random.case();
        let rates = identify(&case, &settings(alpha)).unwrap().rates;
        let tau = literal_threshold(&case, alpha);
        assert_eq!(rates.threshold.mean, Some(tau).filter(|tau| tau.is_finite()));
        let draws: Vec<[f64; 6]> =
            case.draws.iter().filter_map(|draw| literal(&case, draw, tau)).collect();
        for (position, found) in found(&rates).into_iter().enumerate() {
            let expected = draws.iter().map(|draw| draw[position]).sum::<f64>() / 4.0;
            assert!((found - expected).abs() < 1e-12, "rate {position}: {found} not {expected}");
        }
        let mean = draws.iter().map(|draw| draw[0]).sum::<f64>() / 4.0;
        let squares: f64 = draws.iter().map(|draw| (draw[0] - mean).powi(2)).sum();
        assert!((rates.correct.sd.unwrap() - (squares / 3.0).sqrt()).abs() < 1e-12);
    }
}

#[test]
fn a_family_of_weight_two_counts_as_if_it_were_there_twice() {
    for seed in 0..20 {
        let random = Random::new(seed, 6, 2, 1, 9);
        let tables = Tables::new(&random.case()).unwrap();
        let mut stream = Stream::named(seed, ["weights"]);
        let weights: Vec<u32> = (0..7).map(|_| stream.below(3)).collect();
        let repeated = random.repeated(&weights);
        let again = Tables::new(&repeated.case()).unwrap();
        let once = vec![1; again.families];
        let (Some(tau), Some(expected)) =
            (tables.threshold(&weights, 0.2), again.threshold(&once, 0.2))
        else {
            // Without unknown suspects the weighted case has no threshold to find.
            assert!(tables.threshold(&weights, 0.2).is_none());
            continue;
        };
        if again.unknown() == 0 {
            continue;
        }
        assert_eq!(tau, expected);
        let weighted = tables.shares(&tables.draws[0], &weights, tau);
        let expected = again.shares(&again.draws[0], &once, tau);
        let (Some(weighted), Some(expected)) = (&weighted, &expected) else {
            assert_eq!(weighted.is_none(), expected.is_none());
            continue;
        };
        assert_eq!(weighted.unknown_answered, expected.unknown_answered);
        assert_eq!(weighted.auroc, expected.auroc);
        assert_eq!(weighted.rows[0], expected.rows[0]);
    }
}

#[test]
fn rows_are_kinds_then_parameters_of_known_suspects() {
    let random = Random::new(1, 8, 0, 2, 1000);
    let rates = identify(&random.case(), &settings(0.5)).unwrap().rates;
    let rows: Vec<(&str, Option<&str>, f64)> = rates
        .variations
        .iter()
        .map(|row| (row.kind.as_str(), row.parameter.as_deref(), row.known))
        .collect();
    // `half` occurs among the unknown only.
    assert_eq!(
        rows,
        [
            ("vanilla", None, 8.0),
            ("prune", None, 16.0),
            ("prune", Some("0.1"), 8.0),
            ("prune", Some("0.2"), 8.0),
        ]
    );
    let pooled = (rates.variations[0].correct.mean + 2.0 * rates.variations[1].correct.mean) / 3.0;
    assert!((pooled - rates.correct.mean).abs() < 1e-12);
    let others = rates.correct_without_vanillas.unwrap().mean;
    assert!((others - rates.variations[1].correct.mean).abs() < 1e-12);
}

#[test]
fn intervals_hold_the_rates_and_repeat() {
    let random = Random::new(3, 12, 3, 5, 1000);
    let settings = IdentificationSettings { replicates: 400, ..settings(0.2) };
    let first = identify(&random.case(), &settings).unwrap();
    for rate in [first.rates.correct, first.rates.closed_set_accuracy, first.rates.auroc.unwrap()] {
        let [low, high] = rate.ci95.unwrap();
        assert!(low <= rate.mean && rate.mean <= high && low < high, "{rate:?}");
    }
    assert_eq!(first, identify(&random.case(), &settings).unwrap());
    let few = Random::new(3, 4, 1, 5, 1000);
    assert_eq!(identify(&few.case(), &settings).unwrap().rates.correct.ci95, None);
}

#[test]
fn the_nearest_delegate_stands_for_its_hypothesis() {
    let distances = [0.3, 0.9, 0.5, 0.1, 0.7, INF];
    let found = nearest_delegates(&distances, &[1, 1, 0], 3, 2).unwrap();
    assert_eq!(found, [0.7, INF, 0.3, 0.1, INF, INF]);
    assert!(nearest_delegates(&distances, &[1, 3, 0], 3, 2).is_err());
    assert!(nearest_delegates(&distances, &[1, 0], 2, 2).is_err());
    assert!(nearest_delegates(&[f64::NAN], &[0], 1, 1).is_err());
}

#[test]
fn impossible_cases_are_refused() {
    let random = Random::new(1, 6, 2, 2, 9);
    let refused = |case: &IdentificationCase<'_>, alpha| identify(case, &settings(alpha)).is_err();
    assert!(refused(&random.case(), 0.0) && refused(&random.case(), 1.0));
    assert!(refused(&IdentificationCase { draws: &[], ..random.case() }, 0.1));
    assert!(refused(&IdentificationCase { truth: &[], ..random.case() }, 0.1));
    assert!(refused(&IdentificationCase { candidates: Some(&[true]), ..random.case() }, 0.1));
    let beyond = vec![Some(6); random.suspects.len()];
    assert!(refused(&IdentificationCase { truth: &beyond, ..random.case() }, 0.1));
    let none = vec![None; random.suspects.len()];
    assert!(refused(&IdentificationCase { truth: &none, ..random.case() }, 0.1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn outcomes_sum_to_one_and_the_target_is_kept(
        seed in 0_u64..1000,
        families in 3_usize..9,
        dropped in 0_usize..3,
        levels in 2_u32..40,
        alpha in 0.01_f64..0.9,
    ) {
        let random = Random::new(seed, families, dropped, 3, levels);
        let rates = identify(&random.case(), &settings(alpha)).unwrap().rates;
        let sum = |correct: Rate, wrong: Rate, abstained: Rate| {
            correct.mean + wrong.mean + abstained.mean
        };
        prop_assert!((sum(rates.correct, rates.wrong, rates.abstained) - 1.0).abs() < 1e-12);
        for row in &rates.variations {
            prop_assert!((sum(row.correct, row.wrong, row.abstained) - 1.0).abs() < 1e-12);
        }
        prop_assert!(rates.unknown_answered.unwrap().mean <= alpha + 1e-9);
        prop_assert!(rates.correct.mean <= rates.closed_set_accuracy.mean + 1e-12);
    }
}

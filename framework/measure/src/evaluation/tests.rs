mod hits;
mod literal;
mod paired;
mod protocols;

use proptest::prelude::*;

use super::{
    Warning,
    bootstrap::{interval, quantile, tail},
    threshold::Negatives,
    *,
};
use crate::{Error, Stream, suite::Protocol};

const INF: f64 = f64::INFINITY;

pub(super) fn suspect(family: usize, kind: &str, parameter: Option<&str>) -> Suspect {
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

fn settings(false_positive_rate: f64) -> Settings {
    Settings {
        false_positive_rate,
        protocol: Protocol::Pooled,
        replicates: 0,
        seed: 1,
        counts_hits: true,
    }
}

/// One owner of family 0 with one variant; `negatives` are suspects of family 1.
fn one_owner(positives: &[f64], negatives: &[f64]) -> (Vec<Suspect>, Vec<bool>, Vec<f64>) {
    let mut suspects = vec![suspect(0, "vanilla", None)];
    suspects.extend(positives[1..].iter().map(|_| suspect(0, "prune", None)));
    suspects.extend(negatives.iter().map(|_| suspect(1, "half", None)));
    let distances: Vec<f64> = positives.iter().chain(negatives).copied().collect();
    let owner_one = vec![0.0; distances.len()];
    let judged = [vec![true; distances.len()], vec![false; distances.len()]].concat();
    (suspects, judged, [distances, owner_one].concat())
}

fn evaluate_one(positives: &[f64], negatives: &[f64], alpha: f64) -> Evaluated {
    let (suspects, judged, distances) = one_owner(positives, negatives);
    let case =
        Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws: &[distances] };
    evaluate(&case, &settings(alpha)).unwrap()
}

#[test]
fn the_threshold_is_the_first_false_distance_that_may_not_be_accepted() {
    // k = floor(0.25 * 8) = 2: tau = 0.3, two of eight below it.
    let found =
        evaluate_one(&[0.0, 0.29, 0.3, 0.31], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 0.25);
    assert_eq!(found.threshold.mean, Some(0.3));
    assert_eq!((found.tpr.mean, found.fpr.mean), (0.5, 0.25));
    // Nothing is left to randomise: alpha is reached exactly.
    assert_eq!(found.tpr_randomised.mean, 0.5);
    assert_eq!(found.tpr_without_vanillas.unwrap().mean, 1.0 / 3.0);
    assert_eq!((found.positives, found.negatives), (4, 8));
    assert_eq!((found.tpr.sd, found.tpr.ci95), (None, None));
}

#[test]
fn ties_are_accepted_as_a_whole_or_by_the_randomised_share() {
    // k = 2, the block 0.2 has three: strict accepts one, lambda = (2.5 - 1) / 3 = 0.5.
    let negatives = [0.1, 0.2, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9];
    let found = evaluate_one(&[0.0, 0.2, 0.2, 0.5], &negatives, 0.25);
    assert_eq!((found.tpr.mean, found.fpr.mean), (0.25, 0.1));
    assert!((found.tpr_randomised.mean - (0.25 + 0.5 * 0.5)).abs() < 1e-12);
    assert!(
        found.warnings.iter().any(|warning| matches!(warning, Warning::Ties { .. })),
        "{found:?}"
    );
}

#[test]
fn an_infinite_threshold_accepts_all_that_is_finite() {
    // k = 1, and of four false pairs one is finite: lambda = (1.2 - 1) / 3.
    let found = evaluate_one(&[0.0, 7.0, INF], &[0.1, INF, INF, INF], 0.3);
    assert_eq!(found.threshold.mean, None);
    assert!((found.tpr.mean - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(found.fpr.mean, 0.25);
    let lambda = (0.3 * 4.0 - 1.0) / 3.0;
    assert!((found.tpr_randomised.mean - (2.0 + lambda) / 3.0).abs() < 1e-12);
}

#[test]
fn a_share_that_binary_cannot_hold_loses_no_false_pair() {
    // 0.07 * 100 is 7.000000000000001 and 0.29 * 100 is 28.999999999999996 in binary.
    let negatives: Vec<f64> = (0..100).map(f64::from).collect();
    assert_eq!(evaluate_one(&[0.0], &negatives, 0.29).threshold.mean, Some(29.0));
    assert_eq!(evaluate_one(&[0.0], &negatives, 0.07).threshold.mean, Some(7.0));
}

#[test]
fn the_area_counts_ties_half() {
    // Pairs won: 0.1 beats all 3; 0.3 beats one, ties one: 1.5; inf ties one: 0.5.
    let found = evaluate_one(&[0.1, 0.3, INF], &[0.2, 0.3, INF], 0.5);
    assert!((found.auc.unwrap() - 5.0 / 9.0).abs() < 1e-12);
    assert_eq!(found.roc[0], [0.0, 1.0 / 3.0]);
    assert_eq!(found.roc.last(), Some(&[1.0, 1.0]));
}

#[test]
fn spread_over_draws_divides_by_one_less_than_their_number() {
    let (suspects, judged, first) = one_owner(&[0.0, 0.9], &[0.5, 0.6, 0.7, 0.8]);
    let (_, _, second) = one_owner(&[0.0, 0.1], &[0.5, 0.6, 0.7, 0.8]);
    let case =
        Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws: &[first, second] };
    let found = evaluate(&case, &settings(0.25)).unwrap();
    assert_eq!(found.draws, [(0.5, 0.5), (1.0, 1.0)]);
    assert_eq!(found.tpr.mean, 0.75);
    assert!((found.tpr.sd.unwrap() - 0.125_f64.sqrt()).abs() < 1e-12);
}

#[test]
fn rows_follow_the_suspects_kinds_before_parameters() {
    let mut suspects = Vec::new();
    for family in 0..2 {
        suspects.push(suspect(family, "vanilla", None));
        suspects.push(suspect(family, "prune", Some("0.2")));
        suspects.push(suspect(family, "half", None));
        suspects.push(suspect(family, "prune", Some("0.1")));
    }
    suspects[5].rehearsed = true;
    let far = |owner: usize, s: usize| if suspects[s].family == owner { 0.0 } else { 1.0 };
    let mut distances: Vec<f64> = (0..16).map(|cell| far(cell / 8, cell % 8)).collect();
    distances[3] = 2.0;
    let mut judged = vec![true; 16];
    // The owner of family 1 never had her `half` judged.
    judged[8 + 6] = false;
    let case =
        Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws: &[distances] };
    let found = evaluate(&case, &settings(0.05)).unwrap();
    let rows: Vec<(&str, Option<&str>, usize, f64, bool)> = found
        .variations
        .iter()
        .map(|r| (r.kind.as_str(), r.parameter.as_deref(), r.positives, r.tpr.mean, r.rehearsed))
        .collect();
    let expected = [
        ("vanilla", None, 2, 1.0, false),
        ("prune", None, 4, 0.75, true),
        ("half", None, 1, 1.0, false),
        ("prune", Some("0.2"), 2, 1.0, true),
        ("prune", Some("0.1"), 2, 0.5, false),
    ];
    assert_eq!(rows, expected);
    assert_eq!((found.positives, found.negatives), (7, 8));
}

#[test]
fn groups_leave_vanillas_and_copies_out_and_tell_what_is_unseen() {
    let of = |family, kind: &str, group: &str| Suspect {
        group: group.into(),
        copy: kind == "half",
        rehearsed: kind == "jpeg",
        ..suspect(family, kind, None)
    };
    let of_family = |family| {
        [
            of(family, "vanilla", "vanilla"),
            of(family, "half", "weights"),
            of(family, "jpeg", "input"),
            of(family, "prune", "weights"),
        ]
    };
    let suspects: Vec<Suspect> = (0..2).flat_map(of_family).collect();
    let far = |owner: usize, s: usize| if suspects[s].family == owner { 0.0 } else { 1.0 };
    let mut distances: Vec<f64> = (0..16).map(|cell| far(cell / 8, cell % 8)).collect();
    // The second owner misses her pruned variant.
    distances[8 + 7] = 2.0;
    let judged = vec![true; 16];
    let draws = [distances];
    let case = Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws: &draws };
    let found = evaluate(&case, &settings(0.05)).unwrap();
    let groups: Vec<(&str, bool, usize, f64)> = found
        .groups
        .iter()
        .map(|row| (row.group.as_str(), row.rehearsed, row.positives, row.tpr.mean))
        .collect();
    let expected = [("unseen", false, 2, 0.5), ("input", true, 2, 1.0), ("weights", false, 2, 0.5)];
    assert_eq!(groups, expected);
}

#[test]
fn leave_one_family_out_takes_thresholds_from_strangers_to_the_owners_ancestry() {
    // Families 0 and 1 are siblings and close to each other; 2 and 3 are apart.
    let suspects: Vec<Suspect> = (0..4).map(|family| suspect(family, "vanilla", None)).collect();
    #[rustfmt::skip]
    let distances = vec![
        0.0, 0.1, 0.5, 0.6,
        0.2, 0.0, 0.7, 0.8,
        0.55, 0.65, 0.58, 0.4,
        0.75, 0.85, 0.3, 0.45,
    ];
    let draws = [distances];
    let case =
        Case { suspects: &suspects, ancestry: &[7, 7, 3, 4], judged: &[true; 16], draws: &draws };
    let mut settings = settings(0.05);
    settings.protocol = Protocol::LeaveOneFamilyOut;
    let found = evaluate(&case, &settings).unwrap();
    // Owners 0 and 1: pairs among {2, 3}: tau = 0.3. Owner 2: among {0, 1, 3}: 0.1. Owner 3: {0, 1, 2}: 0.1.
    assert_eq!(found.tpr.mean, 0.5);
    assert!((found.threshold.mean.unwrap() - 0.2).abs() < 1e-12);
    // Of twelve false pairs (0, 1) and (1, 0) lie below their owner's threshold.
    assert!((found.fpr.mean - 2.0 / 12.0).abs() < 1e-12);
    let siblings = Case { ancestry: &[7, 7, 7, 4], ..case };
    assert!(matches!(evaluate(&siblings, &settings), Err(Error::Empty(_))));
}

#[test]
fn cases_that_cannot_be_judged_are_refused() {
    let suspects = [suspect(0, "vanilla", None), suspect(1, "vanilla", None)];
    let case = |judged: &'static [bool], distances: Vec<f64>| {
        let draws = [distances];
        let case = Case { suspects: &suspects, ancestry: &[0, 1], judged, draws: &draws };
        evaluate(&case, &settings(0.05))
    };
    let near = || vec![0.0, 1.0, 1.0, 0.0];
    assert!(case(&[true; 4], near()).is_ok());
    assert!(matches!(case(&[true, false, false, true], near()), Err(Error::Empty(_))));
    assert!(matches!(case(&[false, true, true, false], near()), Err(Error::Empty(_))));
    assert!(matches!(case(&[true; 3], near()), Err(Error::Length { .. })));
    assert!(matches!(case(&[true; 4], vec![0.0; 3]), Err(Error::Length { .. })));
    let broken = vec![0.0, f64::NAN, 1.0, 0.0];
    assert!(matches!(case(&[true; 4], broken.clone()), Err(Error::NanDistance)));
    assert!(case(&[true, false, true, true], broken).is_ok());
}

#[test]
fn false_pairs_are_sorted_as_by_comparison() {
    let mut stream = Stream::named(1, ["sorted"]);
    // Many that differ in their last bits only, some negative, some infinite, some equal.
    let distances: Vec<f64> = (0..3000)
        .map(|_| match stream.below(4) {
            0 => f64::from_bits(0.5_f64.to_bits() + u64::from(stream.below(100))),
            1 => f64::from(stream.below(5)) - 2.5,
            2 => [INF, -INF, 0.0, -1e-310][stream.below(4) as usize],
            _ => stream.uniform(),
        })
        .collect();
    for count in [0, 1, 2, 1024, 3000] {
        let pairs = distances[..count].iter().copied().zip(0..).collect();
        let negatives = Negatives::new(pairs);
        let mut expected = distances[..count].to_vec();
        expected.sort_by(f64::total_cmp);
        assert_eq!(negatives.distances(), expected);
        let back: Vec<f64> = negatives.pairs().iter().map(|&p| distances[p as usize]).collect();
        assert_eq!(back, expected);
    }
}

#[test]
fn tails_are_expanded_for_few_families() {
    // t_{11, 0.975} = 2.200985, sqrt(12 / 11) = 1.044466: Phi(-2.298854) = 0.010757.
    assert!((tail(12) - 0.010_757).abs() < 2e-6, "{}", tail(12));
    assert!((tail(1_000_000) - 0.025).abs() < 1e-5);
    assert_eq!(interval(&[0.0, 1.0], 5), None);
    assert_eq!(quantile(&mut [4.0, 1.0, 0.0, 2.0], 0.75), 2.5);
    assert_eq!(quantile(&mut [3.0], 0.3), 3.0);
}

/// A case of random distances on a coarse grid, so that ties abound.
#[derive(Debug, Clone)]
struct Random {
    suspects: Vec<Suspect>,
    ancestry: Vec<usize>,
    judged: Vec<bool>,
    draws: Vec<Vec<f64>>,
}

impl Random {
    fn case(&self) -> Case<'_> {
        Case {
            suspects: &self.suspects,
            ancestry: &self.ancestry,
            judged: &self.judged,
            draws: &self.draws,
        }
    }

    fn new(seed: u64, families: usize, each: usize, draws: usize, levels: u32) -> Self {
        let mut stream = Stream::named(seed, ["random case"]);
        let kinds = ["vanilla", "prune", "jpeg", "half"];
        let suspects: Vec<Suspect> = (0..families * each)
            .map(|index| {
                let parameter = (index % each / kinds.len()).to_string();
                suspect(index / each, kinds[index % each % kinds.len()], Some(&parameter))
            })
            .collect();
        let cells = families * suspects.len();
        let mut distance = |cell: usize| {
            let mine = suspects[cell % suspects.len()].family == cell / suspects.len();
            let level = stream.below(levels);
            match stream.below(12) {
                0 => INF,
                1..6 if mine => f64::from(level) / f64::from(levels) * 0.4,
                _ => f64::from(level) / f64::from(levels),
            }
        };
        let draws = (0..draws).map(|_| (0..cells).map(&mut distance).collect()).collect();
        let judged = (0..cells).map(|_| stream.below(10) > 0).collect();
        let ancestry = (0..families).map(|family| family / 2).collect();
        Self { suspects, ancestry, judged, draws }
    }

    /// Strict and randomised rates of one draw by writing every pair down as often as it weighs; none where an owner
    /// has no false pair.
    #[expect(clippy::cast_possible_truncation, reason = "a position in a short list")]
    fn naive(
        &self,
        draw: usize,
        weights: &[u32],
        alpha: f64,
        protocol: Protocol,
    ) -> Option<(f64, f64)> {
        let suspects = self.suspects.len();
        let pairs = |owner: usize| (0..suspects).map(move |s| (owner, s));
        let judged = |&(owner, s): &(usize, usize)| self.judged[owner * suspects + s];
        let distance = |owner: usize, s: usize| self.draws[draw][owner * suspects + s];
        let (mut strict, mut randomised, mut total) = (0.0, 0.0, 0.0);
        for owner in 0..weights.len() {
            let outside = |family: usize| {
                protocol == Protocol::Pooled || self.ancestry[family] != self.ancestry[owner]
            };
            let mut negatives = Vec::new();
            for (a, s) in (0..weights.len()).flat_map(pairs).filter(judged) {
                let c = self.suspects[s].family;
                if a != c && outside(a) && outside(c) {
                    let copies = weights[a] * weights[c];
                    negatives.extend((0..copies).map(|_| distance(a, s)));
                }
            }
            negatives.sort_by(f64::total_cmp);
            let positives: Vec<f64> = pairs(owner)
                .filter(judged)
                .filter(|&(_, s)| self.suspects[s].family == owner)
                .flat_map(|(_, s)| (0..weights[owner]).map(move |_| distance(owner, s)))
                .collect();
            if positives.is_empty() {
                continue;
            }
            if negatives.is_empty() {
                return None;
            }
            let target = alpha * negatives.len() as f64;
            let threshold = negatives[(target + 1e-9) as usize];
            let count = |list: &[f64], holds: &dyn Fn(f64) -> bool| {
                list.iter().filter(|&&d| holds(d)).count() as f64
            };
            let below = count(&negatives, &|d| d < threshold);
            let lambda = (target - below) / count(&negatives, &|d| d == threshold);
            let hits = count(&positives, &|d| d < threshold);
            strict += hits;
            randomised += hits + lambda * count(&positives, &|d| d == threshold);
            total += positives.len() as f64;
        }
        (total > 0.0).then(|| (strict / total, randomised / total))
    }
}

#[test]
fn intervals_hold_the_mean_repeat_and_need_six_families() {
    let random = Random::new(5, 8, 8, 3, 1000);
    let mut settings = Settings { replicates: 500, ..settings(0.05) };
    let found = evaluate(&random.case(), &settings).unwrap();
    let rows = found.variations.iter().map(|row| row.tpr);
    let overall = [found.tpr, found.tpr_randomised];
    for rate in rows.chain(overall).chain(found.tpr_without_vanillas) {
        let [low, high] = rate.ci95.unwrap();
        assert!(low <= rate.mean && rate.mean <= high && low < high, "{rate:?}");
    }
    assert_eq!(evaluate(&random.case(), &settings).unwrap(), found);
    settings.seed = 2;
    assert_ne!(evaluate(&random.case(), &settings).unwrap().tpr.ci95, found.tpr.ci95);
    let few = Random::new(5, 5, 8, 3, 1000);
    assert_eq!(evaluate(&few.case(), &settings).unwrap().tpr.ci95, None);
}

#[test]
fn the_bootstrap_equals_one_that_writes_pairs_out() {
    let random = Random::new(11, 6, 5, 2, 20);
    for protocol in [Protocol::Pooled, Protocol::LeaveOneFamilyOut] {
        let settings = Settings { replicates: 60, protocol, ..settings(0.1) };
        let found = evaluate(&random.case(), &settings).unwrap();
        let mut stream = Stream::named(settings.seed, ["bootstrap"]);
        let mut rates = [Vec::new(), Vec::new()];
        while rates[0].len() < 60 {
            let mut weights = [0; 6];
            (0..6).for_each(|_| weights[stream.below(6) as usize] += 1);
            let of_draw = |draw| random.naive(draw, &weights, 0.1, protocol);
            if let (Some(first), Some(second)) = (of_draw(0), of_draw(1)) {
                rates[0].push((first.0 + second.0) / 2.0);
                rates[1].push((first.1 + second.1) / 2.0);
            }
        }
        for (rate, naive) in [found.tpr, found.tpr_randomised].into_iter().zip(&rates) {
            let ([low, high], naive) = (rate.ci95.unwrap(), interval(naive, 6).unwrap());
            assert!((low - naive[0]).abs() < 1e-9 && (high - naive[1]).abs() < 1e-9, "{naive:?}");
        }
    }
}

#[test]
fn few_false_pairs_are_warned_of() {
    let negatives: Vec<f64> = (0..100).map(f64::from).collect();
    let found = evaluate_one(&[0.0], &negatives, 0.05);
    assert_eq!(
        found.warnings,
        [
            Warning::FewNegatives { accepted: 5, negatives: 100 },
            Warning::FewFamilyPairs(1.0),
            Warning::VanillasOnly,
        ]
    );
    assert_eq!(found.tpr_without_vanillas, None);
    let random = Random::new(5, 12, 10, 1, 1000);
    assert_eq!(evaluate(&random.case(), &settings(0.05)).unwrap().warnings, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_target_is_never_exceeded_and_the_randomised_rate_lies_between_blocks(
        seed in 0_u64..1000,
        families in 2_usize..6,
        levels in 2_u32..40,
        alpha in 0.01_f64..0.6,
    ) {
        let random = Random::new(seed, families, 6, 2, levels);
        let found = evaluate(&random.case(), &settings(alpha)).unwrap();
        prop_assert!(found.fpr.mean <= alpha + 1e-9);
        for &(strict, randomised) in &found.draws {
            prop_assert!(strict <= randomised && randomised <= 1.0 + 1e-12);
        }
        prop_assert!(found.roc.windows(2).all(|w| w[0][1] <= w[1][1]));
        let area = found.auc.unwrap();
        prop_assert!((0.0..=1.0).contains(&area));
    }

    #[test]
    fn the_order_of_suspects_changes_nothing_but_the_order_of_rows(
        seed in 0_u64..1000,
        alpha in 0.01_f64..0.3,
    ) {
        let random = Random::new(seed, 6, 5, 2, 9);
        let mut order: Vec<usize> = (0..random.suspects.len()).collect();
        Stream::named(seed, ["order"]).shuffle(&mut order);
        fn permute<T: Clone>(rows: &[T], order: &[usize]) -> Vec<T> {
            rows.chunks(order.len()).flat_map(|r| order.iter().map(|&s| r[s].clone())).collect()
        }
        let permuted = Random {
            suspects: permute(&random.suspects, &order),
            ancestry: random.ancestry.clone(),
            judged: permute(&random.judged, &order),
            draws: random.draws.iter().map(|draw| permute(draw, &order)).collect(),
        };
        let settings = Settings { replicates: 50, ..settings(alpha) };
        let first = evaluate(&random.case(), &settings).unwrap();
        let second = evaluate(&permuted.case(), &settings).unwrap();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        prop_assert!(close(first.tpr.mean, second.tpr.mean));
        prop_assert!(close(first.tpr_randomised.mean, second.tpr_randomised.mean));
        let (a, b) = (first.tpr_randomised.ci95.unwrap(), second.tpr_randomised.ci95.unwrap());
        prop_assert!(close(a[0], b[0]) && close(a[1], b[1]));
        for row in &first.variations {
            let same = second.variations.iter().find(|other| {
                (&other.kind, &other.parameter) == (&row.kind, &row.parameter)
            });
            prop_assert!(close(same.unwrap().tpr.mean, row.tpr.mean));
        }
    }
}

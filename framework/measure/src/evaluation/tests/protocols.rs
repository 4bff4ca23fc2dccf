//! Protocols beside each other, and the fast evaluation against the literal one.

use proptest::prelude::*;

use super::{INF, Random, literal, one_owner, settings, suspect};
use crate::{
    Error,
    evaluation::{
        Case, Evaluated, Settings, Suspect, Warning, evaluate,
        rows::{UNSEEN, VARIATIONS},
    },
    results::Companion,
    suite::Protocol,
};

fn by(protocol: Protocol, alpha: f64, replicates: usize) -> Settings {
    Settings { protocol, replicates, ..settings(alpha) }
}

/// Compares to the bit.
fn assert_literal(found: &Evaluated, literal: &literal::Literal, alpha: f64) {
    let rate = |rate: crate::results::Rate| (rate.mean, rate.ci95);
    assert_eq!([rate(found.tpr), rate(found.tpr_randomised)], literal.rates[0]);
    assert_eq!(found.tpr_without_vanillas.map(rate), Some(literal.rates[1][0]));
    let rows = found.variations.iter().map(|row| [rate(row.tpr), rate(row.tpr_randomised)]);
    let (variations, groups) = literal.rates[VARIATIONS..].split_at(found.variations.len());
    assert_eq!(rows.collect::<Vec<_>>(), variations);
    // Nothing is rehearsed in these cases: what is unseen comes first, then each group.
    let rows = found.groups.iter().map(|row| [rate(row.tpr), rate(row.tpr_randomised)]);
    assert_eq!(rows.collect::<Vec<_>>(), [&[literal.rates[UNSEEN]], groups].concat());
    assert_eq!(found.draws, literal.draws);
    assert_eq!(found.threshold.mean, Some(literal.threshold).filter(|tau| tau.is_finite()));
    assert_eq!((found.fpr.target, found.fpr.mean), (alpha, literal.fpr.0));
    assert_eq!(found.fpr.ci95, literal.fpr.1);
    let redrawn = found.warnings.iter().find_map(|warning| match warning {
        Warning::Redrawn(count) => Some(*count),
        _ => None,
    });
    assert_eq!(redrawn.unwrap_or(0), literal.redrawn as u64);
}

fn assert_beside(companion: Option<&Companion>, main: &Evaluated, protocol: Protocol) {
    let beside = companion.unwrap();
    assert_eq!(beside.protocol, protocol.word());
    assert_eq!((beside.tpr, beside.tpr_randomised), (main.tpr, main.tpr_randomised));
    assert_eq!(beside.fpr, main.fpr);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_fast_evaluation_equals_the_literal_one_to_the_bit(
        seed in 0_u64..100_000,
        families in 3_usize..10,
        each in 2_usize..9,
        draws in 1_usize..4,
        levels in prop_oneof![2_u32..40, 100_u32..100_000],
        siblings in 1_usize..4,
        alpha in 0.01_f64..0.6,
        replicates in 2_usize..40,
    ) {
        let mut random = Random::new(seed, families, each, draws, levels);
        random.ancestry = (0..families).map(|family| 5 * (family / siblings)).collect();
        for protocol in Protocol::ALL {
            let found = evaluate(&random.case(), &by(protocol, alpha, replicates));
            let literal = literal::evaluate(&random.case(), protocol, alpha, replicates, 1);
            prop_assert_eq!(found.is_ok(), literal.is_some());
            if let (Ok(found), Some(literal)) = (found, literal) {
                assert_literal(&found, &literal, alpha);
            }
        }
    }

    #[test]
    fn each_protocol_as_companion_equals_itself_as_the_main_one(
        seed in 0_u64..100_000,
        families in 4_usize..10,
        levels in 2_u32..60,
        alpha in 0.01_f64..0.4,
    ) {
        // Siblings in pairs: four families have two groups, which is too few to leave one out.
        let random = Random::new(seed, families, 6, 2, levels);
        let of = |protocol| evaluate(&random.case(), &by(protocol, alpha, 30));
        let pooled = of(Protocol::Pooled).unwrap();
        match of(Protocol::LeaveOneFamilyOut) {
            Ok(apart) => {
                assert_beside(apart.companion.as_ref(), &pooled, Protocol::Pooled);
                match families {
                    4 => prop_assert_eq!(&pooled.companion, &None),
                    _ => assert_beside(
                        pooled.companion.as_ref(), &apart, Protocol::LeaveOneFamilyOut,
                    ),
                }
            }
            Err(_) => prop_assert_eq!(&pooled.companion, &None),
        }
        let nominal = of(Protocol::Nominal).unwrap();
        assert_beside(nominal.companion.as_ref(), &pooled, Protocol::Pooled);
    }
}

#[test]
fn long_runs_and_many_pairs_equal_the_literal_evaluation() {
    // Ten levels make runs of hundreds of pairs, a million hardly any.
    for (seed, levels) in [(1, 10), (2, 60), (3, 1_000_000)] {
        let random = Random::new(seed, 14, 20, 2, levels);
        for protocol in Protocol::ALL {
            let found = evaluate(&random.case(), &by(protocol, 0.05, 20)).unwrap();
            let literal = literal::evaluate(&random.case(), protocol, 0.05, 20, 1).unwrap();
            assert_literal(&found, &literal, 0.05);
        }
    }
}

/// Three families of their own ancestry, each a vanilla and a variant.
fn three_families() -> Vec<Suspect> {
    (0..6).map(|s| suspect(s / 2, if s % 2 == 0 { "vanilla" } else { "half" }, None)).collect()
}

#[test]
fn the_companion_leaves_families_out_and_says_what_it_lets_pass() {
    #[rustfmt::skip]
    let draws = [vec![
        0.0, 0.4,   0.1, 0.2,   0.7, 0.8,
        0.3, 0.35,  0.0, 0.6,   0.5, 0.9,
        0.75, 0.85, 0.55, 0.65, 0.0, 0.58,
    ]];
    let suspects = three_families();
    let case =
        Case { suspects: &suspects, ancestry: &[4, 2, 9], judged: &[true; 18], draws: &draws };
    let found = evaluate(&case, &settings(0.2)).unwrap();
    // Pooled: k = floor(0.2 * 12) = 2: tau = 0.3, and 0.4, 0.58, 0.6 are missed.
    assert_eq!((found.threshold.mean, found.tpr.mean), (Some(0.3), 0.5));
    let beside = found.companion.unwrap();
    assert_eq!(beside.protocol, "leave-one-family-out");
    // Thresholds are the smallest distances between the other two families, for floor(0.2 * 4) = 0:
    // 0.5 for owner 0, 0.7 for owner 1, 0.1 for owner 2.
    // Owner 0: 0 and 0.4 below 0.5. Owner 1: 0 and 0.6 below 0.7. Owner 2: 0 below 0.1.
    assert!((beside.tpr.mean - 5.0 / 6.0).abs() < 1e-12, "{beside:?}");
    // Falsely accepted: 0.1, 0.2 of owner 0; 0.3, 0.35, 0.5 of owner 1.
    assert!((beside.fpr.mean - 5.0 / 12.0).abs() < 1e-12, "{beside:?}");
    assert_eq!((beside.fpr.target, beside.fpr.ci95), (0.2, None));
}

#[test]
fn no_companion_stands_where_no_family_can_be_left_out() {
    let suspects = three_families();
    let draws = [(0..18).map(|cell| f64::from(cell) / 20.0).collect::<Vec<f64>>()];
    let judged = [true; 18];
    let case = Case { suspects: &suspects, ancestry: &[0, 1, 2], judged: &judged, draws: &draws };
    assert!(evaluate(&case, &settings(0.2)).unwrap().companion.is_some());
    let siblings = Case { ancestry: &[0, 0, 1], ..case };
    assert_eq!(evaluate(&siblings, &settings(0.2)).unwrap().companion, None);
    // Without pairs between families 0 and 1 the owner of family 2 has none for her threshold.
    let mut fewer = judged;
    [2, 3, 6, 7].iter().for_each(|&cell| fewer[cell] = false);
    let apart = Case { judged: &fewer, ..case };
    assert_eq!(evaluate(&apart, &settings(0.2)).unwrap().companion, None);
}

#[test]
fn a_nominal_threshold_accepts_p_values_up_to_the_rate_and_finds_what_it_lets_pass() {
    let alpha: f64 = 0.05;
    let negatives = [0.01, 0.04, alpha, alpha.next_up(), 0.2, 0.5, 0.9, 1.0];
    let positives = [0.0, alpha, 0.06, INF];
    let (suspects, judged, draw) = one_owner(&positives, &negatives);
    let draws = [draw];
    let case = Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws: &draws };
    let found = evaluate(&case, &by(Protocol::Nominal, alpha, 0)).unwrap();
    assert_eq!(found.threshold.mean, Some(alpha.next_up()));
    assert_eq!((found.tpr.mean, found.tpr_randomised.mean), (0.5, 0.5));
    assert_eq!(found.fpr.mean, 3.0 / 8.0);
    let beside = found.companion.unwrap();
    // Pooled, k = floor(0.05 * 8) = 0: tau = 0.01.
    assert_eq!((beside.protocol.as_str(), beside.tpr.mean), ("pooled", 0.25));
    assert_eq!(beside.fpr.mean, 0.0);
}

#[test]
fn a_nominal_threshold_is_refused_for_what_is_no_p_value() {
    let refused = |positives: &[f64], negatives: &[f64]| {
        let (suspects, judged, draw) = one_owner(positives, negatives);
        let draws = [draw];
        let case = Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws: &draws };
        match evaluate(&case, &by(Protocol::Nominal, 0.05, 0)) {
            Err(Error::NotPValue(distance)) => Some(distance),
            Ok(_) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&[0.0, INF], &[0.3, 1.0, INF]), None);
    assert_eq!(refused(&[0.0, 1.5], &[0.3]), Some(1.5));
    assert_eq!(refused(&[0.0], &[0.3, -0.1]), Some(-0.1));
}

#[test]
fn the_rate_realised_has_an_interval_where_the_threshold_is_not_made_of_it() {
    let random = Random::new(5, 12, 10, 2, 1000);
    for protocol in Protocol::ALL {
        let found = evaluate(&random.case(), &by(protocol, 0.05, 300)).unwrap();
        match (protocol, found.fpr.ci95) {
            (Protocol::Pooled, interval) => assert_eq!(interval, None),
            (_, Some([low, high])) => {
                assert!(low < found.fpr.mean && found.fpr.mean < high, "{protocol:?} {found:?}");
            }
            (_, None) => panic!("{protocol:?} has no interval"),
        }
    }
}

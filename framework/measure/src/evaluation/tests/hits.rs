//! Accepted pairs by kind and family.

use super::*;

#[test]
fn ties_count_by_the_share_that_is_accepted() {
    // As above: strict accepts one, lambda = 0.5, so of three prunes two count half and one nothing.
    let negatives = [0.1, 0.2, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9];
    let found = evaluate_one(&[0.0, 0.2, 0.2, 0.5], &negatives, 0.25).hits.unwrap();
    let kinds: Vec<_> =
        found.kinds.iter().map(|kind| (kind.kind.as_str(), kind.positives)).collect();
    assert_eq!(kinds, [("vanilla", 1), ("prune", 3)]);
    assert_eq!(found.kinds[0].accepted, [1.0]);
    assert!((found.kinds[1].accepted[0] - 1.0).abs() < 1e-12);
    assert_eq!(found.families[0].0, [1, 3]);
    assert!((found.families[0].1[1] - 1.0).abs() < 1e-12);
    assert_eq!(found.families[1], (vec![0, 0], vec![0.0, 0.0]), "no true pair of hers was judged");
}

#[test]
fn families_have_what_is_lost_without_their_true_pairs() {
    for protocol in [Protocol::Pooled, Protocol::LeaveOneFamilyOut] {
        let random = Random::new(5, 20, 5, 3, 30);
        let settings = Settings { protocol, ..settings(0.1) };
        let found = evaluate(&random.case(), &settings).unwrap();
        let hits = found.hits.as_ref().unwrap();
        let weights = [1; 20];
        let accepted = |random: &Random| -> f64 {
            let judged = |cell: &usize| random.judged[*cell];
            let mine = |cell: &usize| {
                random.suspects[cell % random.suspects.len()].family == cell / random.suspects.len()
            };
            let positives = (0..random.judged.len()).filter(judged).filter(mine).count() as f64;
            let rate = |draw| random.naive(draw, &weights, 0.1, protocol).unwrap().1;
            (0..3).map(|draw| rate(draw) * positives).sum()
        };
        let all = accepted(&random);
        let by_kind: f64 = hits.kinds.iter().flat_map(|kind| &kind.accepted).sum();
        assert!((by_kind - all).abs() < 1e-9, "{by_kind} {all}");
        for family in [0, 7, 16, 19] {
            let mut without = random.clone();
            for cell in 0..without.judged.len() {
                let mine = without.suspects[cell % without.suspects.len()].family == family;
                without.judged[cell] &= !(mine && cell / without.suspects.len() == family);
            }
            let expected = all - accepted(&without);
            let here: f64 = hits.families[family].1.iter().sum();
            assert!((here - expected).abs() < 1e-9, "{protocol:?} {family}: {here} {expected}");
        }
        let rates = found.draws.iter().zip(0..);
        for ((_, rate), draw) in rates {
            let count: f64 = hits.kinds.iter().map(|kind| kind.accepted[draw]).sum();
            assert!((count / found.positives as f64 - rate).abs() < 1e-12);
        }
    }
}

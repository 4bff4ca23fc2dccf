use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{binary::Binary, bits::Scoring, *};
use crate::{AnswerTable, Stream, lanes::Lanes};

/// Distances of `suspects` by `statistic`, which are the same with and without bits.
fn distances(
    statistic: Statistic,
    reference: &Answers,
    truth: &[u16],
    suspects: &[Answers],
) -> Vec<f64> {
    let rows: Vec<u32> = (0..).take(truth.len()).collect();
    let by_labels = AnswerTable::from_models(suspects).unwrap();
    let by_bits = AnswerTable::with_truth(suspects, truth).unwrap();
    let [labels, bits] = [by_labels, by_bits].map(|table| {
        let mut out = vec![f64::NAN; suspects.len()];
        let suspects = Suspects::new(&table, &rows, table.ranks());
        statistic.distances(reference, Some(truth), &suspects, &mut out).unwrap();
        out
    });
    assert_eq!(labels, bits);
    labels
}

fn distance(statistic: Statistic, reference: &[u16], truth: &[u16], suspect: &[u16]) -> f64 {
    distances(statistic, &Answers::top1(reference), truth, &[Answers::top1(suspect)])[0]
}

/// Equation 8 as it is printed, on lists of symbols.
fn naive(reference: &[usize], suspect: &[usize]) -> f64 {
    fn entropy<T: Ord>(symbols: impl Iterator<Item = T>) -> f64 {
        let mut counts = BTreeMap::new();
        let mut total = 0.0;
        for symbol in symbols {
            *counts.entry(symbol).or_insert(0.0) += 1.0;
            total += 1.0;
        }
        -counts.values().map(|n| n / total * f64::log2(n / total)).sum::<f64>()
    }
    let z = entropy(reference.iter());
    let y = entropy(suspect.iter());
    let constant = |symbols: &[usize]| symbols.iter().all(|symbol| *symbol == symbols[0]);
    if constant(reference) || constant(suspect) {
        return f64::INFINITY;
    }
    let information = z + y - entropy(reference.iter().zip(suspect));
    1.0 - (information / z.min(y)).clamp(0.0, 1.0)
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() < 1e-12
}

#[test]
fn a_table_of_2_0_1_1_has_the_distance_of_equation_8() {
    // H(Z) = 1, H(Y) = h(3/4) = 0.8113, H(Z, Y) = 1.5, so D = 0.5 / 0.8113.
    assert!(close(mutual_information_distance(&[2, 0, 1, 1], 2), 0.616_311_453_403_655_6));
    // H(Z) = H(Y) = 1, H(Z, Y) = 1 + h(3/4), so D = h(3/4).
    assert!(close(mutual_information_distance(&[3, 1, 1, 3], 2), 0.811_278_124_459_132_8));
}

#[test]
fn top_2_tables_have_the_distance_of_equation_8() {
    let expected =
        1.0 - (1.5 + 1.405_639_062_229_566_5 - 2.155_639_062_229_566_5) / 1.405_639_062_229_566_5;
    assert!(close(mutual_information_distance(&[3, 1, 0, 0, 2, 0, 1, 0, 1], 3), expected));
}

#[test]
fn independent_answers_have_distance_one() {
    assert_eq!(mutual_information_distance(&[1, 1, 1, 1], 2), 1.0);
    assert!(close(mutual_information_distance(&[2, 6, 4, 12], 2), 1.0));
}

#[test]
fn identical_answers_have_distance_zero() {
    for wrong in 1..200 {
        assert_eq!(mutual_information_distance(&[200 - wrong, 0, 0, wrong], 2), 0.0);
        assert_eq!(mutual_information_distance(&[200, 0, 0, 0, wrong, 0, 0, 0, 7], 3), 0.0);
    }
}

#[test]
fn anti_correlated_answers_have_distance_zero() {
    // Mutual information is blind to sign: right where the other is wrong says as much.
    let truth = [0; 6];
    let (reference, opposite) = ([0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 0, 0]);
    assert_eq!(distance(Statistic::MutualInformation, &reference, &truth, &opposite), 0.0);
    assert_eq!(distance(Statistic::CorrectnessMatch, &reference, &truth, &opposite), 1.0);
}

#[test]
fn constant_answers_are_infinitely_far() {
    let truth = [0; 4];
    let mixed = [0, 1, 0, 1];
    for constant in [[0; 4], [1; 4]] {
        let mutual = Statistic::MutualInformation;
        assert_eq!(distance(mutual, &constant, &truth, &mixed), f64::INFINITY);
        assert_eq!(distance(mutual, &mixed, &truth, &constant), f64::INFINITY);
        assert_eq!(distance(mutual, &constant, &truth, &constant), f64::INFINITY);
    }
    assert_eq!(mutual_information_distance(&[0, 3, 0, 0, 5, 0, 0, 1, 0], 3), f64::INFINITY);
}

#[test]
fn matches_are_counted() {
    let truth = [0, 0, 0, 0, 0];
    let reference = [0, 0, 1, 1, 2];
    let suspect = [0, 1, 1, 2, 0];
    // Labels differ on queries 1, 3 and 4; right against wrong on 1 and 4.
    assert_eq!(distance(Statistic::LabelMatch, &reference, &truth, &suspect), 3.0 / 5.0);
    assert_eq!(distance(Statistic::CorrectnessMatch, &reference, &truth, &suspect), 2.0 / 5.0);
}

#[test]
fn more_queries_than_a_16_bit_counter_holds_are_counted() {
    let queries = 200_000;
    let (truth, reference) = (vec![0; queries], vec![0; queries]);
    let suspect: Vec<u16> = (0..queries).map(|i| u16::from(i < 3)).collect();
    let expected = 3.0 / queries as f64;
    assert_eq!(distance(Statistic::LabelMatch, &reference, &truth, &suspect), expected);
    assert_eq!(distance(Statistic::CorrectnessMatch, &reference, &truth, &suspect), expected);
}

#[test]
fn lengths_that_disagree_and_absent_truth_are_refused() {
    let answers = Answers::top1([0, 1]);
    let table = AnswerTable::from_models(std::slice::from_ref(&answers)).unwrap();
    let mut out = [0.0];
    let mut measure = |rows: &[u32], truth: Option<&[u16]>, statistic: Statistic| {
        statistic.distances(&answers, truth, &Suspects::new(&table, rows, 1), &mut out)
    };
    let mutual = Statistic::MutualInformation;
    assert!(matches!(measure(&[], None, mutual), Err(Error::Empty(_))));
    assert!(matches!(
        measure(&[0], None, mutual),
        Err(Error::Length { expected: 1, actual: 2, .. })
    ));
    assert!(matches!(measure(&[0, 1], None, mutual), Err(Error::NoTruth)));
    assert!(matches!(measure(&[0, 1], Some(&[0]), mutual), Err(Error::Length { .. })));
    assert!(measure(&[0, 1], None, Statistic::LabelMatch).is_ok());
}

#[test]
fn mutual_information_needs_as_many_ranks_as_the_reference_has() {
    let (all, truth) = random_answers(1, 2, 30, 3);
    let table = AnswerTable::from_models(&all[1..]).unwrap();
    let rows: Vec<u32> = (0..30).collect();
    let mut out = [f64::NAN];
    let mut measure = |reference: &Answers, ranks| {
        let suspects = Suspects::new(&table, &rows, ranks);
        Statistic::MutualInformation.distances(reference, Some(&truth), &suspects, &mut out)?;
        Ok::<f64, Error>(out[0])
    };
    let refused = measure(&all[0], 2).unwrap_err();
    assert!(matches!(refused, Error::Access { wanted: 3, available: 2 }), "{refused}");
    // More than the reference has are not looked at.
    let top1 = all[0].restricted_to(crate::Access::Top1).unwrap();
    assert_eq!(measure(&top1, 3).unwrap(), measure(&top1, 1).unwrap());
}

/// `models` lists of ranked answers to `queries` queries, and true labels, all at random.
fn random_answers(
    seed: u64,
    models: usize,
    queries: usize,
    ranks: usize,
) -> (Vec<Answers>, Vec<u16>) {
    let mut stream = Stream::named(seed, ["answers"]);
    let classes: Vec<u16> = (0..5).collect();
    let mut answers = || {
        let labels: Vec<u16> = (0..queries).flat_map(|_| stream.sample(&classes, ranks)).collect();
        Answers::new(labels, ranks).unwrap()
    };
    let all = (0..models).map(|_| answers()).collect();
    let truth = (0..queries).map(|_| u16::try_from(stream.below(5)).unwrap()).collect();
    (all, truth)
}

fn symbols(answers: &Answers, truth: &[u16]) -> Vec<usize> {
    (0..truth.len()).map(|query| symbol(answers.ranked(query), truth[query])).collect()
}

proptest! {
    #[test]
    fn distances_are_those_of_the_formula(
        seed in any::<u64>(), queries in 1_usize..60, models in 1_usize..40, ranks in 1_usize..5,
    ) {
        let (all, truth) = random_answers(seed, models + 1, queries, ranks);
        let (reference, suspects) = all.split_first().unwrap();
        let mutual = distances(Statistic::MutualInformation, reference, &truth, suspects);
        for (&actual, suspect) in mutual.iter().zip(suspects) {
            let expected = naive(&symbols(reference, &truth), &symbols(suspect, &truth));
            prop_assert!(close(actual, expected), "{actual} is not {expected}");
        }
        for statistic in [Statistic::LabelMatch, Statistic::CorrectnessMatch] {
            let actual = distances(statistic, reference, &truth, suspects);
            for (&actual, suspect) in actual.iter().zip(suspects) {
                let differs = |query: &usize| {
                    let (a, b) = (reference.label(*query), suspect.label(*query));
                    match statistic {
                        Statistic::LabelMatch => a != b,
                        _ => (a == truth[*query]) != (b == truth[*query]),
                    }
                };
                let expected = (0..queries).filter(differs).count() as f64 / queries as f64;
                prop_assert_eq!(actual, expected);
            }
        }
    }

    #[test]
    fn all_ways_from_counts_of_two_symbols_agree_to_the_bit(
        counts in prop::array::uniform4(0_u32..300), scale in 1_u32..40,
        suspects in prop::sample::select(vec![1, 100, 1_000_000]),
    ) {
        let counts = counts.map(|n| n * scale);
        prop_assume!(counts.iter().any(|&n| n > 0));
        let [both, owner, suspect, neither] = counts;
        let (right, wrong) = ((both + owner) as usize, (suspect + neither) as usize);
        let binary = Binary::new(Statistic::MutualInformation, right, wrong, suspects);
        let mut out = [f64::NAN];
        binary.distances(&[both], &mut [suspect], &mut out);
        prop_assert_eq!(out[0], mutual_information_distance(&counts, 2));
        prop_assert_eq!(out[0], mutual_information_distance(&[both, suspect, owner, neither], 2));
    }

    #[test]
    fn distances_are_symmetric_and_blind_to_the_order_of_queries(
        seed in any::<u64>(), queries in 1_usize..60, ranks in 1_usize..5,
    ) {
        let (all, truth) = random_answers(seed, 2, queries, ranks);
        let order = Stream::named(seed, ["order"]).sample_indices(queries, queries);
        let shuffled: Vec<Answers> = all.iter().map(|answers| answers.gather(&order)).collect();
        let shuffled_truth: Vec<u16> = order.iter().map(|&i| truth[i as usize]).collect();
        for statistic in
            [Statistic::MutualInformation, Statistic::LabelMatch, Statistic::CorrectnessMatch]
        {
            let there = distances(statistic, &all[0], &truth, &all[1..])[0];
            prop_assert_eq!(there, distances(statistic, &all[1], &truth, &all[..1])[0]);
            let other = distances(statistic, &shuffled[0], &shuffled_truth, &shuffled[1..])[0];
            prop_assert_eq!(there, other);
            prop_assert!((0.0..=1.0).contains(&there) || there == f64::INFINITY);
            let own = distances(statistic, &all[0], &truth, &all[..1])[0];
            prop_assert!(own == 0.0 || own == f64::INFINITY);
        }
    }
}

#[test]
fn suspects_are_scored_alike_whatever_the_block_they_fall_in() {
    // Top-200 tables have 40,401 cells, so that a block holds six suspects.
    let labels: Vec<u16> = (0..200).collect();
    let answers = |seed| {
        let mut stream = Stream::named(seed, ["long"]);
        Answers::new((0..9).flat_map(|_| stream.sample(&labels, 200)).collect::<Vec<_>>(), 200)
    };
    let suspects: Vec<Answers> = (0..20).map(|seed| answers(seed).unwrap()).collect();
    let truth = [3, 5, 7, 200, 200, 3, 5, 9, 200];
    let together = distances(Statistic::MutualInformation, &suspects[0], &truth, &suspects);
    for (suspect, &distance) in suspects.iter().zip(&together) {
        let expected = naive(&symbols(&suspects[0], &truth), &symbols(suspect, &truth));
        assert!(close(distance, expected), "{distance} is not {expected}");
    }
}

/// A pool's answers that are right three times out of five, and the true labels.
///
/// The true label is among the `ranks` labels of an answer or not.
fn skilled_answers(
    seed: u64,
    models: usize,
    queries: usize,
    ranks: usize,
) -> (Vec<Answers>, Vec<u16>) {
    let mut stream = Stream::named(seed, ["pool"]);
    let mut below = |bound: u16| u16::try_from(stream.below(u32::from(bound))).unwrap();
    let truth: Vec<u16> = (0..queries).map(|_| below(7)).collect();
    let mut answers = || {
        let ranked = truth.iter().flat_map(|&label| {
            let best = if below(5) < 3 { label } else { below(7) };
            (0..).take(ranks).map(move |rank| (best + 2 * rank) % 7)
        });
        Answers::new(ranked.collect::<Vec<_>>(), ranks).unwrap()
    };
    ((0..models).map(|_| answers()).collect(), truth)
}

/// Joint counts of the symbols of a reference and a suspect, counted one by one.
fn joint(reference: &[usize], suspect: &[usize], side: usize) -> Vec<u32> {
    let mut counts = vec![0; side * side];
    for (row, column) in reference.iter().zip(suspect) {
        counts[row * side + column] += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn bits_of_any_lanes_count_as_one_counts_by_hand(
        seed in any::<u64>(), queries in 1_usize..700, ranks in 1_usize..5,
        models in prop::sample::select(vec![1, 511, 512, 513, 1100]),
    ) {
        let (columns, truth) = skilled_answers(seed, models, 800, ranks);
        let table = AnswerTable::with_truth(&columns, &truth).unwrap();
        let rows = Stream::named(seed, ["rows"]).sample_indices(800, queries);
        let suspects = Suspects::new(&table, &rows, ranks);
        let reference = columns[models / 2].gather(&rows);
        let asked: Vec<u16> = rows.iter().map(|&row| truth[row as usize]).collect();
        let side = ranks + 1;
        let own = symbols(&reference, &asked);
        let expected: Vec<f64> = columns
            .iter()
            .map(|answers| symbols(&answers.gather(&rows), &asked))
            .map(|theirs| mutual_information_distance(&joint(&own, &theirs, side), side))
            .collect();
        let mut distances = vec![f64::NAN; models];
        for lanes in Lanes::available() {
            distances.fill(f64::NAN);
            let statistic = Statistic::MutualInformation;
            let scoring = Scoring::new(statistic, &reference, &asked, &suspects).unwrap();
            scoring.distances_in(lanes, &mut distances);
            prop_assert_eq!(&distances, &expected, "{:?}", lanes);
        }
    }
}

#[test]
fn a_fingerprint_of_another_truth_is_scored_by_labels() {
    let (columns, truth) = skilled_answers(3, 40, 90, 2);
    let rows: Vec<u32> = (20..70).collect();
    let other: Vec<u16> = rows.iter().map(|&row| (truth[row as usize] + 1) % 7).collect();
    let plain = AnswerTable::from_models(&columns).unwrap();
    let table = AnswerTable::with_truth(&columns, &truth).unwrap();
    for statistic in [Statistic::MutualInformation, Statistic::CorrectnessMatch] {
        let [expected, actual] = [&plain, &table].map(|table| {
            let mut out = vec![f64::NAN; 40];
            let reference = columns[0].gather(&rows);
            let suspects = Suspects::new(table, &rows, 2);
            statistic.distances(&reference, Some(&other), &suspects, &mut out).unwrap();
            out
        });
        assert_eq!(actual, expected);
    }
}

#[test]
fn distances_of_pairs_are_those_of_fingerprints() {
    // One model is always right, and two share a tile with it.
    let (mut columns, truth) = skilled_answers(8, 515, 150, 3);
    columns[1] =
        Answers::new(truth.iter().flat_map(|&l| [l, l, l]).collect::<Vec<_>>(), 3).unwrap();
    let queries: Vec<u32> = (0..150).rev().collect();
    for queries in [&queries[..], &queries[3..50], &[7]] {
        let table = AnswerTable::with_truth(&columns, &truth).unwrap();
        let pairs = PairDistances::on(&table, queries).unwrap();
        assert_eq!(pairs.models(), 515);
        let asked: Vec<u16> = queries.iter().map(|&query| truth[query as usize]).collect();
        let top1 = |model: usize| {
            let answers = columns[model].gather(queries);
            symbols(&answers.restricted_to(crate::Access::Top1).unwrap(), &asked)
        };
        let all: Vec<Vec<usize>> = (0..515).map(top1).collect();
        for a in 0..515 {
            for b in 0..515 {
                let expected = mutual_information_distance(&joint(&all[a], &all[b], 2), 2);
                assert_eq!(pairs.distance(a, b), expected, "{a} and {b}");
                assert_eq!(pairs.row(b)[a], expected);
            }
        }
    }
    let all = PairDistances::of(&columns, &truth).unwrap();
    let table = AnswerTable::with_truth(&columns, &truth).unwrap();
    assert_eq!(all, PairDistances::on(&table, &(0..150).collect::<Vec<_>>()).unwrap());
}

#[test]
fn distances_of_pairs_repeat_whatever_the_threads() {
    let (columns, truth) = skilled_answers(9, 60, 300, 1);
    let [one, three] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| PairDistances::of(&columns, &truth).unwrap())
    });
    assert_eq!(one, three);
}

#[test]
fn pairs_without_truth_or_queries_are_refused() {
    let (columns, truth) = skilled_answers(9, 2, 10, 1);
    let plain = AnswerTable::from_models(&columns).unwrap();
    assert!(matches!(PairDistances::on(&plain, &[0]), Err(Error::NoTruth)));
    let table = AnswerTable::with_truth(&columns, &truth).unwrap();
    assert!(matches!(PairDistances::on(&table, &[]), Err(Error::Empty(_))));
    assert!(PairDistances::of(&columns, &truth[1..]).is_err());
}

#[test]
fn p_values_count_the_permutations_that_lie_as_near() {
    // The reference is right on the first three of six images, the suspects on three: all the same, two, none.
    let truth = [0_u16; 6];
    let reference = Answers::top1([0, 0, 0, 1, 1, 1]);
    let suspects = [[0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1], [1, 1, 1, 0, 0, 0], [0; 6]];
    let table = AnswerTable::from_models(&suspects.map(Answers::top1)).unwrap();
    let rows: Vec<u32> = (0..6).collect();
    let mut p = [f64::NAN; 4];
    let suspects = Suspects::new(&table, &rows, 1);
    Statistic::Permutation.distances(&reference, Some(&truth), &suspects, &mut p).unwrap();
    // Of the 20 ways to be right on three of six, one is the same and one the opposite, both at distance 0.
    for (actual, expected) in p.into_iter().zip([0.1, 1.0, 0.1, 1.0]) {
        assert!((actual - expected).abs() < 1e-12, "{p:?}");
    }
}

#[test]
fn p_values_of_ranks_come_near_the_exact_ones_of_two_symbols() {
    // With the truth at the first rank or absent, two ranks give the symbols 0 and 2: the same two as one rank.
    let truth = [0_u16; 12];
    let ranked = |right: [u16; 12]| {
        Answers::new(right.iter().flat_map(|&wrong| [wrong * 7, 8]).collect::<Vec<_>>(), 2).unwrap()
    };
    let reference = ranked([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    let suspect = ranked([0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1, 0]);
    let table = AnswerTable::from_models(&[suspect]).unwrap();
    let rows: Vec<u32> = (0..12).collect();
    let (mut by_ranks, mut exact) = ([0.0], [0.0]);
    let p = |reference: &Answers, ranks, out: &mut [f64]| {
        let suspects = Suspects::new(&table, &rows, ranks);
        Statistic::Permutation.distances(reference, Some(&truth), &suspects, out).unwrap();
    };
    p(&reference, 2, &mut by_ranks);
    p(&reference.restricted_to(crate::Access::Top1).unwrap(), 1, &mut exact);
    // 999 permutations: a standard deviation of at most 0.016.
    assert!((by_ranks[0] - exact[0]).abs() < 0.06, "{by_ranks:?} {exact:?}");
}

use proptest::prelude::*;

use super::*;
use crate::{AnswerTable, Answers, Stream};

/// A literal detection of one couple: the loop as the authors wrote it, over all images, one model at a time.
fn literal_detection(
    table: &[Vec<u32>],
    groups: &[usize],
    hypothesis: usize,
    model: usize,
    score: Score,
) -> Couple {
    let mut rest: Vec<usize> = (0..groups.len()).collect();
    let mut queries = 0;
    loop {
        let own = rest.iter().filter(|&&r| groups[r] == hypothesis).count();
        let end = |decision| Couple { decision, queries };
        if own == rest.len() {
            return end(Decision::Positive);
        }
        if own == 0 {
            return end(Decision::Negative);
        }
        let differences =
            |pair: &[usize]| table.iter().filter(|row| row[pair[0]] != row[pair[1]]).count();
        if rest.windows(2).all(|pair| differences(pair) <= 1) {
            return end(Decision::Unknown);
        }
        let mut best: Option<(i64, usize)> = None;
        for (image, row) in table.iter().enumerate() {
            if rest.iter().all(|&r| row[r] == row[rest[0]]) {
                continue;
            }
            let count = |label: u32, of_hypothesis: bool| {
                let counted =
                    |&&r: &&usize| row[r] == label && (groups[r] == hypothesis) == of_hypothesis;
                rest.iter().filter(counted).count() as i64
            };
            let mut labels: Vec<u32> = rest.iter().map(|&r| row[r]).collect();
            labels.sort_unstable();
            labels.dedup();
            let own_labels = labels.iter().filter(|&&label| count(label, true) > 0);
            // Times the members that remain: the same order without rounding.
            let products =
                own_labels.clone().map(|&label| count(label, true) * count(label, false));
            let value = match score {
                Score::Mean => products.sum(),
                Score::Worst => products.max().unwrap_or(0),
                Score::Best => {
                    let excluded = labels.iter().filter(|&&label| count(label, true) == 0);
                    -excluded.map(|&label| count(label, false)).sum::<i64>()
                }
            };
            if best.is_none_or(|(smallest, _)| value < smallest) {
                best = Some((value, image));
            }
        }
        let Some((_, image)) = best else { return end(Decision::Unknown) };
        let answer = table[image][model];
        rest.retain(|&r| table[image][r] == answer);
        queries += 1;
    }
}

/// A literal identification of one model.
fn literal_identification(
    table: &[Vec<u32>],
    groups: &[usize],
    model: usize,
    score: Score,
) -> Named {
    let mut rest: Vec<usize> = (0..groups.len()).collect();
    let mut queries = 0;
    let distinct = |models: &[usize]| {
        let mut of: Vec<usize> = models.iter().map(|&r| groups[r]).collect();
        of.sort_unstable();
        of.dedup();
        of.len()
    };
    loop {
        if distinct(&rest) == 1 {
            return Named { named: true, queries };
        }
        let mut best: Option<(f64, usize)> = None;
        for (image, row) in table.iter().enumerate() {
            let mut labels: Vec<u32> = rest.iter().map(|&r| row[r]).collect();
            labels.sort_unstable();
            labels.dedup();
            if labels.len() == 1 {
                continue;
            }
            let (mut mean, mut worst) = (0.0, 0.0_f64);
            for &label in &labels {
                let with: Vec<usize> = rest.iter().copied().filter(|&r| row[r] == label).collect();
                mean += (with.len() * distinct(&with)) as f64;
                worst = worst.max(distinct(&with) as f64);
            }
            let value = if score == Score::Mean { mean } else { worst };
            if best.is_none_or(|(smallest, _)| value < smallest) {
                best = Some((value, image));
            }
        }
        let Some((_, image)) = best else { return Named { named: false, queries } };
        let answer = table[image][model];
        rest.retain(|&r| table[image][r] == answer);
        queries += 1;
    }
}

fn observations(table: &[Vec<u32>]) -> Observations {
    let models = table.first().map_or(0, Vec::len);
    Observations::from_symbols(&table.concat(), models).unwrap()
}

/// Variants that mostly answer as their vanilla does.
fn random(seed: u64, images: usize, sizes: &[usize], labels: u32) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut stream = Stream::named(seed, ["answers"]);
    let groups: Vec<usize> = sizes
        .iter()
        .enumerate()
        .flat_map(|(group, &size)| std::iter::repeat_n(10 - group, size))
        .collect();
    let table = (0..images)
        .map(|_| {
            let vanillas: Vec<u32> = (0..11).map(|_| stream.below(labels)).collect();
            let answer = |&group: &usize| match stream.below(3) {
                0 => stream.below(labels),
                _ => vanillas[group],
            };
            groups.iter().map(answer).collect()
        })
        .collect();
    (table, groups)
}

const SCORES: [Score; 3] = [Score::Mean, Score::Worst, Score::Best];

#[test]
fn every_couple_ends_as_the_literal_loop_does() {
    for (index, seed) in (0..60).enumerate() {
        let images = [1, 3, 6, 12][index % 4];
        let (table, groups) = random(seed, images, &[3, 1, 4, 2], 2 + u32::from(seed % 3 == 0));
        let found = detect_known(&observations(&table), &groups, &SCORES).unwrap();
        for (detected, score) in found.iter().zip(SCORES) {
            assert_eq!(detected.score, score);
            for (cell, &couple) in detected.couples.iter().enumerate() {
                let (hypothesis, model) = (10 - cell / groups.len(), cell % groups.len());
                let expected = literal_detection(&table, &groups, hypothesis, model, score);
                assert_eq!(couple, expected, "seed {seed}, {score:?}, {hypothesis}, {model}");
            }
        }
    }
}

#[test]
fn every_model_ends_as_the_literal_tree_does() {
    for (index, seed) in (0..60).enumerate() {
        let images = [1, 3, 6, 12][index % 4];
        // Groups that are not neighbours, as variations merged over vanillas would not be.
        let (table, mut groups) = random(seed, images, &[3, 1, 4, 2], 2);
        Stream::named(seed, ["groups"]).shuffle(&mut groups);
        for score in [Score::Mean, Score::Worst] {
            let found = identify_known(&observations(&table), &groups, score).unwrap();
            for (model, &named) in found.models.iter().enumerate() {
                let expected = literal_identification(&table, &groups, model, score);
                assert_eq!(named, expected, "seed {seed}, {score:?}, {model}");
            }
        }
    }
}

#[test]
fn what_is_all_of_the_hypothesis_is_positive_and_what_is_none_of_it_negative() {
    // One image tells group 0 (label 7) from group 1 (label 8).
    let table = [vec![7, 7, 8], vec![1, 2, 3]];
    let [found] = &detect_known(&observations(&table), &[0, 0, 1], &[Score::Mean]).unwrap()[..]
    else {
        panic!("one score, one detection")
    };
    let couple = |decision| Couple { decision, queries: 1 };
    use Decision::{Negative, Positive};
    let expected = [Positive, Positive, Negative, Negative, Negative, Positive];
    assert_eq!(found.couples, expected.map(couple));
    assert_eq!((found.positive.cases, found.positive.correct), (3, 1.0));
    let negative = found.negative.as_ref().unwrap();
    assert_eq!((negative.cases, negative.correct, negative.queries.mean), (3, 1.0, 1.0));
}

#[test]
fn neighbours_that_differ_on_one_image_are_as_good_as_identical() {
    // Models 0 and 1, of two groups, differ on one image only: not asked.
    let table = [vec![5, 6, 6], vec![1, 1, 2], vec![1, 1, 3]];
    let found = detect_known(&observations(&table), &[0, 1, 1], &[Score::Mean]).unwrap();
    let couples = &found[0].couples;
    // Image 0 comes first for the hypothesis 0: it tells model 0 apart at once.
    assert_eq!(couples[0], Couple { decision: Decision::Positive, queries: 1 });
    // Without the models that make a neighbour differ, the rule ends it before any query.
    let table = [vec![5, 6], vec![1, 1]];
    let found = detect_known(&observations(&table), &[0, 1], &[Score::Mean]).unwrap();
    let unknown = Couple { decision: Decision::Unknown, queries: 0 };
    assert_eq!(found[0].couples, [unknown; 4]);
    assert_eq!((found[0].positive.abstained, found[0].positive.correct), (1.0, 0.0));
    // A chain: 0-1 and 1-2 differ on one image each, 0 and 2 on two.
    let table = [vec![0, 1, 1], vec![0, 0, 1]];
    let found = detect_known(&observations(&table), &[0, 0, 1], &[Score::Best]).unwrap();
    assert_eq!(found[0].couples, [unknown; 6]);
}

#[test]
fn models_that_no_image_tells_apart_end_unknown() {
    let table = [vec![3, 3, 3, 4], vec![3, 3, 3, 4]];
    let groups = [0, 1, 0, 2];
    let found = detect_known(&observations(&table), &groups, &SCORES).unwrap();
    for detected in &found {
        let unknown = Couple { decision: Decision::Unknown, queries: 1 };
        assert_eq!(detected.couples[0], unknown);
        assert_eq!(detected.couples[3], Couple { decision: Decision::Negative, queries: 1 });
    }
    let found = identify_known(&observations(&table), &groups, Score::Worst).unwrap();
    let lost = Named { named: false, queries: 1 };
    assert_eq!(found.models, [lost, lost, lost, Named { named: true, queries: 1 }]);
    assert_eq!((found.tally.correct, found.tally.abstained), (0.25, 0.75));
}

#[test]
fn an_image_that_splits_nothing_is_never_asked() {
    // For the worst answer, all images tie: only the last one splits.
    let table = [vec![1, 1, 1, 1], vec![2, 2, 2, 2], vec![1, 2, 2, 1], vec![1, 2, 3, 4]];
    let found = identify_known(&observations(&table[..3]), &[0, 0, 1, 1], Score::Worst).unwrap();
    assert!(found.models.iter().all(|model| model.queries == 1 && !model.named));
    let found = identify_known(&observations(&table), &[0, 0, 1, 1], Score::Worst).unwrap();
    assert!(found.models.iter().all(|model| model.queries == 1 && model.named));
}

#[test]
fn groups_count_equally_and_then_their_members() {
    // Group 0: model 0, told from all by image 0. Group 1: models 1, 2. Group 2: 3 to 6, two of them like group 1's.
    let table = [vec![9, 1, 1, 1, 1, 2, 2], vec![9, 1, 1, 1, 1, 2, 3]];
    let groups = [0, 1, 1, 2, 2, 2, 2];
    let found = &detect_known(&observations(&table), &groups, &[Score::Mean]).unwrap()[0];
    // Positive: 0 is found; of 1 none; of 2 half.
    assert!((found.positive.correct - (1.0 + 0.0 + 0.5) / 3.0).abs() < 1e-12);
    // Negative, by hypothesis and other group: 0: 1, 1; 1: 1 (group 0), 1/2 (group 2); 2: 1, 0.
    let negative = found.negative.as_ref().unwrap();
    assert!((negative.correct - (2.0 + 1.5 + 1.0) / 6.0).abs() < 1e-12);
    assert!((negative.correct + negative.abstained + negative.wrong - 1.0).abs() < 1e-12);
}

#[test]
fn quantiles_are_the_smallest_numbers_that_reach_the_share() {
    let mut counter = Counter::default();
    for (queries, weight) in [(3, 0.1), (1, 0.5), (2, 0.39), (7, 0.01)] {
        counter.add(Verdict::Correct, queries, weight);
    }
    let tally = counter.tally().unwrap();
    let quantiles: Vec<(f64, u32)> =
        tally.queries.quantiles.iter().map(|q| (q.share, q.queries)).collect();
    assert_eq!(quantiles, [(0.5, 1), (0.9, 3), (0.99, 3), (1.0, 7)]);
    assert!((tally.queries.mean - (0.3 + 0.5 + 0.78 + 0.07)).abs() < 1e-12);
    assert_eq!(Counter::default().tally(), None);
}

#[test]
fn a_tuple_is_equal_when_all_its_labels_are_in_order() {
    let columns = [vec![1, 2, 3, 4], vec![1, 3, 4, 3], vec![2, 1, 3, 4], vec![1, 2, 4, 3]];
    let columns = columns.map(|labels| Answers::new(labels, 2).unwrap());
    let table = AnswerTable::from_models(&columns).unwrap();
    let top2 = Observations::from_table(&table, 2).unwrap();
    assert_eq!(top2, Observations::from_symbols(&[12, 13, 21, 12, 34, 43, 34, 43], 4).unwrap());
    let top1 = Observations::from_table(&table, 1).unwrap();
    assert_eq!(top1, Observations::from_symbols(&[1, 1, 2, 1, 3, 4, 3, 4], 4).unwrap());
    assert_eq!((top2.images(), top2.models()), (2, 4));
    assert!(Observations::from_table(&table, 3).is_err());
    assert!(Observations::from_table(&table, 0).is_err());
}

#[test]
fn a_single_group_needs_no_query() {
    let table = [vec![1, 2, 3]];
    let found = &detect_known(&observations(&table), &[4, 4, 4], &[Score::Best]).unwrap()[0];
    assert_eq!((found.positive.correct, found.positive.queries.mean), (1.0, 0.0));
    assert_eq!(found.negative, None);
    let found = identify_known(&observations(&table), &[4, 4, 4], Score::Mean).unwrap();
    assert_eq!((found.tally.correct, found.tally.queries.mean), (1.0, 0.0));
}

#[test]
fn impossible_input_is_refused() {
    let table = observations(&[vec![1, 2, 3]]);
    assert!(detect_known(&table, &[0, 1], &SCORES).is_err());
    assert!(identify_known(&table, &[0, 1], Score::Mean).is_err());
    assert!(identify_known(&table, &[0, 1, 2], Score::Best).is_err());
    assert!(Observations::from_symbols(&[1, 2, 3], 2).is_err());
    assert!(Observations::from_symbols(&[], 0).is_err());
    // No image at all: nothing can be told.
    let empty = Observations::from_symbols(&[], 2).unwrap();
    let found = &detect_known(&empty, &[0, 1], &SCORES).unwrap()[0];
    assert_eq!(found.positive.abstained, 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn decisions_are_never_wrong_and_shares_sum_to_one(
        seed in 0_u64..1000,
        images in 1_usize..30,
        labels in 2_u32..6,
    ) {
        let (table, groups) = random(seed, images, &[2, 5, 1, 3, 4], labels);
        let table = observations(&table);
        for detected in detect_known(&table, &groups, &SCORES).unwrap() {
            for tally in [Some(detected.positive), detected.negative].into_iter().flatten() {
                prop_assert_eq!(tally.wrong, 0.0);
                prop_assert!((tally.correct + tally.abstained - 1.0).abs() < 1e-12);
                prop_assert!(tally.queries.quantiles.is_sorted_by_key(|q| q.queries));
            }
        }
    }
}

use super::*;

fn replicated(families: usize, rates: &[f64]) -> Replicated {
    let draws = (0..u32::try_from(rates.len()).unwrap()).collect();
    Replicated { drawn_from: (0..families).collect(), families, draws, rates: rates.to_vec() }
}

fn compared(rates: &[(f64, &Replicated)]) -> Vec<AgainstBest> {
    let names = ["a", "b", "c", "d"];
    let contender = |(name, &(rate, replicated)): (&&'static str, &(f64, _))| Contender {
        name,
        rate,
        replicated,
    };
    against_best(&names.iter().zip(rates).map(contender).collect::<Vec<_>>())
}

/// Differences of which so many of 2000 are positive, all others -1.
fn with_above(count: usize) -> Vec<f64> {
    (0..2000).map(|i| if i < count { 1.0 } else { -1.0 }).collect()
}

#[test]
fn p_values_are_those_of_expanded_tails() {
    // By scipy: 2 t.sf(norm.isf(20 / 2000) / sqrt(12 / 11), 11).
    assert!((p_value(&with_above(20), -0.9, 12) - 0.047_751).abs() < 1e-6);
    assert!((p_value(&with_above(1), -0.9, 12) - 0.009_235).abs() < 1e-6);
    assert_eq!(p_value(&with_above(1000), -0.9, 12), 1.0);
    assert_eq!(p_value(&[0.0; 2000], 0.0, 12), 1.0);
}

#[test]
fn p_values_beyond_the_replicates_come_from_their_deviation() {
    let spread = |centre: f64| -> Vec<f64> {
        (0..2000).map(|i| centre + if i % 2 == 0 { 0.01 } else { -0.01 }).collect()
    };
    // Deviation 0.0100025: four of them, 2 t.sf(3.99900 / sqrt(12 / 11), 11).
    let four = p_value(&spread(-0.04), -0.04, 12);
    assert!((four - 0.002_800).abs() < 1e-6, "{four}");
    // Ten of them are more than 2000 replicates can show.
    assert_eq!(p_value(&spread(-0.1), -0.1, 12), 2.0 / 2001.0);
    assert_eq!(p_value(&[-0.1; 2000], -0.1, 12), 2.0 / 2001.0);
}

#[test]
fn holm_multiplies_the_smallest_most() {
    let with = |p: Option<f64>| AgainstBest {
        best: String::new(),
        difference: 0.0,
        ci95: None,
        p,
        p_holm: None,
        tied_with_best: false,
    };
    let mut all = [Some(0.04), None, Some(0.01), Some(0.03)].map(with);
    adjust(&mut all);
    let close = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-12;
    assert!(close(all[0].p_holm, 0.06) && close(all[2].p_holm, 0.03) && close(all[3].p_holm, 0.06));
    assert_eq!(all[1].p_holm, None);
    let tied: Vec<bool> = all.iter().map(|one| one.tied_with_best).collect();
    assert_eq!(tied, [true, false, false, true]);
}

#[test]
fn replicates_are_paired_by_their_draw() {
    let first = Replicated { draws: vec![0, 2, 3, 7], ..replicated(8, &[0.5, 0.6, 0.7, 0.8]) };
    let second = Replicated { draws: vec![1, 2, 7], ..replicated(8, &[0.1, 0.1, 0.2]) };
    let found = differences(&first, &second);
    assert!((found[0] - 0.5).abs() < 1e-12 && (found[1] - 0.6).abs() < 1e-12);
    assert_eq!(found.len(), 2);
    let others = Replicated { drawn_from: (1..9).collect(), ..second };
    assert!(differences(&first, &others).is_empty());
}

#[test]
fn the_first_of_equals_is_best_and_its_equal_is_tied() {
    let rates = replicated(8, &[0.9, 0.8, 0.85]);
    let found =
        compared(&[(0.7, &replicated(8, &[0.3, 0.2, 0.25])), (0.85, &rates), (0.85, &rates)]);
    assert!(found.iter().all(|one| one.best == "b"));
    assert_eq!((found[1].difference, found[1].p, found[1].tied_with_best), (0.0, None, true));
    assert_eq!((found[2].p, found[2].ci95), (Some(1.0), Some([0.0, 0.0])));
    assert!(found[2].tied_with_best);
    assert!((found[0].difference + 0.15).abs() < 1e-12);
}

#[test]
fn too_few_families_or_a_single_rate_are_not_tested() {
    let rates = replicated(5, &[0.9, 0.8]);
    let found = compared(&[(0.85, &rates), (0.85, &rates)]);
    assert_eq!((found[1].ci95, found[1].p, found[1].tied_with_best), (None, None, false));
    assert!(found[0].tied_with_best);
    assert_eq!(compared(&[(0.85, &rates)]), []);
}

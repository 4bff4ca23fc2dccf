//! The tests by themselves, against other ways to the same numbers.

use proptest::prelude::*;

use super::super::{permutation::*, power::Noise};
use crate::Stream;
use crate::evaluation::holm;

fn stream() -> Stream {
    Stream::named(1, ["test"])
}

/// Every subset as a mask of bits.
fn by_masks(base: &[f64], new: &[f64]) -> (f64, f64) {
    let all: Vec<f64> = base.iter().chain(new).copied().collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let seen = mean(new) - mean(base);
    let (mut low, mut high, mut count) = (0, 0, 0);
    for mask in 0_u32..1 << all.len() {
        if mask.count_ones() as usize != new.len() {
            continue;
        }
        let side = |bit: u32| -> Vec<f64> {
            (0..all.len()).filter(|&i| mask >> i & 1 == bit).map(|i| all[i]).collect()
        };
        let difference = mean(&side(1)) - mean(&side(0));
        low += u32::from(difference <= seen + 1e-12);
        high += u32::from(difference >= seen - 1e-12);
        count += 1;
    }
    (f64::from(low) / f64::from(count), f64::from(high) / f64::from(count))
}

proptest! {
    #[test]
    fn draws_are_dealt_out_in_every_way(
        base in prop::collection::vec((0_u8..20).prop_map(|n| f64::from(n) / 20.0), 1..6),
        new in prop::collection::vec((0_u8..20).prop_map(|n| f64::from(n) / 20.0), 1..6),
    ) {
        let found = permute_draws(&base, &new, 0, &mut stream()).unwrap();
        let (loss, gain) = by_masks(&base, &new);
        prop_assert!((found.loss - loss).abs() < 1e-12 && (found.gain - gain).abs() < 1e-12);
        prop_assert!(found.exact && found.loss >= found.floor);
    }

    #[test]
    fn owners_are_swapped_in_every_way(
        differences in prop::collection::vec((-20_i8..20).prop_map(|n| f64::from(n) / 20.0), 1..9),
    ) {
        let found = permute_owners(&differences, 0, &mut stream()).unwrap();
        let seen: f64 = differences.iter().sum();
        let sums: Vec<f64> = (0_u32..1 << differences.len())
            .map(|mask| {
                let sign = |i: usize| if mask >> i & 1 == 1 { -1.0 } else { 1.0 };
                differences.iter().enumerate().map(|(i, difference)| sign(i) * difference).sum()
            })
            .collect();
        let low = sums.iter().filter(|&&sum| sum <= seen + 1e-12).count();
        prop_assert!((found.loss - low as f64 / sums.len() as f64).abs() < 1e-12);
    }
}

#[test]
fn a_clear_loss_of_ten_draws_is_the_one_arrangement_in_184756() {
    let base: Vec<f64> = (0..10).map(|i| 0.9 + f64::from(i) / 1000.0).collect();
    let new: Vec<f64> = base.iter().map(|rate| rate - 0.1).collect();
    let found = permute_draws(&base, &new, 0, &mut stream()).unwrap();
    assert_eq!((found.arrangements, found.exact), (184_756, true));
    assert!((found.loss - 1.0 / 184_756.0).abs() < 1e-15);
    assert_eq!((found.gain, found.two_sided()), (1.0, 2.0 / 184_756.0));
}

#[test]
fn a_sample_comes_close_to_all_arrangements_and_is_never_zero() {
    let base: Vec<f64> = (0..12).map(|i| 0.8 + f64::from(i * 7 % 12) / 100.0).collect();
    let new: Vec<f64> = (0..12).map(|i| 0.77 + f64::from(i * 5 % 12) / 100.0).collect();
    let sampled = permute_draws(&base, &new, 40_000, &mut stream()).unwrap();
    assert!(!sampled.exact);
    // 2,704,156 splits, by the normal approximation with the permutation variance.
    let all: Vec<f64> = base.iter().chain(&new).copied().collect();
    let mean = all.iter().sum::<f64>() / 24.0;
    let variance = all.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / 23.0;
    let z = -0.03 / (variance * (1.0 / 12.0 + 1.0 / 12.0)).sqrt();
    let normal = statrs::distribution::Normal::standard();
    let expected = statrs::distribution::ContinuousCDF::cdf(&normal, z);
    assert!((sampled.loss - expected).abs() < 0.01, "{} and {expected}", sampled.loss);
    let sure = permute_draws(&[1.0; 15], &[0.0; 15], 999, &mut stream()).unwrap();
    assert_eq!((sure.loss, sure.floor), (0.001, 0.001));
    let owners = permute_owners(&[-1.0; 20], 999, &mut stream()).unwrap();
    assert_eq!((owners.loss, owners.exact), (0.001, false));
}

#[test]
fn equal_rates_are_no_difference() {
    let found = permute_draws(&[0.1 + 0.2; 4], &[0.3; 4], 0, &mut stream()).unwrap();
    assert_eq!((found.loss, found.gain, found.two_sided()), (1.0, 1.0, 1.0));
    assert!(permute_draws(&[], &[0.5], 0, &mut stream()).is_none());
    assert!(permute_owners(&[], 0, &mut stream()).is_none());
}

#[test]
fn draws_needed_follow_the_number_of_splits() {
    // C(2n, n): 2, 6, 20, 70, 252, 924, 3432.
    assert_eq!(draws_needed(1, 0.025), 4, "20 splits are too few for 1 in 40");
    assert_eq!(draws_needed(5, 0.025), 5, "200 wanted");
    assert_eq!(draws_needed(55, 0.025), 7, "2200 wanted");
}

#[test]
fn holm_multiplies_the_smallest_by_all_and_never_falls() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    let expected = [0.03, 0.06, 0.06, 0.02];
    assert!(adjusted.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{adjusted:?}");
    assert!(holm(&[]).is_empty());
}

#[test]
fn the_smallest_loss_follows_students_distribution() {
    // Pooled sd of each run 0.1 with 5 draws: variance 0.01, of the difference 0.004, 8 degrees of freedom.
    let base = [0.8, 0.9, 0.9, 0.9, 1.0].map(|rate| 0.9 + (rate - 0.9) * 2_f64.sqrt());
    let new = base.map(|rate| rate - 0.2);
    let noise = Noise::of_draws(&base, &new).unwrap();
    assert!((noise.sd - 0.004_f64.sqrt()).abs() < 1e-12 && noise.freedom == 8.0);
    // t(0.975) = 2.306, t(0.9) = 1.3968 with 8 degrees of freedom (tables).
    let loss = noise.smallest_loss(0.025, 0.0);
    assert!((loss - (2.306 + 1.3968) * noise.sd).abs() < 1e-4, "{loss}");
    // A tolerance larger than noise decides: 0.5 + 1.2816 sd.
    assert!((noise.smallest_loss(0.025, 0.5) - (0.5 + 1.2816 * noise.sd)).abs() < 1e-4);
    // Differences -0.02, 0, 0.02 of three owners: variance 0.0004 each, 0.0012 of the sum.
    let owners = Noise::of_owners(&[-0.02, 0.0, 0.02]).unwrap();
    assert!((owners.sd - 0.0012_f64.sqrt()).abs() < 1e-12 && owners.freedom == 2.0);
    assert!(Noise::of_draws(&[0.5], &[0.5]).is_none() && Noise::of_owners(&[0.1]).is_none());
}

use super::*;

/// All orders of `items`, as Heap's algorithm visits them.
fn permutations(items: &mut [u8], length: usize, visit: &mut dyn FnMut(&[u8])) {
    if length <= 1 {
        return visit(items);
    }
    for i in 0..length {
        permutations(items, length - 1, visit);
        items.swap(if length.is_multiple_of(2) { i } else { 0 }, length - 1);
    }
}

fn table(owner: &[u8], suspect: &[u8], side: usize) -> Vec<u32> {
    let mut table = vec![0; side * side];
    for (&row, &column) in owner.iter().zip(suspect) {
        table[usize::from(row) * side + usize::from(column)] += 1;
    }
    table
}

/// The p-value by its definition, over all orders.
fn enumerated(owner: &[u8], suspect: &[u8], side: usize) -> f64 {
    let observed = mutual_information_distance(&table(owner, suspect, side), side);
    let (mut as_near, mut all) = (0_u32, 0_u32);
    permutations(&mut suspect.to_vec(), suspect.len(), &mut |permuted| {
        let distance = mutual_information_distance(&table(owner, permuted, side), side);
        as_near += u32::from(distance <= observed + 1e-12);
        all += 1;
    });
    f64::from(as_near) / f64::from(all)
}

fn binomial(n: u32, k: u32) -> u128 {
    (0..u128::from(k)).fold(1, |product, i| product * (u128::from(n) - i) / (i + 1))
}

#[test]
fn the_exact_p_value_is_that_of_all_permutations() {
    for length in 2..=7_u32 {
        for owner_bits in [1_u32, 2, 5, 11, 77, 100] {
            for suspect_bits in 0..(1_u32 << length) {
                if length == 7 && suspect_bits % 9 != 0 {
                    continue;
                }
                let symbols = |bits: u32| (0..length).map(move |i| u8::from(bits >> i & 1 == 1));
                let owner: Vec<u8> = symbols(owner_bits).collect();
                let suspect: Vec<u8> = symbols(suspect_bits).collect();
                let counts: [u32; 4] = table(&owner, &suspect, 2).try_into().unwrap();
                let expected = enumerated(&owner, &suspect, 2);
                assert!((exact_p_value(counts) - expected).abs() < 1e-12, "{counts:?}");
            }
        }
    }
    let (owner, suspect) = ([0, 0, 0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 1]);
    let counts: [u32; 4] = table(&owner, &suspect, 2).try_into().unwrap();
    assert!((exact_p_value(counts) - enumerated(&owner, &suspect, 2)).abs() < 1e-12);
}

#[test]
fn agreement_and_its_opposite_are_one_event() {
    // 4 of 8 right on both sides: the two diagonal tables are as near, out of C(8, 4) = 70.
    for counts in [[4, 0, 0, 4], [0, 4, 4, 0]] {
        assert!((exact_p_value(counts) - 2.0 / 70.0).abs() < 1e-15);
    }
    // Next come cells 3 and 1: 16 each.
    assert!((exact_p_value([3, 1, 1, 3]) - 34.0 / 70.0).abs() < 1e-15);
    assert_eq!(exact_p_value([2, 2, 2, 2]), 1.0);
}

#[test]
fn what_cannot_be_told_is_never_significant() {
    for counts in [[5, 0, 0, 0], [3, 0, 2, 0], [0, 0, 2, 3], [0, 4, 0, 0], [0, 0, 0, 0]] {
        assert_eq!(exact_p_value(counts), 1.0);
    }
    let mut stream = Stream::named(1, ["null"]);
    assert_eq!(permutation_p_value(&[1, 1, 1], &[0, 1, 2], 3, 10, &mut stream).unwrap(), 1.0);
}

#[test]
fn under_the_null_no_level_is_exceeded() {
    for (row, column, total) in [(5, 7, 20), (10, 10, 20), (1, 19, 30), (15, 14, 30), (28, 3, 30)] {
        let cells = smallest_cell(row, column, total)..=row.min(column);
        let chance = |cell: u32| {
            let ways = binomial(row, cell) * binomial(total - row, column - cell);
            ways as f64 / binomial(total, column) as f64
        };
        let p = |cell: u32| {
            exact_p_value([cell, row - cell, column - cell, total - row - (column - cell)])
        };
        let levels = cells.clone().map(p).chain([0.01, 0.05, 0.2, 0.5]);
        for level in levels {
            let reached: f64 = cells.clone().filter(|&c| p(c) <= level).map(chance).sum();
            assert!(reached <= level + 1e-12, "{reached} at level {level}");
        }
    }
}

#[test]
fn one_null_serves_many_suspects() {
    let mut null = ExactNull::default();
    for suspect in 1..30 {
        for both in smallest_cell(12, suspect, 30)..=suspect.min(12) {
            let counts = [both, 12 - both, suspect - both, 18 - (suspect - both)];
            assert_eq!(null.p_value(counts), exact_p_value(counts));
        }
    }
}

#[test]
fn p_values_of_many_queries_keep_their_digits() {
    // All of 10,000 alike, half of them right: 2 / C(10000, 5000) is below any f64.
    assert_eq!(exact_p_value([5000, 0, 0, 5000]), f64::MIN_POSITIVE);
    // 2 / C(120, 60) by exact integers.
    let expected = 2.0 / binomial(120, 60) as f64;
    assert!((exact_p_value([60, 0, 0, 60]) / expected - 1.0).abs() < 1e-12);
    assert_eq!(exact_p_value([2500, 2500, 2500, 2500]), 1.0);
}

#[test]
fn random_permutations_approach_all_of_them() {
    let mut stream = Stream::named(1, ["null"]);
    let (owner, suspect) = ([0, 1, 2, 2, 1, 0, 0, 0], [0, 1, 2, 2, 1, 1, 0, 2]);
    let expected = enumerated(&owner, &suspect, 3);
    let found = permutation_p_value(&owner, &suspect, 3, 40_000, &mut stream).unwrap();
    let deviation = (expected * (1.0 - expected) / 40_000.0).sqrt();
    assert!((found - expected).abs() < 4.0 * deviation, "{found} is not {expected}");

    let (owner, suspect) = ([0, 1, 0, 0, 1, 1, 0, 1, 1, 1], [0, 1, 0, 1, 1, 1, 0, 1, 1, 0]);
    let exact = exact_p_value(table(&owner, &suspect, 2).try_into().unwrap());
    let found = permutation_p_value(&owner, &suspect, 2, 40_000, &mut stream).unwrap();
    let deviation = (exact * (1.0 - exact) / 40_000.0).sqrt();
    assert!((found - exact).abs() < 4.0 * deviation, "{found} is not {exact}");
}

#[test]
fn a_model_against_itself_is_as_significant_as_permutations_allow() {
    let symbols: Vec<u8> = (0..60).map(|i| i % 4).collect();
    let mut stream = Stream::named(1, ["null"]);
    let p = permutation_p_value(&symbols, &symbols, 4, 199, &mut stream).unwrap();
    assert_eq!(p, 1.0 / 200.0);
}

#[test]
fn impossible_symbols_are_refused() {
    let mut stream = Stream::named(1, ["null"]);
    assert!(permutation_p_value(&[0, 1], &[0], 2, 10, &mut stream).is_err());
    assert!(permutation_p_value(&[0, 2], &[0, 1], 2, 10, &mut stream).is_err());
    assert!(permutation_p_value(&[], &[], 2, 10, &mut stream).is_err());
    assert!(permutation_p_value(&[0, 1], &[0, 1], 2, 0, &mut stream).is_err());
}

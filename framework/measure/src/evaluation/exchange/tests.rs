use super::{super::tests::suspect, *};

const MEMBERS: usize = 4;

/// Families some of whose pairs are alike by chance: a false distance has a part of its pair and one of its own.
struct Made {
    suspects: Vec<Suspect>,
    ancestry: Vec<usize>,
    judged: Vec<bool>,
    draws: Vec<Vec<f64>>,
}

impl Made {
    fn new(families: usize, seed: u64) -> Self {
        let mut stream = Stream::named(seed, ["made"]);
        let columns = families * MEMBERS;
        let member = |column: usize| {
            suspect(
                column / MEMBERS,
                if column.is_multiple_of(MEMBERS) { "vanilla" } else { "half" },
                None,
            )
        };
        let mut numbers = |count: usize| {
            let mut numbers = vec![0.0_f32; count];
            stream.fill_normal(&mut numbers);
            numbers
        };
        let alike = numbers(families * families);
        let draw = |own: Vec<f32>| -> Vec<f64> {
            let distance = |(cell, own): (usize, f32)| {
                let (owner, family) = (cell / columns, cell % columns / MEMBERS);
                let likeness =
                    if owner == family { -4.0 } else { alike[owner * families + family] };
                f64::from(likeness + 0.5 * own)
            };
            own.into_iter().enumerate().map(distance).collect()
        };
        Self {
            suspects: (0..columns).map(member).collect(),
            ancestry: (0..families).collect(),
            judged: vec![true; families * columns],
            draws: (0..2).map(|_| draw(numbers(families * columns))).collect(),
        }
    }

    fn exchanged(&self, protocol: Protocol, level: f64) -> Exchange {
        let case = Case {
            suspects: &self.suspects,
            ancestry: &self.ancestry,
            judged: &self.judged,
            draws: &self.draws,
        };
        let settings = Settings {
            false_positive_rate: 0.05,
            protocol,
            replicates: 0,
            seed: 1,
            counts_hits: false,
        };
        exchange(&case, &settings, level).unwrap()
    }

    fn is_flagged(&self, protocol: Protocol, level: f64) -> bool {
        let (rate, [low, high]) = self.exchanged(protocol, level).rate.unwrap();
        rate < low || rate > high
    }
}

#[test]
fn sound_runs_are_flagged_as_seldom_as_is_said() {
    // 300 made-up runs at a level of 10 %: 30 ± 5.2 are expected, and 46 would be three deviations more.
    for protocol in [Protocol::Pooled, Protocol::LeaveOneFamilyOut] {
        let flagged = (0..300).filter(|&seed| Made::new(12, seed).is_flagged(protocol, 0.1));
        let flagged = flagged.count();
        assert!((5..=46).contains(&flagged), "{protocol:?}: {flagged} of 300");
    }
}

#[test]
fn what_is_expected_surrounds_the_target() {
    let mut surrounds = 0;
    for seed in 0..50 {
        let (rate, [low, high]) =
            Made::new(16, seed).exchanged(Protocol::Pooled, 0.01).rate.unwrap();
        assert!((0.0..=1.0).contains(&rate));
        surrounds += usize::from(low <= 0.05 && 0.05 <= high);
    }
    assert_eq!(surrounds, 50);
}

#[test]
fn rows_that_belong_to_the_next_owner_are_found() {
    for seed in 0..20 {
        let mut made = Made::new(12, seed);
        let row = 12 * MEMBERS;
        for draw in &mut made.draws {
            draw.rotate_left(row);
        }
        // Row i now has the distances of owner i + 1, to whom family i + 1 is near.
        let (rate, [_, high]) = made.exchanged(Protocol::Pooled, 0.001).rate.unwrap();
        assert!(rate > high && rate > 0.3, "{seed}: {rate}, expected up to {high}");
    }
}

#[test]
fn nobody_is_given_a_family_of_her_ancestry_or_one_that_she_does_not_judge() {
    let mut made = Made::new(9, 1);
    made.ancestry = vec![0, 0, 0, 1, 1, 1, 2, 2, 2];
    let columns = made.suspects.len();
    // Owner 0 judges none of family 3, which would be the next one.
    for member in 0..MEMBERS {
        made.judged[3 * MEMBERS + member] = false;
    }
    let pairs = {
        let case = Case {
            suspects: &made.suspects,
            ancestry: &made.ancestry,
            judged: &made.judged,
            draws: &made.draws,
        };
        Pairs::new(&case)
    };
    let exchanged = pairs.exchange().unwrap();
    let mut given = exchanged.clone();
    given.sort_unstable();
    assert_eq!(given, (0..9).collect::<Vec<_>>());
    for (owner, &family) in exchanged.iter().enumerate() {
        assert_ne!(made.ancestry[owner], made.ancestry[family], "{exchanged:?}");
        assert!(made.judged[owner * columns + family * MEMBERS], "{exchanged:?}");
    }
}

#[test]
fn few_families_or_one_large_ancestry_are_not_checked() {
    let few = Made::new(FEWEST_EXCHANGED - 1, 1).exchanged(Protocol::Pooled, 0.01);
    assert_eq!((few.families, few.rate), (FEWEST_EXCHANGED - 1, None));
    // Six of ten are of one ancestry, and four others can't take them all.
    let mut made = Made::new(10, 1);
    made.ancestry[..6].fill(0);
    let found = made.exchanged(Protocol::Pooled, 0.01);
    assert_eq!((found.families, found.rate), (10, None));
}

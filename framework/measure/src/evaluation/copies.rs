//! Is an identical copy nearest? The vanilla of an owner is one, and stands among the suspects.

use super::Case;

/// How copies compare with all other suspects, over owners and draws.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Copies {
    /// Owners with a copy that is judged, in all draws together.
    pub compared: usize,
    /// Of these, those to whom another suspect is nearer.
    pub farther: usize,
    /// The one where the copy is farthest behind.
    pub worst: Option<Farther>,
}

/// An owner to whom another suspect is nearer than a copy of her model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Farther {
    /// Her family.
    pub owner: usize,
    /// The draw.
    pub draw: usize,
    /// Distance of the copy.
    pub copy: f64,
    /// Index of the nearest other suspect.
    pub suspect: usize,
    /// Its distance.
    pub distance: f64,
}

/// Share of a distance by which roundings may tell equals apart.
const ROUNDING: f64 = 1e-12;

/// Compares, for every owner and draw of a case, the distance of her vanilla with the smallest of all others.
pub fn copies(case: &Case<'_>) -> Copies {
    let columns = case.suspects.len();
    let mut found = Copies::default();
    for (owner, judged) in case.judged.chunks(columns.max(1)).enumerate() {
        let is_copy = |&column: &usize| {
            let suspect = &case.suspects[column];
            judged[column] && suspect.vanilla && suspect.family == owner
        };
        let Some(copy) = (0..columns).find(is_copy) else { continue };
        for (draw, distances) in case.draws.iter().enumerate() {
            let distances = &distances[owner * columns..][..columns];
            let others = (0..columns).filter(|&column| column != copy && judged[column]);
            let Some(nearest) = others.min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
            else {
                continue;
            };
            found.compared += 1;
            let (own, other) = (distances[copy], distances[nearest]);
            let is_rounding = own.is_finite() && own - other <= ROUNDING * own.abs();
            if own <= other || is_rounding {
                continue;
            }
            found.farther += 1;
            let behind = own - other;
            if found.worst.is_none_or(|worst| behind > worst.copy - worst.distance) {
                let (suspect, distance) = (nearest, other);
                found.worst = Some(Farther { owner, draw, copy: own, suspect, distance });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suspect, *};

    #[test]
    fn a_copy_that_another_suspect_beats_is_told_with_the_worst_case() {
        let mut suspects = vec![suspect(0, "vanilla", None), suspect(0, "half", None)];
        suspects.extend([suspect(1, "vanilla", None), suspect(1, "half", None)]);
        let mut judged = vec![true; 8];
        // Owner 1 has no judged copy.
        judged[6] = false;
        let case = |draws: &[Vec<f64>]| {
            copies(&Case { suspects: &suspects, ancestry: &[0, 1], judged: &judged, draws })
        };
        let sound = vec![0.1, 0.1, 0.5, 0.6, 0.0, 0.0, 0.9, 0.1];
        assert_eq!(case(std::slice::from_ref(&sound)), Copies { compared: 1, ..Copies::default() });
        // Another family's model is nearer by 0.1 in draw 1, and by 0.3 in draw 2.
        let mut beaten = vec![sound.clone(), sound.clone(), sound];
        beaten[1][0] = 0.6;
        beaten[2][0] = 0.4;
        let found = case(&beaten);
        let worst = Farther { owner: 0, draw: 1, copy: 0.6, suspect: 1, distance: 0.1 };
        assert_eq!(found, Copies { compared: 3, farther: 2, worst: Some(worst) });
        // What can't be told is farther than anything that can, and no farther than what can't either.
        beaten[1][..4].fill(f64::INFINITY);
        beaten[2][0] = f64::INFINITY;
        let worst = case(&beaten).worst.unwrap();
        assert_eq!((worst.draw, worst.copy, worst.suspect), (2, f64::INFINITY, 1));
    }
}

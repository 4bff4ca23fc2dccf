//! Whether the models of a family lie together: figures beside a map, which can invent clusters.

use crate::{Error, Result};

/// Share of a model's `k` nearest others that are of its family, mean over models; ties by index.
///
/// None without a pair of models. Where there are fewer than `k` others, all of them count.
///
/// # Shapes
/// `distances`: `[models, models]`, `+inf` allowed, diagonal not looked at.
///
/// # Errors
/// When lengths disagree, `k` is 0, or a distance is NaN.
pub fn neighbour_purity(distances: &[f64], families: &[usize], k: usize) -> Result<Option<f64>> {
    let models = check(distances, families)?;
    if k == 0 {
        return Err(Error::Empty("purity needs a neighbour to look at"));
    }
    if models < 2 {
        return Ok(None);
    }
    let k = k.min(models - 1);
    let mut others: Vec<usize> = Vec::with_capacity(models);
    let mut sum = 0.0;
    for (model, row) in distances.chunks_exact(models).enumerate() {
        others.clear();
        others.extend((0..models).filter(|&other| other != model));
        others.select_nth_unstable_by(k - 1, |&a, &b| row[a].total_cmp(&row[b]).then(a.cmp(&b)));
        let own = others[..k].iter().filter(|&&other| families[other] == families[model]).count();
        sum += own as f64 / k as f64;
    }
    Ok(Some(sum / models as f64))
}

/// Silhouette of the families, mean over models; families of one model are left out.
///
/// ```text
/// a = mean distance to the own family, b = smallest mean distance to another one
/// s = (b - a) / max(a, b), 0 where both are 0
/// ```
/// (Rousseeuw 1987.) In `[-1, 1]`; none with fewer than two families of at least two models.
///
/// # Shapes
/// `distances`: `[models, models]`, infinite ones count as 1, the largest distance of a pair that can be told;
/// diagonal not looked at.
///
/// # Errors
/// When lengths disagree, or a distance is NaN.
pub fn silhouette(distances: &[f64], families: &[usize]) -> Result<Option<f64>> {
    let models = check(distances, families)?;
    let mut sizes = vec![0_usize; families.iter().max().map_or(0, |family| family + 1)];
    for &family in families {
        sizes[family] += 1;
    }
    let clusters: Vec<usize> = (0..sizes.len()).filter(|&family| sizes[family] > 1).collect();
    if clusters.len() < 2 {
        return Ok(None);
    }
    let (mut sum, mut counted) = (0.0, 0_usize);
    let mut sums = vec![0.0; sizes.len()];
    for model in (0..models).filter(|&model| sizes[families[model]] > 1) {
        sums.fill(0.0);
        let row = &distances[model * models..(model + 1) * models];
        for (other, &distance) in row.iter().enumerate().filter(|&(other, _)| other != model) {
            sums[families[other]] += if distance == f64::INFINITY { 1.0 } else { distance };
        }
        let own = families[model];
        let within = sums[own] / (sizes[own] - 1) as f64;
        let others = clusters.iter().filter(|&&family| family != own);
        let to = |&family: &usize| sums[family] / sizes[family] as f64;
        let nearest = others.map(to).fold(f64::INFINITY, f64::min);
        let larger = within.max(nearest);
        sum += if larger > 0.0 { (nearest - within) / larger } else { 0.0 };
        counted += 1;
    }
    Ok(Some(sum / counted as f64))
}

/// Number of models, once the distances fit.
fn check(distances: &[f64], families: &[usize]) -> Result<usize> {
    let models = families.len();
    Error::require_length("distances between models", models * models, distances.len())?;
    let off_diagonal = |&(cell, _): &(usize, &f64)| cell / models != cell % models;
    match distances.iter().enumerate().filter(off_diagonal).any(|(_, d)| d.is_nan()) {
        true => Err(Error::NanDistance),
        false => Ok(models),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[rustfmt::skip]
    const DISTANCES: [f64; 25] = [
        0.0, 0.2, 0.5, 0.6, 0.9,
        0.2, 0.0, 0.3, 0.7, 0.8,
        0.5, 0.3, 0.0, 0.1, INF,
        0.6, 0.7, 0.1, 0.0, 0.4,
        0.9, 0.8, INF, 0.4, 0.0,
    ];
    const FAMILIES: [usize; 5] = [0, 0, 1, 1, 2];

    #[test]
    fn purity_counts_the_nearest_of_the_own_family() {
        // Nearest: 0 -> 1, 1 -> 0, 2 -> 3, 3 -> 2, 4 -> 3.
        assert_eq!(neighbour_purity(&DISTANCES, &FAMILIES, 1).unwrap(), Some(4.0 / 5.0));
        // Two: {1, 2}, {0, 2}, {3, 1}, {2, 4}, {3, 1}.
        assert_eq!(neighbour_purity(&DISTANCES, &FAMILIES, 2).unwrap(), Some(2.0 / 5.0));
        // More than there are: all four others.
        let all = neighbour_purity(&DISTANCES, &FAMILIES, 9).unwrap();
        assert!((all.unwrap() - 4.0 * 0.25 / 5.0).abs() < 1e-15);
    }

    #[test]
    fn ties_go_to_the_smaller_index() {
        let equal = [0.5; 9];
        // Nearest: 0 -> 1, 1 -> 0, 2 -> 0.
        assert_eq!(neighbour_purity(&equal, &[0, 0, 1], 1).unwrap(), Some(2.0 / 3.0));
        assert_eq!(neighbour_purity(&equal, &[0, 1, 1], 1).unwrap(), Some(0.0));
    }

    #[test]
    fn the_silhouette_leaves_out_families_of_one() {
        // a and b: 0: .2, .55; 1: .2, .5; 2: .1, .4; 3: .1, .65.
        let expected = (0.35 / 0.55 + 0.3 / 0.5 + 0.3 / 0.4 + 0.55 / 0.65) / 4.0;
        let found = silhouette(&DISTANCES, &FAMILIES).unwrap().unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        assert_eq!(silhouette(&DISTANCES, &[0, 0, 0, 1, 2]).unwrap(), None);
    }

    #[test]
    fn an_infinite_distance_counts_as_one() {
        // a and b: 0: 1, 1; 1: 1, .5; 2: 0, .75; 3: 0, .75.
        #[rustfmt::skip]
        let distances = [
            0.0, INF, 1.0, 1.0,
            INF, 0.0, 0.5, 0.5,
            1.0, 0.5, 0.0, 0.0,
            1.0, 0.5, 0.0, 0.0,
        ];
        let expected = (0.0 - 0.5 + 1.0 + 1.0) / 4.0;
        assert_eq!(silhouette(&distances, &[0, 0, 1, 1]).unwrap(), Some(expected));
        assert_eq!(silhouette(&[0.0; 16], &[0, 0, 1, 1]).unwrap(), Some(0.0));
    }

    #[test]
    fn impossible_tables_are_refused() {
        assert!(silhouette(&[0.0; 3], &[0, 0]).is_err());
        assert!(neighbour_purity(&[0.0, f64::NAN, 0.0, 0.0], &[0, 0], 1).is_err());
        assert!(neighbour_purity(&[0.0; 4], &[0, 0], 0).is_err());
        assert_eq!(neighbour_purity(&[f64::NAN], &[0], 5).unwrap(), None);
    }
}

use super::*;

const INF: f64 = f64::INFINITY;

/// Symmetric distances in `(0, 1)`.
fn random(models: usize, seed: u64) -> Vec<f64> {
    let mut stream = Stream::named(seed, ["distances"]);
    let mut distances = vec![0.0; models * models];
    for i in 0..models {
        for j in i + 1..models {
            distances[i * models + j] = stream.uniform();
            distances[j * models + i] = distances[i * models + j];
        }
    }
    distances
}

/// `families` families of `size` models, near within and far between.
fn families(families: usize, size: usize) -> (Vec<f64>, Vec<usize>) {
    let models = families * size;
    let noise = random(models, 3);
    let family: Vec<usize> = (0..models).map(|model| model / size).collect();
    let distance = |cell: usize| {
        let (i, j) = (cell / models, cell % models);
        match (i == j, family[i] == family[j]) {
            (true, _) => 0.0,
            (_, true) => 0.1 + 0.2 * noise[cell],
            (_, false) => 0.9 + 0.1 * noise[cell],
        }
    };
    ((0..models * models).map(distance).collect(), family)
}

fn map(distances: &[f64], models: usize, perplexity: f64, seed: u64) -> Embedding {
    embed(distances, models, perplexity, &mut Stream::named(seed, ["map"])).unwrap()
}

/// The definition, over ordered pairs.
fn divergence(squared: &[f64], models: usize, perplexity: f64, points: &[[f64; 2]]) -> f64 {
    let mut conditional = vec![0.0; models * models];
    for i in 0..models {
        let row = &squared[i * models..(i + 1) * models];
        let out = &mut conditional[i * models..(i + 1) * models];
        conditional_probabilities(row, i, perplexity, out);
    }
    let pairs = || (0..models * models).map(|c| (c / models, c % models)).filter(|(i, j)| i != j);
    let weight = |i: usize, j: usize| {
        let [dx, dy] = [0, 1].map(|axis| points[i][axis] - points[j][axis]);
        1.0 / (1.0 + dx * dx + dy * dy)
    };
    let total: f64 = pairs().map(|(i, j)| weight(i, j)).sum();
    let term = |(i, j): (usize, usize)| {
        let p = (conditional[i * models + j] + conditional[j * models + i]) / (2 * models) as f64;
        let p = p.max(1e-12);
        p * (p / (weight(i, j) / total)).ln()
    };
    pairs().map(term).sum()
}

#[test]
fn each_row_has_the_perplexity_asked_for() {
    let models = 41;
    let squared = squared(&random(models, 1), models).unwrap();
    for perplexity in [2.0, 5.0, 30.0] {
        for (model, row) in squared.chunks_exact(models).enumerate() {
            let mut out = vec![0.0; models];
            conditional_probabilities(row, model, perplexity, &mut out);
            let entropy: f64 = out.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
            assert!((entropy - perplexity.ln()).abs() < 1e-4, "{} of {perplexity}", entropy.exp());
            assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert_eq!(out[model], 0.0);
        }
    }
}

#[test]
fn a_row_with_more_equals_than_neighbours_is_shared_among_them() {
    let squared = [0.0, 0.04, 0.04, 0.04, 0.04, 1.0];
    let mut out = [0.0; 6];
    conditional_probabilities(&squared, 0, 2.0, &mut out);
    for p in &out[1..5] {
        assert!((p - 0.25).abs() < 1e-9);
    }
    assert_eq!(out[5], 0.0);
}

#[test]
fn the_gradient_is_that_of_the_divergence() {
    let (models, perplexity) = (11, 4.0);
    let squared = squared(&random(models, 5), models).unwrap();
    let affinities = Affinities::new(&squared, models, perplexity);
    let mut stream = Stream::named(2, ["points"]);
    let mut axis = || (0..models).map(|_| 3.0 * stream.uniform()).collect::<Vec<f64>>();
    let points = [axis(), axis()];
    let mut forces = Forces::new(models);
    let partition = forces.update(&affinities, &points);
    let at = |axis: usize, model: usize, shift: f64| {
        let mut moved: Vec<[f64; 2]> =
            points[0].iter().zip(&points[1]).map(|(&x, &y)| [x, y]).collect();
        moved[model][axis] += shift;
        divergence(&squared, models, perplexity, &moved)
    };
    for axis in 0..2 {
        for model in 0..models {
            let numeric = (at(axis, model, 1e-5) - at(axis, model, -1e-5)) / 2e-5;
            let (pull, push) = (forces.attraction[axis][model], forces.repulsion[axis][model]);
            let analytic = 4.0 * (pull - push / partition);
            assert!((numeric - analytic).abs() < 1e-7, "{numeric} is not {analytic}");
        }
    }
}

#[test]
fn the_divergence_is_that_of_the_points() {
    let models = 37;
    let distances = random(models, 7);
    let found = map(&distances, models, 6.0, 1);
    let expected = divergence(&squared(&distances, models).unwrap(), models, 6.0, &found.points);
    assert!((found.kl - expected).abs() < 1e-9, "{} is not {expected}", found.kl);
    assert!(found.kl > 0.0 && found.iterations <= 1000);
}

#[test]
fn far_families_stay_apart() {
    let (distances, family) = families(6, 15);
    let found = map(&distances, 90, 10.0, 1);
    let apart = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let points = &found.points;
    let drawn: Vec<f64> =
        points.iter().flat_map(|&a| points.iter().map(move |&b| apart(a, b))).collect();
    assert_eq!(crate::neighbour_purity(&drawn, &family, 5).unwrap(), Some(1.0));
    let start = map(&distances, 90, 10.0, 2);
    assert!((start.kl - found.kl).abs() < 0.1, "{} from another start {}", found.kl, start.kl);
}

#[test]
fn one_stream_gives_one_map() {
    let (distances, _) = families(3, 9);
    let bits = |seed| {
        map(&distances, 27, 5.0, seed)
            .points
            .into_iter()
            .map(|point| point.map(f64::to_bits))
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(4), bits(4));
    assert_ne!(bits(4), bits(5));
}

#[test]
fn infinite_distances_count_as_one_and_the_diagonal_not() {
    let models = 12;
    let mut infinite = random(models, 9);
    let mut ones = infinite.clone();
    infinite[1] = INF;
    infinite[models] = INF;
    infinite[0] = INF;
    (ones[1], ones[models]) = (1.0, 1.0);
    assert_eq!(map(&infinite, models, 3.0, 1), map(&ones, models, 3.0, 1));
}

#[test]
fn two_models_and_equal_ones_are_drawn() {
    let found = map(&[0.0, 0.5, 0.5, 0.0], 2, 1.0, 1);
    assert!(found.points.iter().flatten().all(|value| value.is_finite()));
    let equal = map(&[0.0; 25], 5, 2.0, 1);
    assert!(equal.points.iter().flatten().all(|value| value.is_finite()) && equal.kl.is_finite());
}

#[test]
fn impossible_input_is_refused() {
    let mut stream = Stream::named(1, ["map"]);
    let mut refused = |distances: &[f64], models, perplexity| {
        embed(distances, models, perplexity, &mut stream).is_err()
    };
    assert!(refused(&[0.0; 3], 2, 1.0));
    assert!(refused(&[0.0], 1, 1.0));
    assert!(refused(&[], 0, 1.0));
    assert!(refused(&[0.0; 9], 3, 2.5));
    assert!(refused(&[0.0; 9], 3, 0.5));
    assert!(refused(&[0.0; 9], 3, f64::NAN));
    assert!(refused(&[0.0, f64::NAN, 0.0, 0.0], 2, 1.0));
    assert!(refused(&[0.0, -0.1, -0.1, 0.0], 2, 1.0));
}

//! A map of models from their distances: exact t-SNE (van der Maaten and Hinton 2008).
//!
//! ```text
//! p_{j|i} ~ exp(-beta_i D_ij^2), beta_i such that the entropy of row i is ln(perplexity)
//! p_ij = (p_{j|i} + p_{i|j}) / 2n            q_ij = w_ij / Z, w_ij = 1 / (1 + |y_i - y_j|^2), Z = sum of all w
//! minimise KL = sum p_ij ln(p_ij / q_ij); gradient_i = 4 sum_j (p_ij - q_ij) w_ij (y_i - y_j)
//! ```
//! Settings are those of scikit-learn's exact method (momentum, gains, early exaggeration, stop rules), with squared
//! distances as its current versions take them. Maps of saturated distances show families well and lie about what
//! is between them: read [`crate::neighbour_purity`] and [`crate::silhouette`] beside them.

use std::ops::Range;

use crate::{Error, Result, Stream};

/// Steps of the bisection for a row's perplexity, and how near its entropy must come.
const BISECTIONS: usize = 100;
const ENTROPY_TOLERANCE: f64 = 1e-5;

/// Smallest probability of a pair.
const FLOOR: f64 = 1e-12;

/// Standard deviation of the first positions.
const SPREAD: f64 = 1e-4;

/// Factor on attraction in the first phase: clusters form while there is room between them.
const EXAGGERATION: f64 = 12.0;

/// How often stop rules look, and when they stop.
const CHECK_EVERY: usize = 50;
const LEAST_GRADIENT: f64 = 1e-7;

/// Pairs summed up side by side: what vector registers hold, and a fixed order of sums.
const LANES: usize = 4;

/// The two phases of the descent.
const PHASES: [Phase; 2] = [
    Phase { iterations: 0..250, exaggeration: EXAGGERATION, momentum: 0.5, patience: 250 },
    Phase { iterations: 250..1000, exaggeration: 1.0, momentum: 0.8, patience: 300 },
];

#[derive(Debug, Clone)]
struct Phase {
    iterations: Range<usize>,
    exaggeration: f64,
    momentum: f64,
    /// Iterations without a smaller divergence before it stops.
    patience: usize,
}

/// A map.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// `[x, y]` of each model.
    pub points: Vec<[f64; 2]>,
    /// Kullback-Leibler divergence of these points, in nats: what could not be drawn.
    pub kl: f64,
    /// Iterations run, at most 1000.
    pub iterations: usize,
}

/// Draws a map of `models` models.
///
/// The first positions come from `stream`; the same stream gives the same map to the bit on one machine. Costs
/// `models^2` a thousand times: about a second for 700.
///
/// # Shapes
/// `distances`: `[models, models]`, each at least 0; `+inf` counts as 1, the diagonal is not looked at.
///
/// # Errors
/// When there are not `models^2` distances, one is NaN, negative or beyond 1e154, there are fewer than two models, or the
/// perplexity, a number of neighbours, is not in `[1, models - 1]`.
pub fn embed(
    distances: &[f64],
    models: usize,
    perplexity: f64,
    stream: &mut Stream,
) -> Result<Embedding> {
    let squared = squared(distances, models)?;
    if !(1.0..=(models - 1) as f64).contains(&perplexity) {
        return Err(Error::Empty("perplexity must lie between 1 and the number of other models"));
    }
    let affinities = Affinities::new(&squared, models, perplexity);
    let mut normal = vec![0.0_f32; 2 * models];
    stream.fill_normal(&mut normal);
    let axis = |axis: usize| {
        normal.iter().skip(axis).step_by(2).map(|&value| SPREAD * f64::from(value)).collect()
    };
    let mut points = [axis(0), axis(1)];
    let mut forces = Forces::new(models);
    let mut iterations = 0;
    for phase in PHASES {
        iterations = descend(&affinities, &mut points, &mut forces, phase);
    }
    let partition = forces.update(&affinities, &points);
    Ok(Embedding {
        kl: affinities.divergence(&points, partition),
        points: points[0].iter().zip(&points[1]).map(|(&x, &y)| [x, y]).collect(),
        iterations,
    })
}

/// Squares of the distances, infinite ones as 1, the diagonal as 0.
fn squared(distances: &[f64], models: usize) -> Result<Vec<f64>> {
    if models.checked_mul(models) != Some(distances.len()) {
        return Err(Error::Length {
            what: "distances between models",
            expected: models.saturating_mul(models),
            actual: distances.len(),
        });
    }
    if models < 2 {
        return Err(Error::Empty("a map needs two models"));
    }
    let square = |(cell, &distance): (usize, &f64)| {
        if cell / models == cell % models {
            return Ok(0.0);
        }
        if distance.is_nan() {
            return Err(Error::NanDistance);
        }
        let square = if distance == f64::INFINITY { 1.0 } else { distance * distance };
        if distance < 0.0 || square == f64::INFINITY {
            return Err(Error::Empty("a map takes distances that are neither negative nor huge"));
        }
        Ok(square)
    };
    distances.iter().enumerate().map(square).collect()
}

/// How near any two models should lie.
struct Affinities {
    models: usize,
    /// `p_ij` of each `i < j`, row by row; the others mirror them.
    pairs: Vec<f64>,
}

impl Affinities {
    fn new(squared: &[f64], models: usize, perplexity: f64) -> Self {
        let mut conditional = vec![0.0; models * models];
        let rows = conditional.chunks_exact_mut(models).zip(squared.chunks_exact(models));
        for (model, (out, row)) in rows.enumerate() {
            conditional_probabilities(row, model, perplexity, out);
        }
        let mut pairs = Vec::with_capacity(models * (models - 1) / 2);
        for i in 0..models {
            for j in i + 1..models {
                let both = conditional[i * models + j] + conditional[j * models + i];
                pairs.push((both / (2 * models) as f64).max(FLOOR));
            }
        }
        Self { models, pairs }
    }

    /// Each model's pairs with later ones.
    fn rows(&self) -> impl Iterator<Item = (usize, &[f64])> {
        let mut rest = self.pairs.as_slice();
        (0..self.models).map(move |model| {
            let (row, later) = rest.split_at(self.models - 1 - model);
            rest = later;
            (model, row)
        })
    }

    /// Kullback-Leibler divergence of points whose `w` sum to `partition`.
    fn divergence(&self, [x, y]: &[Vec<f64>; 2], partition: f64) -> f64 {
        let mut sum = 0.0;
        for (i, row) in self.rows() {
            let later = x[i + 1..].iter().zip(&y[i + 1..]);
            for (&p, (&xj, &yj)) in row.iter().zip(later) {
                let apart = (x[i] - xj).powi(2) + (y[i] - yj).powi(2);
                sum += p * (p * partition * (1.0 + apart)).ln();
            }
        }
        2.0 * sum
    }
}

/// `p_{j|i}` of one row: `beta` by bisection until the row has the perplexity asked for.
///
/// Rows that cannot have it (more equally near models than that) come as near as the bisection does.
fn conditional_probabilities(squared: &[f64], model: usize, perplexity: f64, out: &mut [f64]) {
    let others = |&(other, _): &(usize, &f64)| other != model;
    let apart = || squared.iter().enumerate().filter(others).map(|(_, &square)| square);
    // Differences to the nearest keep the sum above 1, however large beta grows.
    let nearest = apart().fold(f64::INFINITY, f64::min);
    let target = perplexity.ln();
    let (mut beta, mut low, mut high) = (1.0_f64, 0.0, f64::INFINITY);
    for _ in 0..BISECTIONS {
        let (mut sum, mut moment) = (0.0, 0.0);
        for square in apart() {
            let weight = (-beta * (square - nearest)).exp();
            sum += weight;
            moment += weight * (square - nearest);
        }
        let excess = sum.ln() + beta * moment / sum - target;
        if excess.abs() < ENTROPY_TOLERANCE {
            break;
        }
        if excess > 0.0 {
            low = beta;
            beta = if high.is_infinite() { 2.0 * beta } else { 0.5 * (beta + high) };
        } else {
            high = beta;
            beta = 0.5 * (beta + low);
        }
    }
    let mut sum = 0.0;
    for (other, (out, &square)) in out.iter_mut().zip(squared).enumerate() {
        *out = if other == model { 0.0 } else { (-beta * (square - nearest)).exp() };
        sum += *out;
    }
    out.iter_mut().for_each(|value| *value /= sum);
}

/// One phase of gradient descent with momentum and gains; gives the number of the last iteration run.
fn descend(
    affinities: &Affinities,
    points: &mut [Vec<f64>; 2],
    forces: &mut Forces,
    phase: Phase,
) -> usize {
    let models = affinities.models;
    let learning_rate = (models as f64 / EXAGGERATION / 4.0).max(50.0);
    let mut updates = [vec![0.0; models], vec![0.0; models]];
    let mut gains = [vec![1.0_f64; models], vec![1.0_f64; models]];
    let (mut best, mut best_at) = (f64::INFINITY, phase.iterations.start);
    for iteration in phase.iterations.clone() {
        let checked = (iteration + 1).is_multiple_of(CHECK_EVERY);
        let partition = forces.update(affinities, points);
        let divergence = if checked { affinities.divergence(points, partition) } else { 0.0 };
        let mut squares = 0.0;
        for axis in 0..2 {
            let pulls = forces.attraction[axis].iter().zip(&forces.repulsion[axis]);
            let state = updates[axis].iter_mut().zip(&mut gains[axis]);
            for ((point, (update, gain)), (&pull, &push)) in
                points[axis].iter_mut().zip(state).zip(pulls)
            {
                let gradient = 4.0 * (phase.exaggeration * pull - push / partition);
                *gain = if *update * gradient < 0.0 { *gain + 0.2 } else { *gain * 0.8 };
                *gain = gain.max(0.01);
                let step = *gain * gradient;
                squares += step * step;
                *update = phase.momentum * *update - learning_rate * step;
                *point += *update;
            }
        }
        if checked {
            if divergence < best {
                (best, best_at) = (divergence, iteration);
            } else if iteration - best_at > phase.patience {
                return iteration + 1;
            }
            if squares.sqrt() <= LEAST_GRADIENT {
                return iteration + 1;
            }
        }
    }
    phase.iterations.end
}

/// Sums over the others for each model, by axis.
struct Forces {
    /// `sum_j p_ij w_ij (y_i - y_j)`.
    attraction: [Vec<f64>; 2],
    /// `sum_j w_ij^2 (y_i - y_j)`.
    repulsion: [Vec<f64>; 2],
    /// `w_ij` of one model and all later ones.
    weights: Vec<f64>,
}

impl Forces {
    fn new(models: usize) -> Self {
        let zeros = || [vec![0.0; models], vec![0.0; models]];
        Self { attraction: zeros(), repulsion: zeros(), weights: vec![0.0; models] }
    }

    /// Computes them anew and gives Z, the sum of `w` over all ordered pairs.
    fn update(&mut self, affinities: &Affinities, [x, y]: &[Vec<f64>; 2]) -> f64 {
        for sums in self.attraction.iter_mut().chain(&mut self.repulsion) {
            sums.fill(0.0);
        }
        let mut partition = 0.0;
        for (i, pairs) in affinities.rows() {
            let weights = &mut self.weights[i + 1..];
            partition += closeness([x[i], y[i]], [&x[i + 1..], &y[i + 1..]], weights);
            for (axis, places) in [x, y].into_iter().enumerate() {
                let (pulls, pushes) = (&mut self.attraction[axis], &mut self.repulsion[axis]);
                let later = (&mut pulls[i + 1..], &mut pushes[i + 1..]);
                let [pull, push] =
                    add_forces(places[i], &places[i + 1..], pairs, weights, later.0, later.1);
                pulls[i] += pull;
                pushes[i] += push;
            }
        }
        2.0 * partition
    }
}

/// `w` between one model and others; gives their sum.
#[inline(never)] // As a call of its own the compiler knows that slices don't overlap.
fn closeness([x, y]: [f64; 2], [xs, ys]: [&[f64]; 2], out: &mut [f64]) -> f64 {
    for ((out, xj), yj) in out.iter_mut().zip(xs).zip(ys) {
        let (dx, dy) = (x - xj, y - yj);
        *out = 1.0 / (1.0 + dx * dx + dy * dy);
    }
    let (chunks, rest) = out.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, w)| *sum += w);
    }
    sums.iter().chain(rest).sum()
}

/// Takes what pulls and pushes one model, `p w d` and `w^2 d`, from the others, and gives the sums.
#[inline(never)] // As a call of its own the compiler knows that slices don't overlap.
fn add_forces(
    at: f64,
    places: &[f64],
    pairs: &[f64],
    weights: &[f64],
    pulls: &mut [f64],
    pushes: &mut [f64],
) -> [f64; 2] {
    let (places, last_places) = places.as_chunks::<LANES>();
    let (pairs, last_pairs) = pairs.as_chunks::<LANES>();
    let (weights, last_weights) = weights.as_chunks::<LANES>();
    let (pulls, last_pulls) = pulls.as_chunks_mut::<LANES>();
    let (pushes, last_pushes) = pushes.as_chunks_mut::<LANES>();
    let (mut pull_sums, mut push_sums) = ([0.0; LANES], [0.0; LANES]);
    let sums = pulls.iter_mut().zip(pushes);
    for (((place, p), w), (pull, push)) in places.iter().zip(pairs).zip(weights).zip(sums) {
        for lane in 0..LANES {
            let step = w[lane] * (at - place[lane]);
            let (near, far) = (p[lane] * step, w[lane] * step);
            pull[lane] -= near;
            push[lane] -= far;
            pull_sums[lane] += near;
            push_sums[lane] += far;
        }
    }
    for other in 0..last_places.len() {
        let step = last_weights[other] * (at - last_places[other]);
        let (near, far) = (last_pairs[other] * step, last_weights[other] * step);
        last_pulls[other] -= near;
        last_pushes[other] -= far;
        pull_sums[0] += near;
        push_sums[0] += far;
    }
    [pull_sums.iter().sum(), push_sums.iter().sum()]
}

#[cfg(test)]
mod tests;

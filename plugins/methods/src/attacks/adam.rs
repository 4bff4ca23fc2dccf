//! Adam, by whose steps two of the attacks descend.

use tch::Tensor;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// State of Adam (Kingma and Ba, 2015) for a batch whose rows may be dropped on the way.
pub(super) struct Adam {
    mean: Tensor,
    square: Tensor,
    learning_rate: f64,
    steps: i32,
}

impl Adam {
    pub(super) fn new(like: &Tensor, learning_rate: f64) -> Self {
        Self { mean: like.zeros_like(), square: like.zeros_like(), learning_rate, steps: 0 }
    }

    /// Steps `variable` down along `gradient`.
    pub(super) fn step(&mut self, variable: &mut Tensor, gradient: &Tensor) {
        self.steps += 1;
        let _ = self.mean.lerp_(gradient, 1.0 - BETA_1);
        self.square *= BETA_2;
        self.square += gradient * gradient * (1.0 - BETA_2);
        let correction_1 = 1.0 - BETA_1.powi(self.steps);
        let correction_2 = 1.0 - BETA_2.powi(self.steps);
        let mut divisor = self.square.sqrt();
        divisor /= correction_2.sqrt();
        divisor += EPSILON;
        *variable -= &self.mean * (self.learning_rate / correction_1) / divisor;
    }

    /// Keeps some of the rows.
    pub(super) fn keep(&mut self, rows: &Tensor) {
        self.mean = self.mean.index_select(0, rows);
        self.square = self.square.index_select(0, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_steps_are_those_of_the_paper() {
        // g = 2, then 1: m = .2, .28; v = .004, .004996; corrected m = 2, .28/.19; v = 4, .004996/.001999.
        let mut x = Tensor::from_slice(&[1.0_f32]);
        let mut adam = Adam::new(&x, 0.1);
        adam.step(&mut x, &Tensor::from_slice(&[2.0_f32]));
        assert!((x.double_value(&[0]) - 0.9).abs() < 1e-6);
        adam.step(&mut x, &Tensor::from_slice(&[1.0_f32]));
        let second = 0.1 * (0.28 / 0.19) / (0.004_996_f64 / 0.001_999).sqrt();
        assert!((x.double_value(&[0]) - (0.9 - second)).abs() < 1e-6);
    }
}

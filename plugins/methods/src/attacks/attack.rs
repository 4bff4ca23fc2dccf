//! The choice of an attack by its name.

use std::fmt::Display;

use bertillon::{Error, Result, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Boundary, Bp, CarliniWagner, Crafted, Ddn, DeepFool, Pgd, Start, Starts};

/// An attack and its parameters: `{ name = "bp", steps = 50 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Attack {
    /// IP-Guard's own objective.
    Boundary(Boundary),
    /// Boundary Projection.
    Bp(Bp),
    /// Carlini and Wagner's.
    Cw(CarliniWagner),
    /// DeepFool.
    DeepFool(DeepFool),
    /// Decoupled direction and norm.
    Ddn(Ddn),
    /// Projected gradient descent.
    Pgd(Pgd),
}

impl Default for Attack {
    fn default() -> Self {
        Self::Boundary(Boundary::default())
    }
}

impl Attack {
    /// Refuses impossible parameters.
    ///
    /// # Errors
    /// When a value is out of its range; the error names it.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Boundary(attack) => attack.check(),
            Self::Bp(attack) => attack.check(),
            Self::Cw(attack) => attack.check(),
            Self::DeepFool(attack) => attack.check(),
            Self::Ddn(attack) => attack.check(),
            Self::Pgd(attack) => attack.check(),
        }
    }

    /// Crafts one query from each start.
    ///
    /// Randomness (targets, directions where the gradient is zero) comes from `stream`.
    ///
    /// # Errors
    /// When the model fails, answers NaN, or is not differentiable.
    pub fn craft(&self, starts: &Starts<'_>, stream: &mut Stream) -> Result<Crafted> {
        match self {
            Self::Boundary(attack) => attack.craft(starts, stream),
            Self::Bp(attack) => attack.craft(starts, stream),
            Self::Cw(attack) => attack.craft(starts),
            Self::DeepFool(attack) => attack.craft(starts),
            Self::Ddn(attack) => attack.craft(starts, stream),
            Self::Pgd(attack) => attack.craft(starts, stream),
        }
    }

    /// Rough number of forward passes for one query, a gradient counting as three; fewer where queries are done early.
    pub fn forwards(&self) -> f64 {
        let gradients = match self {
            Self::Boundary(attack) => attack.iterations,
            Self::Bp(attack) => attack.steps,
            Self::Cw(attack) => attack.search_steps * attack.steps,
            Self::DeepFool(attack) => attack.steps * attack.candidates,
            Self::Ddn(attack) => attack.steps,
            Self::Pgd(attack) => attack.steps,
        };
        3.0 * f64::from(gradients)
    }

    /// What images it starts from.
    pub fn start(&self) -> Start {
        match self {
            Self::Boundary(attack) => attack.start,
            _ => Start::Training,
        }
    }
}

/// An error that names the parameter unless its value `holds`.
pub(super) fn require(
    holds: bool,
    name: &'static str,
    value: impl Display,
    allowed: &str,
) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::parameter(name, value, format!("must be {allowed}"))),
    }
}

#[cfg(test)]
mod tests;

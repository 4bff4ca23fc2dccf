//! Attacks that craft queries: one file an attack, each by gradients of the owner's own model.
//!
//! All of them ask the network at 8-bit points only and keep the best of these, so that what they find is what a
//! service receives; rounding afterwards would undo most of the smaller distortions.

mod adam;
mod attack;
mod best;
mod boundary;
mod bp;
mod cw;
mod ddn;
mod deepfool;
mod gradient;
mod pgd;
mod starts;

pub use attack::Attack;
pub use best::Crafted;
pub use boundary::{Boundary, Destination, Start};
pub use bp::Bp;
pub use cw::CarliniWagner;
pub use ddn::Ddn;
pub use deepfool::DeepFool;
pub use pgd::{Norm, Pgd};
pub use starts::{Starts, batch, logit_scale};

//! TorchScript files as models ([`TorchScriptModel`]), and models as TorchScript files ([`export()`]).

mod export;
mod frozen;
mod model;

pub use export::export;
pub use model::{Normalisation, TorchScriptModel};

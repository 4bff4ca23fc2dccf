//! TorchScript files as models ([`TorchScriptModel`]), and models as TorchScript files ([`export()`]).

mod cuda;
mod export;
mod frozen;
mod model;

pub use cuda::exact_cuda;
pub use export::export;
pub use model::{Normalisation, TorchScriptModel};

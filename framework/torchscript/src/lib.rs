//! TorchScript files as models ([`TorchScriptModel`]), and models as TorchScript files ([`export()`]).

mod code;
mod cuda;
mod export;
mod frozen;
mod interface;
mod model;

/// Digest of this crate's source, for cache keys.
pub const SOURCE_DIGEST: &str = env!("BERTILLON_TORCHSCRIPT_DIGEST");

pub use cuda::exact_cuda;
pub use export::export;
pub use interface::{ColourOrder, Interface, Normalisation, Outputs};
pub use model::TorchScriptModel;

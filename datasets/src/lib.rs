//! Where images and vanillas come from: Fashion-MNIST, folders of images, the zoo of small networks, TorchScript files, recorded answers.
//!
//! Nothing in the framework names what is here: the plugins register themselves, as a third party's would.

mod fashion_mnist;
pub mod idx;
mod image_folder;
pub mod recorded;
mod stamp;
mod torchscript;
mod zoo;

pub use fashion_mnist::FashionMnist;
pub use idx::{ElementKind, Idx};
pub use image_folder::{Classes, ImageFolder, Parameters as ImageFolderParameters};
pub use recorded::RecordedAnswers;
pub use torchscript::{Parameters as TorchScriptParameters, TorchScript};
pub use zoo::{Card, CardEntry, Parameters as ZooParameters, Zoo, card, train};

//! JPEG, histogram and posterize against Pillow, byte for byte; `golden/make.py` made the files.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{fs, path::Path, sync::Mutex};

use bertillon::{
    Derived, ImageShape, Images, Mode, Model, Parameter, Result, Workbench, registry, testkit,
};
use bertillon_variants as _;
use tch::{Device, Tensor};

/// A network that remembers the images it was shown.
struct Camera(ImageShape, std::sync::Arc<Mutex<Vec<u8>>>);

impl Model for Camera {
    fn input(&self) -> ImageShape {
        self.0
    }
    fn classes(&self) -> usize {
        1
    }
    fn logits(&self, images: &Tensor, _: Mode) -> Result<Tensor> {
        *self.1.lock().unwrap() = Images::from_tensor(images)?.as_bytes().to_vec();
        Ok(images.mean_dim(&[1_i64, 2, 3][..], false, tch::Kind::Float).unsqueeze(1))
    }
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }
    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self(self.0, self.1.clone())))
    }
}

struct Golden {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn golden(name: &str) -> Golden {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let file = fs::read(folder.join(format!("{name}.npy"))).unwrap();
    let array = npyz::NpyFile::new(&file[..]).unwrap();
    let shape = array.shape().iter().map(|&d| usize::try_from(d).unwrap()).collect();
    Golden { shape, bytes: array.into_vec().unwrap() }
}

/// `[N, H, W]` or `[N, H, W, C]` to images `[C, H, W]`.
fn images(golden: &Golden) -> Images {
    let (height, width) = (golden.shape[1], golden.shape[2]);
    let channels = golden.shape.get(3).copied().unwrap_or(1);
    let shape = ImageShape { channels, height, width };
    let planes = golden.bytes.chunks_exact(shape.samples()).flat_map(|image| {
        (0..channels).flat_map(move |c| image.iter().skip(c).step_by(channels).copied())
    });
    Images::new(planes.collect::<Vec<_>>(), shape).unwrap()
}

fn derive(plugin: &str, parameters: &str, model: Box<dyn Model>) -> Derived {
    let all = registry::of_kind(registry::PluginKind::Variant).unwrap();
    let entry = all.iter().find(|entry| entry.name == plugin).unwrap();
    let registry::Builder::Variant(build) = entry.builder else { unreachable!() };
    let mut workbench: Workbench = testkit::workbench(0);
    build(parameters).unwrap().derive(model, &mut workbench).unwrap()
}

fn check(name: &str, plugin: &str, parameters: &str, expected: &[u8]) {
    let source = golden(name);
    let images_in = images(&source);
    let expected = images(&Golden { shape: source.shape, bytes: expected.to_vec() });
    let seen = std::sync::Arc::default();
    let camera = Box::new(Camera(images_in.shape(), std::sync::Arc::clone(&seen)));
    let model = derive(plugin, parameters, camera).model;
    let _ = model.logits(&images_in.tensor(Device::Cpu), Mode::Evaluation).unwrap();
    let seen = seen.lock().unwrap();
    let different = seen.iter().zip(expected.as_bytes()).filter(|(a, b)| a != b).count();
    assert_eq!(different, 0, "{name} {plugin} {parameters}: samples of {}", seen.len());
}

fn check_each<T: std::fmt::Display>(name: &str, plugin: &str, key: &str, values: &[T]) {
    let expected = golden(&format!("{name}_{plugin}"));
    assert_eq!(expected.shape[0], values.len());
    let size = expected.bytes.len() / values.len();
    for (value, expected) in values.iter().zip(expected.bytes.chunks_exact(size)) {
        check(name, plugin, &format!(r#"{{"{key}": {value}}}"#), expected);
    }
}

#[test]
fn jpeg_gives_the_bytes_of_pillow() {
    for name in ["grey_28x28", "rgb_17x23"] {
        check_each(name, "jpeg", "quality", &[10, 30, 50, 75, 85, 90, 95]);
    }
    check_each("rgb_32x32", "jpeg", "quality", &[30, 90]);
}

#[test]
fn jpeg_gives_the_bytes_of_pillow_at_every_quality() {
    let all: Vec<u8> = (1..=100).collect();
    check_each("rgb_8x9", "jpeg", "quality", &all);
    check_each("grey_9x8", "jpeg", "quality", &all);
}

#[test]
fn posterize_gives_the_bytes_of_pillow() {
    for name in ["grey_28x28", "rgb_17x23", "rgb_32x32"] {
        check_each(name, "posterize", "bits", &[3, 4, 5, 6, 7]);
    }
}

#[test]
fn histogram_gives_the_bytes_of_pillow() {
    for name in ["grey_28x28", "rgb_17x23", "rgb_32x32"] {
        check(name, "histogram", "{}", &golden(&format!("{name}_histogram")).bytes);
    }
}

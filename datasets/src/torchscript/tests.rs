//! A manifest is checked as a whole, and its models answer as PyTorch's do.

use std::{collections::BTreeSet, fs};

use bertillon::{
    ImageShape, Images, Interpolation, LabelledImages, Mode, Preprocessing, Resize, Stream,
    Workbench,
    registry::{self, Builder, PluginKind},
    testkit::{self, ToyModel},
};
use bertillon_torchscript::{ColourOrder, Outputs, export};
use bertillon_variants as _;
use tch::{Kind, Tensor};
use tempfile::TempDir;

use super::*;
use crate::Zoo;

/// A folder with a manifest and a network of the test kit, `toy.pt`: 1x8x8 pixels, 4 classes.
struct Place(TempDir);

impl Place {
    fn with(manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("models.toml"), manifest).unwrap();
        export(&ToyModel::new(1), &folder.path().join("toy.pt"), Device::Cpu).unwrap();
        Self(folder)
    }

    fn parameters(&self) -> Parameters {
        Parameters { manifest: self.0.path().join("models.toml"), ..Parameters::default() }
    }

    fn collection(&self) -> Result<TorchScript> {
        TorchScript::configure(self.parameters())
    }

    /// What is said about the manifest, without its path.
    fn mistakes(&self) -> String {
        let error = self.collection().unwrap_err().to_string();
        let path = self.parameters().manifest;
        error.strip_prefix(&format!("{}: ", path.display())).expect(&error).to_owned()
    }
}

const TOY: &str = "[[model]]\nname = \"toy\"\nfile = \"toy.pt\"\ninput = [1, 8, 8]\nclasses = 4\n";

fn digest_of(manifest: &str) -> String {
    Place::with(manifest).collection().unwrap().vanillas()[0].digest.clone()
}

#[test]
fn what_a_model_leaves_out_is_taken_from_the_defaults() {
    let place = Place::with(
        "[defaults]\ninput = [1, 8, 8]\nclasses = 4\nresize = 10\nmean = 0.5\nstd = 0.25\nlicence = \"MIT\"\n\
         [[model]]\nname = \"a\"\nfile = \"toy.pt\"\naccuracy = 0.5\n\
         [[model]]\nname = \"b\"\nfile = \"toy.pt\"\nancestry = \"a\"\nresize = [8, 12]\ninterpolation = \"bicubic\"\n\
         keeps_native = true\nscale = 2\n",
    );
    let collection = place.collection().unwrap();
    let [a, b] = collection.vanillas() else { panic!("{collection:?}") };
    assert_eq!((a.name.as_str(), a.ancestry.as_str(), a.accuracy), ("a", "a", Some(0.5)));
    assert_eq!((b.name.as_str(), b.ancestry.as_str(), b.accuracy), ("b", "a", None));
    let cut = |resize, interpolation, keeps_native| {
        Some(Preprocessing { resize, interpolation, keeps_native })
    };
    assert_eq!(a.preprocessing, cut(Resize::Shorter(10), Interpolation::Bilinear, false));
    assert_eq!(b.preprocessing, cut(Resize::Exact([8, 12]), Interpolation::Bicubic, true));
    let affine = |index: usize| {
        let normalisation = &collection.networks[index].interface.normalisation;
        (normalisation.scale.clone(), normalisation.offset.clone())
    };
    assert_eq!(affine(0), (vec![4.0], vec![-2.0]));
    // Its own, whole.
    assert_eq!(affine(1), (vec![2.0], vec![0.0]));
}

#[test]
fn names_choose_in_the_manifests_order() {
    let place = Place::with(&format!("{TOY}{}", TOY.replace("\"toy\"", "\"other\"")));
    let with = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        TorchScript::configure(Parameters { names, ..place.parameters() })
    };
    let names = |collection: TorchScript| -> Vec<String> {
        collection.vanillas().iter().map(|vanilla| vanilla.name.clone()).collect()
    };
    assert_eq!(names(with(&["other", "toy"]).unwrap()), ["toy", "other"]);
    assert_eq!(names(with(&["other"]).unwrap()), ["other"]);
    let error = with(&["othr"]).unwrap_err().to_string();
    assert!(error.contains("`names` = othr") && error.contains("did you mean `other`?"), "{error}");
}

#[test]
fn a_digest_names_all_that_answers_depend_on_and_nothing_else() {
    let same =
        [TOY.to_owned(), format!("{TOY}accuracy = 0.5\nlicence = \"MIT\"\nmean = 0\nstd = 1\n")];
    let same: BTreeSet<String> = same.iter().map(|manifest| digest_of(manifest)).collect();
    assert_eq!(same.len(), 1);
    let changes = [
        "resize = 8",
        "resize = 9",
        "interpolation = \"nearest\"",
        "keeps_native = true",
        "scale = 2",
        "offset = 2",
    ];
    let others: BTreeSet<String> =
        changes.iter().map(|change| digest_of(&format!("{TOY}{change}\n"))).collect();
    assert_eq!(others.len(), changes.len());
    assert!(others.is_disjoint(&same));
    // What only a colour network, or another file, can have.
    let given = Interface::new(ImageShape { channels: 3, height: 8, width: 8 }, 10);
    let stretched = Preprocessing::stretched(given.input);
    let of = |bytes: &[u8], interface: &Interface| {
        preparation::digest(&blake3::hash(bytes), interface, &stretched)
    };
    let mirrored = Interface { colours: ColourOrder::Bgr, ..given.clone() };
    let softmax = Interface { outputs: Outputs::Probabilities, ..given.clone() };
    let digests: BTreeSet<String> =
        [of(b"a", &given), of(b"b", &given), of(b"a", &mirrored), of(b"a", &softmax)].into();
    assert_eq!(digests.len(), 4);
}

#[test]
fn all_mistakes_are_told_at_once_where_they_stand() {
    let place = Place::with(
        "[defaults]\nname = \"x\"\n\n[[model]]\nnmae = \"a\"\nfile = \"../a.pt\"\ninput = [224, 224, 3]\n\
         classes = \"ten\"\ncolour = \"brg\"\n\n[[model]]\nname = \"b\"\nfile = \"b.pt\"\naccuracy = 76\n\
         digest = \"12\"\n",
    );
    let expected = [
        "line 2, column 1: unknown key `name`: not a key of [defaults]; known here: ",
        "line 4, column 1: [[model]] has no `name`: `name` is missing",
        "line 5, column 1: unknown key `nmae`: not a key of [[model]]; did you mean `name`?",
        "line 6, column 8: `file` can't be `../a.pt`: no path below the folder, without `..`; set `path`",
        "line 7, column 9: `input` can't be [224, 224, 3]: there are 1 or 3 channels, and they come first; did you mean \
         [3, 224, 224]?",
        "line 8, column 11: `classes` is a string, must be a whole number",
        "line 9, column 10: `colour` can't be `brg`: not a value of `colour`; did you mean `bgr`?",
        "line 11, column 1: [[model]] has no `input`: `input` is missing; or in [defaults], for all models",
        "line 11, column 1: [[model]] has no `classes`: `classes` is missing; or in [defaults], for all models",
        "line 14, column 12: `accuracy` can't be 76: must lie in (0, 1], a share such as 0.76",
        "line 15, column 10: `digest` can't be `12`: must be 64 hexadecimal digits; `sha256sum FILE`",
    ];
    let found = place.mistakes();
    assert_eq!(found.lines().count(), expected.len(), "{found}");
    for (found, expected) in found.lines().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn impossible_values_are_refused_with_what_is_possible() {
    let colour = TOY.replace("[1, 8, 8]", "[3, 8, 8]");
    let cases = [
        (
            TOY,
            "mean = [0.1, 0.2]\nstd = 1",
            "line 6, column 8: `mean` has 2 numbers for 1 channels",
        ),
        (&colour, "mean = [123.7, 116.3, 103.5]\nstd = 58", "divide `mean` and `std` by 255"),
        (TOY, "mean = 0.5", "line 6, column 8: `mean` has no `std` beside it; say `std = 1`"),
        (TOY, "std = 0.5", "`std` has no `mean` beside it"),
        (TOY, "mean = 0.5\nstd = 0", "line 7, column 7: `std` must be above 0"),
        (TOY, "mean = 0.5\nstd = 0.5\nscale = 2", "`scale` or `offset` beside `mean` or `std`"),
        (TOY, "scale = 0", "`scale` must not be 0"),
        (TOY, "scale = nan", "`scale` can't be nan: must lie in the finite numbers"),
        (TOY, "scale = \"2\"", "`scale` is a string, must be a number, or a list of them"),
        (
            TOY,
            "colour = \"bgr\"",
            "line 6, column 10: `colour` can't be `bgr`: the images are grey",
        ),
        (
            TOY,
            "resize = 7",
            "images resized to 7x7 have no centre of 8x8; at least the network's 8x8",
        ),
        (TOY, "resize = [8]", "`resize` has 1 numbers, must be a number or [height, width]"),
        (TOY, "resize = 8.5", "`resize` is a fraction, must be a number or [height, width]"),
        (TOY, "keeps_native = 1", "`keeps_native` is a whole number, must be true or false"),
        (TOY, TOY, "line 6, column 1: two models are named `toy`: again; rename one"),
        (TOY, "[[models]]", "unknown key `models`: not a key of a manifest; did you mean `model`?"),
        (TOY, "classes = 3", "not TOML: duplicate key"),
        ("", "", "a manifest has no `model`"),
        ("", "[model]\nname = \"a\"", "write `[[model]]`, in two brackets"),
    ];
    for (head, line, expected) in cases {
        let found = Place::with(&format!("{head}{line}\n")).mistakes();
        assert!(found.contains(expected), "{line:?}: {found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn files_are_found_and_held_against_their_digests_before_anything_else() {
    let bytes = fs::read(Place::with(TOY).0.path().join("toy.pt")).unwrap();
    let sha256 = format!("{:X}", Sha256::digest(&bytes));
    let blake3 = blake3::hash(&bytes).to_hex();
    for digest in [sha256.as_str(), blake3.as_str()] {
        Place::with(&format!("{TOY}digest = \"{digest}\"\n")).collection().unwrap();
    }
    let place = Place::with(&format!(
        "{TOY}digest = \"{}\"\n{}",
        "0".repeat(64),
        TOY.replace("\"toy\"", "\"b\"").replace("toy.pt", "absent.pt")
    ));
    let error = place.collection().unwrap_err().to_string();
    let [first, second] = error.lines().collect::<Vec<_>>()[..] else { panic!("{error}") };
    assert!(first.contains("toy.pt: it is not what the manifest's `digest` of `toy`"), "{first}");
    assert!(first.contains(&sha256.to_lowercase()), "{first}");
    assert!(second.contains("absent.pt: the file of `b` can't be read"), "{second}");

    let error = TorchScript::configure(Parameters::default()).unwrap_err().to_string();
    assert!(error.starts_with("`manifest` = \"\": name the manifest"), "{error}");
    let place = Place::with(TOY);
    let elsewhere = Parameters { path: Some("nowhere".into()), ..place.parameters() };
    let error = TorchScript::configure(elsewhere).unwrap_err().to_string();
    assert!(error.starts_with("nowhere/toy.pt: "), "{error}");

    let collection = place.collection().unwrap();
    fs::write(place.0.path().join("toy.pt"), b"another").unwrap();
    let error = collection.load(0, Device::Cpu).err().expect("it changed").to_string();
    assert!(error.contains("it changed since the run started"), "{error}");
}

#[test]
fn mistaken_ways_answer_as_images_prepared_so() {
    let place = Place::with(&format!("{TOY}scale = 3\noffset = -1\n"));
    let collection = place.collection().unwrap();
    let images = testkit::images(5, 1).tensor(Device::Cpu);
    let logits = |model: &dyn Model, images: &Tensor| {
        tch::no_grad(|| model.logits(images, Mode::Evaluation)).unwrap()
    };
    let toy = ToyModel::new(1);
    let given = collection.load(0, Device::Cpu).unwrap();
    let is_close = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-4, 1e-4, false);
    assert!(is_close(&logits(&*given, &images), &logits(&toy, &(&images * 3.0 - 1.0))));
    let ways = collection.mistaken(0, Device::Cpu).unwrap();
    let expected = [
        ("with samples in [-1, 1]", &images * 2.0 - 1.0),
        ("with samples in [0, 1]", images.shallow_clone()),
        ("with samples from 0 to 255", &images * 255.0),
    ];
    assert_eq!(ways.len(), expected.len());
    for ((way, model), (name, prepared)) in ways.iter().zip(&expected) {
        assert_eq!(way, name);
        assert!(is_close(&logits(model.as_ref(), &images), &logits(&toy, prepared)), "{way}");
    }
}

/// Registered generators but for those that need a program or others to be named.
fn generators() -> Vec<(&'static str, Box<dyn bertillon::VariantGenerator>)> {
    registry::of_kind(PluginKind::Variant)
        .unwrap()
        .into_iter()
        .filter(|entry| !["chain", "command"].contains(&entry.name))
        .map(|entry| match entry.builder {
            Builder::Variant(build) => (entry.name, build("{}").unwrap()),
            _ => panic!("{entry:?} is no variant generator"),
        })
        .collect()
}

/// 64 images of 28x28 pixels, with stripes of another width each.
fn stripes() -> Images {
    let level = |image: usize, i: usize| match (i / (image + 1)).is_multiple_of(2) {
        true => 230,
        false => 20,
    };
    let bytes: Vec<u8> = (0..64).flat_map(|image| (0..784).map(move |i| level(image, i))).collect();
    Images::new(bytes, ImageShape { channels: 1, height: 28, width: 28 }).unwrap()
}

/// Derives a variant of every kind but those named from the first model.
fn check_variants(collection: &TorchScript, images: &Images, but: &[&str]) {
    let vanilla = collection.load(0, Device::Cpu).unwrap();
    let batch = images.tensor(Device::Cpu);
    let logits =
        |model: &dyn Model| tch::no_grad(|| model.logits(&batch, Mode::Evaluation)).unwrap();
    let before = logits(&*vanilla);
    let thief = LabelledImages {
        labels: bertillon::labels(&before).unwrap().into(),
        images: images.clone(),
    };
    let generators = generators();
    assert_eq!(generators.len(), 9);
    for (name, generator) in generators.into_iter().filter(|(name, _)| !but.contains(name)) {
        let mut workbench = Workbench {
            images: thief.clone(),
            device: Device::Cpu,
            stream: Stream::named(1, [name]),
        };
        let derived = generator.derive(vanilla.fork().unwrap(), &mut workbench).unwrap();
        assert!(!derived.changes.unchanged, "{name}");
        let after = logits(&*derived.model);
        assert_eq!(after.size(), before.size(), "{name}");
        let difference = (&after - &before).abs().max().double_value(&[]);
        assert!(difference > 0.0 && difference.is_finite(), "{name}: {difference}");
        assert_eq!(logits(&*vanilla), before, "{name} changed the vanilla");
    }
}

#[test]
fn every_kind_of_variant_is_derived_from_a_module_of_pytorch_and_answers() {
    let Some(path) = shared("golden/attacks") else { return };
    let text = TOY.replace("toy.pt", "lenet.pt").replace("[1, 8, 8]", "[1, 28, 28]");
    let place = Place::with(&text.replace("classes = 4", "classes = 10"));
    let parameters = Parameters { path: Some(path), ..place.parameters() };
    check_variants(&TorchScript::configure(parameters).unwrap(), &stripes(), &[]);
}

#[test]
fn a_network_of_the_zoo_goes_out_and_comes_back_to_have_variants() {
    let names = vec!["lenet-a".to_owned()];
    let zoo = Zoo::configure(crate::ZooParameters { names, ..Default::default() }).unwrap();
    let network = zoo.load(0, Device::Cpu).unwrap();
    let text = TOY.replace("[1, 8, 8]", "[1, 28, 28]").replace("classes = 4", "classes = 10");
    let place = Place::with(&text);
    export(&*network, &place.0.path().join("toy.pt"), Device::Cpu).unwrap();
    let collection = place.collection().unwrap();
    let back = collection.load(0, Device::Cpu).unwrap();
    let ramp = Tensor::arange(5 * 784, (Kind::Float, Device::Cpu)) * 0.37;
    let images = (&ramp - ramp.floor()).view(network.input().batch(5));
    let logits = |model: &dyn Model| model.logits(&images, Mode::Evaluation).unwrap();
    assert!(logits(&*back).allclose(&logits(&*network), 1e-4, 1e-4, false));
    // What it computes with beside its parameters became constants, which stay in 32 bits.
    check_variants(&collection, &stripes(), &["half"]);
}

/// The shared folder beside the repository.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// The suite's own manifest.
fn imagenet() -> Option<TorchScript> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benchmarks/models/imagenet.toml");
    let path = Some(shared("imagenet")?);
    let parameters = Parameters { manifest, path, ..Parameters::default() };
    Some(TorchScript::configure(parameters).unwrap())
}

#[test]
fn the_networks_of_the_imagenet_suite_answer_as_in_pytorch() {
    let (Some(collection), Some(golden)) = (imagenet(), shared("golden/efficientnet_lite0")) else {
        return;
    };
    let sides: Vec<usize> =
        collection.vanillas().iter().map(|vanilla| vanilla.input.unwrap().height).collect();
    assert_eq!(sides, [224, 240, 260]);
    for index in 1..collection.vanillas().len() {
        assert_eq!(collection.load(index, Device::Cpu).unwrap().classes(), 1000);
    }
    let model = collection.load(0, Device::Cpu).unwrap();
    let images = Tensor::read_npy(golden.join("images_u8.npy")).unwrap();
    let images = images.permute([0, 3, 1, 2]).to_kind(Kind::Float) / 255.0;
    let expected = Tensor::read_npy(golden.join("logits_vanilla.npy")).unwrap();
    let logits = tch::no_grad(|| model.logits(&images, Mode::Evaluation)).unwrap();
    let difference = (&logits - &expected).abs().max().double_value(&[]);
    assert!(difference < 1e-3, "{difference}");
    let same = logits.argmax(1, false).eq_tensor(&expected.argmax(1, false));
    assert_eq!(same.sum(Kind::Int64).int64_value(&[]), 32);
    let ways: Vec<String> =
        collection.mistaken(0, Device::Cpu).unwrap().into_iter().map(|(way, _)| way).collect();
    assert_eq!(ways.len(), 4, "{ways:?}");
    assert!(!ways.iter().any(|way| way.contains("[-1, 1]")), "{ways:?}");
}

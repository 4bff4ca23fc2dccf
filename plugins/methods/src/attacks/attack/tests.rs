use bertillon::{ImageShape, Images, Mode, Model, Parameter};
use tch::{Device, Kind, Tensor};

use super::*;

const SHAPE: ImageShape = ImageShape { channels: 1, height: 8, width: 8 };

/// Two classes, `Z = (w x + b, 0)`: the boundary is a plane, at a distance of `|w x + b| / |w|`.
struct Plane {
    weights: Tensor,
    bias: f64,
}

impl Model for Plane {
    fn input(&self) -> ImageShape {
        SHAPE
    }

    fn classes(&self) -> usize {
        2
    }

    fn logits(&self, images: &Tensor, _mode: Mode) -> Result<Tensor> {
        let first = images.flatten(1, -1).f_matmul(&self.weights)? + self.bias;
        Ok(Tensor::stack(&[first.shallow_clone(), first.zeros_like()], 1))
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn fork(&self) -> Result<Box<dyn Model>> {
        Ok(Box::new(Self { weights: self.weights.copy(), bias: self.bias }))
    }
}

/// A plane at `distance` from `image`.
fn plane(image: &Images, distance: f64) -> Plane {
    let mut weights = vec![0.0_f32; SHAPE.samples()];
    Stream::named(5, ["plane"]).fill_normal(&mut weights);
    let weights = Tensor::from_slice(&weights);
    let product = image.tensor(Device::Cpu).view(-1).dot(&weights).double_value(&[]);
    let norm = weights.norm().double_value(&[]);
    Plane { weights, bias: distance * norm - product }
}

fn parse(text: &str) -> Attack {
    serde_json::from_str(text).unwrap()
}

/// L2 distortion of the query that an attack crafts from mid-grey against a plane at distance 1.
fn distortion(attack: &str) -> f64 {
    let image = Images::new(vec![128; SHAPE.samples()], SHAPE).unwrap();
    let model = plane(&image, 1.0);
    let starts = Starts::new(&model, &image, &[0], 1.0, Device::Cpu).unwrap();
    let crafted = parse(attack).craft(&starts, &mut Stream::named(1, ["plane"])).unwrap();
    assert_eq!(crafted.converged, [true], "{attack}");
    let points = crafted.images.tensor(Device::Cpu);
    let logits = model.logits(&points, Mode::Evaluation).unwrap();
    assert!(logits.double_value(&[0, 0]) < 0.0, "{attack} is not beyond the boundary");
    (points - image.tensor(Device::Cpu)).norm().to_kind(Kind::Double).double_value(&[])
}

#[test]
fn the_boundary_of_a_linear_model_is_found_at_its_distance() {
    // What each may exceed it by: BP its last approach step (a plane leaves nothing to walk along), DDN a change of
    // its norm, DeepFool the overshoot, CW its step of `c`.
    let attacks = [
        (r#"{"name": "bp"}"#, 1.12),
        (r#"{"name": "ddn"}"#, 1.06),
        (r#"{"name": "deepfool"}"#, 1.03),
        (r#"{"name": "cw", "search_steps": 9, "steps": 500}"#, 1.06),
    ];
    for (attack, most) in attacks {
        let distortion = distortion(attack);
        assert!(distortion > 0.9999, "{attack}: {distortion} is nearer than the boundary");
        assert!(distortion < most, "{attack}: {distortion}");
    }
}

#[test]
fn deepfool_reaches_a_plane_in_one_step_of_its_length_and_overshoot() {
    let found = distortion(r#"{"name": "deepfool", "steps": 1, "overshoot": 0.1}"#);
    // (1 + 1e-4) 1.1, rounded to 8 bits.
    assert!((found - 1.1).abs() < 2e-3, "{found}");
}

#[test]
fn a_model_without_gradients_is_refused() {
    struct Detached(Plane);
    impl Model for Detached {
        fn input(&self) -> ImageShape {
            SHAPE
        }
        fn classes(&self) -> usize {
            2
        }
        fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
            self.0.logits(&images.detach(), mode)
        }
        fn parameters(&self) -> Vec<Parameter> {
            Vec::new()
        }
        fn fork(&self) -> Result<Box<dyn Model>> {
            self.0.fork()
        }
    }
    let image = Images::new(vec![128; SHAPE.samples()], SHAPE).unwrap();
    let trained = plane(&image, 1.0);
    let with_gradients =
        Plane { weights: trained.weights.copy().set_requires_grad(true), ..trained };
    for model in [Detached(trained), Detached(with_gradients)] {
        let starts = Starts::new(&model, &image, &[0], 1.0, Device::Cpu).unwrap();
        for name in ["boundary", "bp", "cw", "deepfool", "ddn", "pgd"] {
            let attack = parse(&format!(r#"{{"name": "{name}"}}"#));
            let error = attack.craft(&starts, &mut Stream::named(1, ["none"])).unwrap_err();
            assert!(error.to_string().contains("no gradient"), "{name}: {error}");
        }
    }
}

#[test]
fn a_model_that_answers_nan_is_refused() {
    let image = Images::new(vec![128; SHAPE.samples()], SHAPE).unwrap();
    let model = Plane { bias: f64::NAN, ..plane(&image, 1.0) };
    let starts = Starts::new(&model, &image, &[0], 1.0, Device::Cpu).unwrap();
    let error = parse(r#"{"name": "bp"}"#).craft(&starts, &mut Stream::named(1, ["nan"]));
    assert!(matches!(error, Err(Error::NotFinite { .. })));
}

#[test]
fn a_flat_model_is_attacked_in_random_directions_without_success() {
    let image = Images::new(vec![128; SHAPE.samples()], SHAPE).unwrap();
    let slope = plane(&image, 1.0);
    let model = Plane { weights: slope.weights.zeros_like(), bias: 1.0 };
    let starts = Starts::new(&model, &image, &[0], 1.0, Device::Cpu).unwrap();
    for name in ["bp", "ddn"] {
        let attack = parse(&format!(r#"{{"name": "{name}"}}"#));
        let crafted = attack.craft(&starts, &mut Stream::named(1, ["flat"])).unwrap();
        assert_eq!(crafted.converged, [false]);
        assert_ne!(crafted.images, image);
    }
}

#[test]
fn attacks_are_chosen_by_name_and_know_their_parameters() {
    let parse = |text: &str| serde_json::from_str::<Attack>(text);
    let bp = Attack::Bp(Bp { steps: 20, ..Bp::default() });
    assert_eq!(parse(r#"{"name": "bp", "steps": 20}"#).unwrap(), bp);
    assert_eq!(parse(r#"{"name": "boundary"}"#).unwrap(), Attack::default());
    for name in ["boundary", "bp", "cw", "deepfool", "ddn", "pgd"] {
        parse(&format!(r#"{{"name": "{name}"}}"#)).unwrap().check().unwrap();
    }
    assert!(parse(r#"{"name": "bp", "kappa": 1}"#).is_err());
    assert!(parse(r#"{"name": "fgsm"}"#).is_err());
}

#[test]
fn values_out_of_range_are_refused() {
    let refused = [
        r#"{"name": "bp", "steps": 0}"#,
        r#"{"name": "bp", "gamma_min": 1.5}"#,
        r#"{"name": "boundary", "iterations": 1001}"#,
        r#"{"name": "boundary", "k": -1}"#,
        r#"{"name": "boundary", "learning_rate": 0}"#,
        r#"{"name": "cw", "search_steps": 0}"#,
        r#"{"name": "cw", "kappa": -0.5}"#,
        r#"{"name": "deepfool", "candidates": 1}"#,
        r#"{"name": "ddn", "gamma": 1}"#,
        r#"{"name": "pgd", "epsilon": 0}"#,
    ];
    for text in refused {
        assert!(matches!(parse(text).check(), Err(Error::Parameter { .. })), "{text}");
    }
}

//! How images are prepared for a network, and how else people might have meant it.

use bertillon::{ImageShape, Preprocessing};
use bertillon_torchscript::{ColourOrder, Interface, Normalisation, Outputs};

/// Mean and standard deviation of ImageNet's training images in `[0, 1]`, as torchvision and timm have them.
const IMAGENET: [[f64; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Difference of a prepared sample, of about `[-1, 1]`, below which two ways are the same: (255x - 127)/128 and 2x - 1.
const SAME: f64 = 0.02;

/// `(x - mean) / std`.
pub(super) fn standardised(mean: &[f64], std: &[f64]) -> Normalisation {
    // One number serves all channels, whichever of the two it stands for.
    let std_of = |i: usize| std[i % std.len()];
    let offsets = mean.len().max(std.len());
    Normalisation {
        scale: std.iter().map(|std| 1.0 / std).collect(),
        offset: (0..offsets).map(|i| (0.0 - mean[i % mean.len()]) / std_of(i)).collect(),
    }
}

/// Ways to prepare images that people take for the right one, but for those that are as good as the one given; each with
/// what it is called in "41 % as given and 44 % …".
pub(super) fn mistaken(given: &Interface) -> Vec<(String, Normalisation, ColourOrder)> {
    let affine =
        |scale: f64, offset: f64| Normalisation { scale: vec![scale], offset: vec![offset] };
    let mut normalisations = vec![
        ("with samples in [-1, 1]", affine(2.0, -1.0)),
        ("with samples in [0, 1]", affine(1.0, 0.0)),
        ("with samples from 0 to 255", affine(255.0, 0.0)),
    ];
    let is_colour = given.input.channels == 3;
    if is_colour {
        let [mean, std] = IMAGENET;
        normalisations.insert(0, ("with ImageNet's mean and deviation", standardised(&mean, &std)));
    }
    let mut ways: Vec<_> = normalisations
        .into_iter()
        .filter(|(_, other)| !is_same(other, &given.normalisation, given.input.channels))
        .map(|(way, normalisation)| (way.to_owned(), normalisation, given.colours))
        .collect();
    if is_colour {
        let (order, mirrored) = match given.colours {
            ColourOrder::Rgb => ("BGR", ColourOrder::Bgr),
            ColourOrder::Bgr => ("RGB", ColourOrder::Rgb),
        };
        ways.push((format!("in {order} order"), given.normalisation.clone(), mirrored));
    }
    ways
}

/// Whether two ways do nearly the same to every sample in `[0, 1]`.
fn is_same(a: &Normalisation, b: &Normalisation, channels: usize) -> bool {
    (0..channels).all(|channel| {
        let at = |values: &[f64]| values[channel % values.len()];
        let difference =
            |x: f64| (at(&a.scale) * x + at(&a.offset) - at(&b.scale) * x - at(&b.offset)).abs();
        // Affine: largest at an end.
        difference(0.0).max(difference(1.0)) < SAME
    })
}

/// Digest of all that a network's answers depend on: its file, and how it is used.
pub(super) fn digest(
    file: &blake3::Hash,
    interface: &Interface,
    preprocessing: &Preprocessing,
) -> String {
    let Interface { input, classes, normalisation, colours, outputs } = interface;
    let ImageShape { channels, height, width } = *input;
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"torchscript 1");
    hasher.update(file.as_bytes());
    for number in [channels, height, width, *classes] {
        hasher.update(&(number as u64).to_le_bytes());
    }
    for values in [&normalisation.scale, &normalisation.offset] {
        hasher.update(&(values.len() as u64).to_le_bytes());
        values.iter().for_each(|value| {
            hasher.update(&value.to_le_bytes());
        });
    }
    hasher.update(match colours {
        ColourOrder::Rgb => b"rgb",
        ColourOrder::Bgr => b"bgr",
    });
    hasher.update(match outputs {
        Outputs::Logits => b"logits       ",
        Outputs::Probabilities => b"probabilities",
    });
    hasher.update(format!("{preprocessing:?}").as_bytes());
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &Interface) -> Vec<String> {
        mistaken(given).into_iter().map(|(way, _, _)| way).collect()
    }

    #[test]
    fn what_is_given_is_no_mistake_of_itself() {
        let colour = ImageShape { channels: 3, height: 4, width: 4 };
        let [imagenet, minus_one, unit, bytes, bgr] = [
            "with ImageNet's mean and deviation",
            "with samples in [-1, 1]",
            "with samples in [0, 1]",
            "with samples from 0 to 255",
            "in BGR order",
        ];
        let mut given = Interface::new(colour, 10);
        assert_eq!(names(&given), [imagenet, minus_one, bytes, bgr]);
        // (255x - 127) / 128 is [-1, 1] but for the last bit.
        given.normalisation =
            Normalisation { scale: vec![255.0 / 128.0], offset: vec![-127.0 / 128.0] };
        assert_eq!(names(&given), [imagenet, unit, bytes, bgr]);
        given.normalisation = standardised(&IMAGENET[0], &IMAGENET[1]);
        given.colours = ColourOrder::Bgr;
        assert_eq!(names(&given), [minus_one, unit, bytes, "in RGB order"]);
        let grey = Interface::new(ImageShape { channels: 1, ..colour }, 10);
        assert_eq!(names(&grey), [minus_one, bytes]);
    }

    #[test]
    fn a_mean_and_a_deviation_are_an_affine_map() {
        let given = standardised(&[0.5, 0.25], &[0.25]);
        assert_eq!((given.scale, given.offset), (vec![4.0], vec![-2.0, -1.0]));
        let given = standardised(&[0.5], &[0.25, 0.5]);
        assert_eq!((given.scale, given.offset), (vec![4.0, 2.0], vec![-2.0, -1.0]));
    }
}

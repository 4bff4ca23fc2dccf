//! A TorchScript file as a suspect, with its images prepared as its service would.

use std::{path::Path, str::FromStr};

use bertillon::{
    Access, ImageShape, Images, Interpolation, Model, Preprocessing, Resize, Service, answer,
};
use bertillon_runner::{Answering, Enrolled};
use bertillon_torchscript::{ColourOrder, Interface, Normalisation, Outputs, TorchScriptModel};
use clap::{Args, ValueEnum};
use tch::Device;

use crate::failure::{Failure, chain};

#[derive(Debug, Args)]
#[command(next_help_heading = "How a .pt takes its images [default: as the owner's model]")]
pub(super) struct ModuleArguments {
    /// What is subtracted from samples in [0, 1], a number or one for each channel: `0.485,0.456,0.406`
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        requires = "std",
        allow_hyphen_values = true
    )]
    mean: Option<Vec<f64>>,
    /// What they are then divided by
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "mean")]
    std: Option<Vec<f64>>,
    /// What samples in [0, 1] are multiplied by; 1 for a module that takes them as they are
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        conflicts_with = "mean",
        allow_hyphen_values = true
    )]
    scale: Option<Vec<f64>>,
    /// What is then added
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        requires = "scale",
        allow_hyphen_values = true
    )]
    offset: Option<Vec<f64>>,
    /// Colours come as blue, green, red
    #[arg(long)]
    bgr: bool,
    /// The module answers probabilities instead of logits
    #[arg(long)]
    probabilities: bool,
    /// Size of the images that the module takes: `224`, `240x320` (height first)
    #[arg(long, value_name = "PIXELS")]
    input: Option<Size>,
    /// Size to which images are brought before their centre is cut out: `256` (the shorter side), `256x256`
    #[arg(long, value_name = "PIXELS")]
    resize: Option<Size>,
    /// How pixels are found when images are resized [default: bilinear]
    #[arg(long, requires = "resize")]
    interpolation: Option<Filter>,
}

/// One side, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    One(usize),
    Both([usize; 2]),
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|&side: &usize| side > 0);
        let size = match text.split_once('x') {
            None => side(text).map(Self::One),
            Some((height, width)) => side(height).zip(side(width)).map(|(h, w)| Self::Both([h, w])),
        };
        size.ok_or_else(|| "use pixels: 224, or height and width, 240x320".to_owned())
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Filter {
    Nearest,
    Bilinear,
    Bicubic,
}

impl From<Filter> for Interpolation {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Nearest => Self::Nearest,
            Filter::Bilinear => Self::Bilinear,
            Filter::Bicubic => Self::Bicubic,
        }
    }
}

impl ModuleArguments {
    /// Refuses them where no module is asked.
    pub(super) fn refuse_any(&self) -> Result<(), Failure> {
        let given = self.mean.is_some()
            || self.scale.is_some()
            || self.bgr
            || self.probabilities
            || self.input.is_some()
            || self.resize.is_some();
        match given {
            true => Err(Failure::User(
                "--mean, --std, --scale, --offset, --bgr, --probabilities, --input, --resize and --interpolation say how a TorchScript module (.pt) \
                 takes its images; this suspect is none"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// The module at `path`, ready to be asked the queries of `enrolled`.
    pub(super) fn load(
        &self,
        path: &Path,
        enrolled: &Enrolled,
        device: Device,
    ) -> Result<Answering<'static>, Failure> {
        let user = |error: bertillon::Error| Failure::User(chain(&error));
        let sent = enrolled.image_shape()?;
        let owner = &enrolled.card.owner;
        let (height, width) = match (self.input, owner.input) {
            (Some(Size::One(side)), _) => (side, side),
            (Some(Size::Both([height, width])), _) => (height, width),
            (None, Some([_, height, width])) => (height, width),
            (None, None) => (sent.height, sent.width),
        };
        let input = ImageShape { height, width, ..sent };
        let preprocessing = self.preprocessing().or(owner.preprocessing);
        if preprocessing.is_none() && input != sent {
            return Err(Failure::User(format!(
                "the queries have {}x{} pixels, the module takes {height}x{width}: say how they are brought to it with \
                 --resize",
                sent.height, sent.width
            )));
        }
        let interface = Interface {
            normalisation: self.normalisation(enrolled)?,
            colours: if self.bgr { ColourOrder::Bgr } else { ColourOrder::Rgb },
            outputs: if self.probabilities { Outputs::Probabilities } else { Outputs::Logits },
            ..Interface::new(input, enrolled.card.classes)
        };
        let network = TorchScriptModel::open(path, interface, device);
        let network: Box<dyn Model> = Box::new(network.map_err(user)?);
        let service: Box<dyn Model> = match preprocessing {
            Some(preprocessing) => {
                Box::new(Service::new(network, preprocessing, sent).map_err(user)?)
            }
            None => network,
        };
        let ranks = enrolled.card.ranks;
        let ask = move |images: &Images| answer(&*service, images, Access::TopK(ranks), device);
        Ok(Answering::Asked(Box::new(ask)))
    }

    fn preprocessing(&self) -> Option<Preprocessing> {
        let resize = match self.resize? {
            Size::One(side) => Resize::Shorter(side),
            Size::Both(size) => Resize::Exact(size),
        };
        let interpolation = self.interpolation.map_or_else(Interpolation::default, Into::into);
        Some(Preprocessing { resize, interpolation, keeps_native: false })
    }

    fn normalisation(&self, enrolled: &Enrolled) -> Result<Normalisation, Failure> {
        if let (Some(mean), Some(std)) = (&self.mean, &self.std) {
            return from_moments(mean, std);
        }
        if let Some(scale) = &self.scale {
            let offset = self.offset.clone().unwrap_or_else(|| vec![0.0]);
            return Ok(Normalisation { scale: scale.clone(), offset });
        }
        match enrolled.card.owner.normalisation.clone() {
            Some([scale, offset]) => Ok(Normalisation { scale, offset }),
            None => Err(Failure::User(
                "the file does not tell how the owner's model takes its images, so say it of the suspect: --scale 1 where it \
                 takes samples in [0, 1], else --mean and --std, or --scale and --offset (a wrong one makes any suspect a \
                 stranger)"
                    .to_owned(),
            )),
        }
    }
}

/// `(x - mean) / std` as `scale x + offset`.
fn from_moments(mean: &[f64], std: &[f64]) -> Result<Normalisation, Failure> {
    if mean.len() != std.len() || std.contains(&0.0) {
        return Err(Failure::User(
            "--mean and --std are as many numbers, and nothing is divided by 0".to_owned(),
        ));
    }
    Ok(Normalisation {
        scale: std.iter().map(|std| 1.0 / std).collect(),
        offset: mean.iter().zip(std).map(|(mean, std)| -mean / std).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_side_or_height_and_width() {
        assert_eq!("224".parse(), Ok(Size::One(224)));
        assert_eq!("240x320".parse(), Ok(Size::Both([240, 320])));
        assert!(["", "0", "x", "3x", "-1", "1x2x3"].iter().all(|t| t.parse::<Size>().is_err()));
    }

    #[test]
    fn moments_are_a_scale_and_an_offset() {
        let found = from_moments(&[0.5, 0.25], &[0.25, 0.5]).unwrap();
        assert_eq!((found.scale, found.offset), (vec![4.0, 2.0], vec![-2.0, -0.5]));
        assert!(from_moments(&[0.5], &[0.0]).is_err());
        assert!(from_moments(&[0.5, 0.5], &[0.1]).is_err());
    }
}

//! Where models run: what `--device` names, and CUDA's part of libtorch.
//!
//! The program is linked to libtorch without CUDA. Where a whole libtorch of the same version is found, its
//! `libtorch_cuda.so` is opened before the first question about CUDA, whose answer libtorch keeps; the GPU is then there.

mod library;

use std::{fmt, str::FromStr};

use tch::{Cuda, Device};

pub(crate) use library::{Library, WANTED, driver, library, loaded};

use crate::failure::Failure;

/// A device as the user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = |text: &str| text.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => index(text).map(Self::Cuda).ok_or_else(|| "use auto, cpu or cuda:N".to_owned()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The device, made ready.
    pub(crate) fn device(self) -> Result<Device, Failure> {
        let device = match self {
            Self::Cpu => Device::Cpu,
            // Without a driver there is no GPU, and opening the library takes half a second.
            Self::Auto if driver().is_err() => Device::Cpu,
            Self::Auto => match library() {
                Library::Refused { reasons, named: true } => {
                    return Err(Failure::User(reasons.join("; ")));
                }
                Library::Refused { .. } | Library::Absent => Device::Cpu,
                Library::Open(_) => Device::cuda_if_available(),
            },
            Self::Cuda(index) => cuda(index)?,
        };
        if device.is_cuda() && !bertillon_torchscript::exact_cuda() {
            return Err(Failure::Fault("libtorch can't be told to compute exactly on CUDA".into()));
        }
        Ok(device)
    }
}

fn cuda(index: usize) -> Result<Device, Failure> {
    match (library(), driver()) {
        (Library::Refused { reasons, .. }, _) => Err(missing(&reasons.join("; "))),
        (Library::Absent, _) => Err(missing(&format!("no {} is found; {}", library::FILE, WANTED))),
        (Library::Open(_), Err(error)) => {
            Err(missing(&format!("{error}; install NVIDIA's driver")))
        }
        (Library::Open(path), Ok(())) if !Cuda::is_available() => Err(missing(&format!(
            "{} is open, but the driver has no device for it: see what `nvidia-smi` says",
            path.display()
        ))),
        (Library::Open(_), Ok(())) => match Cuda::device_count() {
            count if usize::try_from(count).is_ok_and(|count| index < count) => {
                Ok(Device::Cuda(index))
            }
            count => Err(Failure::User(format!(
                "there is no cuda:{index}: this machine has {count} CUDA devices, counted from 0"
            ))),
        },
    }
}

fn missing(what: &str) -> Failure {
    Failure::User(format!("no CUDA: {what}; or use --device cpu (`bertillon doctor` tells more)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_libtorch_names_them() {
        let parse = |text: &str| text.parse::<DeviceChoice>().ok();
        assert_eq!(parse("auto"), Some(DeviceChoice::Auto));
        assert_eq!(parse("cpu"), Some(DeviceChoice::Cpu));
        assert_eq!(parse("cuda"), Some(DeviceChoice::Cuda(0)));
        assert_eq!(parse("cuda:3"), Some(DeviceChoice::Cuda(3)));
        assert!(
            ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"].iter().all(|t| parse(t).is_none())
        );
    }
}

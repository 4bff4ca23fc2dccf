//! Networks as `.safetensors` files: 32-bit floats, each tensor under the name of its slot.

use std::path::Path;

use bertillon::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Device, Kind, Tensor};

use super::network::{Layer, Network, Slot};

/// What to do about a file of weights that is not right.
const REMEDY: &str = "restore it, or train it again with `bertillon zoo train`";

/// The content of a network's file.
pub(super) fn to_bytes(network: &Network) -> Result<Vec<u8>> {
    let bytes = |tensor: &Tensor| -> Result<Vec<u8>> {
        let flat = tensor.detach().f_to_kind(Kind::Float)?.f_contiguous()?.f_view(-1)?;
        Ok(Vec::<f32>::try_from(&flat)?.into_iter().flat_map(f32::to_le_bytes).collect())
    };
    let data = network
        .tensors()
        .map(|(slot, tensor)| Ok((slot, bytes(tensor)?)))
        .collect::<Result<Vec<_>>>()?;
    let views = data
        .iter()
        .map(|(slot, bytes)| {
            Ok((slot.name.as_str(), TensorView::new(Dtype::F32, shape(slot), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let serialised = views.and_then(|views| safetensors::serialize(views, None));
    serialised.map_err(|error| Error::Refused(format!("the weights can't be written: {error}")))
}

/// A network of `layers` from the content of its file; `path` is for messages.
pub(super) fn from_bytes(
    layers: Vec<Layer>,
    bytes: &[u8],
    path: &Path,
    device: Device,
) -> Result<Network> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        Error::file(path, format!("truncated, or no safetensors file ({error}); {REMEDY}"))
    })?;
    let mut used = 0;
    let network = Network::new(layers, |slot| {
        used += 1;
        tensor(&file, slot)
            .map(|tensor| tensor.to_device(device))
            .map_err(|problem| Error::file(path, format!("{problem}; {REMEDY}")))
    })?;
    if file.len() > used {
        let known: Vec<_> = network.tensors().map(|(slot, _)| slot.name.as_str()).collect();
        let mut names = file.names();
        names.sort_unstable();
        let unknown = names.into_iter().find(|name| !known.contains(name)).unwrap_or_default();
        let problem = format!("this architecture has no tensor `{unknown}`; {REMEDY}");
        return Err(Error::file(path, problem));
    }
    Ok(network)
}

fn tensor(file: &SafeTensors<'_>, slot: &Slot) -> Result<Tensor, String> {
    let name = &slot.name;
    let view = file.tensor(name).map_err(|_| format!("tensor `{name}` is missing"))?;
    if view.shape() != shape(slot) {
        let expected = shape(slot);
        return Err(format!(
            "tensor `{name}` has shape {:?}, this architecture takes {expected:?}",
            view.shape()
        ));
    }
    if view.dtype() != Dtype::F32 {
        return Err(format!("tensor `{name}` holds {:?}, expected F32", view.dtype()));
    }
    let (words, _) = view.data().as_chunks();
    let values: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(format!("tensor `{name}` holds NaN or infinity"));
    }
    let tensor = Tensor::f_from_slice(&values).and_then(|tensor| tensor.f_view(&slot.shape[..]));
    tensor.map_err(|error| Error::from(error).to_string())
}

fn shape(slot: &Slot) -> Vec<usize> {
    slot.shape.iter().map(|&size| usize::try_from(size).expect("sizes are positive")).collect()
}

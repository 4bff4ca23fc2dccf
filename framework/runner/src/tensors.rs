//! Fingerprints as named tensors, for the cache and for files of enrolments.

use bertillon::{Answers, Fingerprint, ImageShape, Images, Queries};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

/// A tensor as a file of safetensors holds it.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Little-endian.
    pub(crate) data: Vec<u8>,
}

impl Named {
    /// The same for `safetensors`.
    pub(crate) fn view(&self) -> (&'static str, TensorView<'_>) {
        let view = TensorView::new(self.dtype, self.shape.clone(), &self.data);
        (self.name, view.expect("sizes agree by construction"))
    }
}

/// Names of the tensors of a fingerprint.
pub(crate) const FINGERPRINT: [&str; 5] = ["crafted", "pool", "reference", "state", "truth"];

/// Everything of a fingerprint that is no tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notes {
    notes: Vec<(String, f64)>,
    has_truth: bool,
    crafted: Option<[usize; 3]>,
}

impl Notes {
    /// Those of `fingerprint`.
    pub(crate) fn of(fingerprint: &Fingerprint) -> Self {
        Self {
            notes: fingerprint.notes.clone(),
            has_truth: fingerprint.truth.is_some(),
            crafted: fingerprint.queries.crafted.as_ref().map(|images| images.shape().into()),
        }
    }
}

/// The tensors of a fingerprint, in the order of [`FINGERPRINT`].
pub(crate) fn of(fingerprint: &Fingerprint) -> [Named; 5] {
    let Fingerprint { queries, reference, state, .. } = fingerprint;
    let truth = fingerprint.truth.as_deref().unwrap_or_default();
    let crafted = match &queries.crafted {
        Some(images) => self::images("crafted", images),
        None => Named { name: "crafted", dtype: Dtype::U8, shape: vec![0], data: Vec::new() },
    };
    [
        crafted,
        Named {
            name: "pool",
            dtype: Dtype::U32,
            shape: vec![queries.pool.len()],
            data: little_endian(&queries.pool, u32::to_le_bytes),
        },
        Named {
            name: "reference",
            dtype: Dtype::U16,
            shape: vec![reference.len(), reference.ranks()],
            data: little_endian(reference.as_slice(), u16::to_le_bytes),
        },
        Named {
            name: "state",
            dtype: Dtype::F64,
            shape: vec![state.len()],
            data: little_endian(state, f64::to_le_bytes),
        },
        Named {
            name: "truth",
            dtype: Dtype::U16,
            shape: vec![truth.len()],
            data: little_endian(truth, u16::to_le_bytes),
        },
    ]
}

/// Images, u8 `[N, C, H, W]`.
pub(crate) fn images(name: &'static str, images: &Images) -> Named {
    let ImageShape { channels, height, width } = images.shape();
    let shape = vec![images.len(), channels, height, width];
    Named { name, dtype: Dtype::U8, shape, data: images.as_bytes().to_vec() }
}

/// The fingerprint of a file. `crafted` has the samples of the crafted queries after so many benign ones, where they have
/// no tensor of their own.
///
/// # Errors
/// When a tensor is missing or does not fit.
pub(crate) fn fingerprint(
    file: &SafeTensors<'_>,
    notes: Notes,
    crafted: impl FnOnce(usize) -> Option<Vec<u8>>,
) -> Result<Fingerprint, String> {
    let data = |name: &str, dtype: Dtype| match file.tensor(name) {
        Ok(tensor) if tensor.dtype() == dtype => Ok(tensor.data().to_vec()),
        Ok(tensor) => Err(format!("`{name}` holds {:?}, expected {dtype:?}", tensor.dtype())),
        Err(error) => Err(error.to_string()),
    };
    let u16s = |data: &[u8]| -> Vec<u16> { values(data, u16::from_le_bytes) };
    let text = |error: bertillon::Error| error.to_string();
    let reference = u16s(&data("reference", Dtype::U16)?);
    let ranks = file.tensor("reference").map_err(|e| e.to_string())?.shape().get(1).copied();
    let ranks = ranks.ok_or("its reference is no table")?;
    let pool = values(&data("pool", Dtype::U32)?, u32::from_le_bytes);
    let crafted = match notes.crafted {
        None => None,
        Some(shape) => {
            let samples = crafted(pool.len()).map_or_else(|| data("crafted", Dtype::U8), Ok)?;
            Some(Images::new(samples, shape.into()).map_err(text)?)
        }
    };
    let truth = u16s(&data("truth", Dtype::U16)?);
    Ok(Fingerprint {
        queries: Queries { pool, crafted },
        reference: Answers::new(reference, ranks).map_err(|e| e.to_string())?,
        truth: notes.has_truth.then_some(truth),
        state: values(&data("state", Dtype::F64)?, f64::from_le_bytes),
        notes: notes.notes,
    })
}

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

fn values<T, const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)).collect()
}

//! Asking a model, always in the same way, so that its answers repeat to the bit.

mod batches;
mod on_gpu;
mod resident;

pub use batches::Batches;
pub use on_gpu::{GpuTally, NEAR_TIE};
use tch::{Device, Kind, Tensor};

use crate::{Access, Answers, Error, ImageShape, Images, Mode, Model, Result};

/// Most images in a forward pass, and fewest.
const CHUNKS: [usize; 2] = [64, 8];

/// Samples in a forward pass: those of 64 colour images of 64 by 64.
const CHUNK_SAMPLES: usize = 64 * 3 * 64 * 64;

/// Images of this shape in a forward pass.
///
/// libtorch's last bits depend on how a batch is made up, so every forward pass has this many, the last one padded. 64 up
/// to colour images of 64 by 64; fewer of larger ones, whose maps would leave the processor's caches: at 224 by 224, 8
/// are faster than 64 by a quarter and take a third of the memory.
pub fn chunk(shape: ImageShape) -> usize {
    let [most, fewest] = CHUNKS;
    let fitting = (CHUNK_SAMPLES / shape.samples().max(1)).clamp(fewest, most);
    1 << fitting.ilog2()
}

/// The widest vectors that libtorch's kernels may use here: they change the last bits of its sums.
pub fn cpu_capability() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return "avx2";
        }
    }
    std::env::consts::ARCH
}

/// Asks `model` every image.
///
/// Ties go to the lower class. On a GPU batches are as large as its memory allows, and the last bits of logits may
/// differ; [`GpuTally`] counts the answers that hang on them. Owners' references and suspects' answers both come from here.
///
/// # Errors
/// When the model fails, or its logits have the wrong shape or are not finite.
pub fn answer(
    model: &dyn Model,
    images: &Images,
    access: Access,
    device: Device,
) -> Result<Answers> {
    let ranks = access.ranks();
    if ranks == 0 || ranks > model.classes() {
        return Err(Error::Refused(format!(
            "top-{ranks} answers asked of a model with {} classes",
            model.classes()
        )));
    }
    if device.is_cuda() {
        return Ok(Answers::new(on_gpu::answer(model, images, ranks, device)?, ranks)?);
    }
    let chunk = chunk(images.shape());
    let mut labels = Vec::with_capacity(images.len() * ranks);
    for start in (0..images.len()).step_by(chunk) {
        let range = start..images.len().min(start + chunk);
        let rows = range.len();
        let batch = padded(images.to_tensor(range, device), chunk);
        let logits = tch::no_grad(|| model.logits(&batch, Mode::Evaluation))?;
        check(&logits, batch.size()[0], model.classes())?;
        let logits = logits.f_narrow(0, 0, rows as i64)?;
        require_finite(&logits, start)?;
        append_labels(&logits, ranks, &mut labels)?;
    }
    Ok(Answers::new(labels, ranks)?)
}

/// Best label of each row of logits; ties go to the lower class.
///
/// # Shapes
/// `logits`: `[N, K]`; result: N labels.
///
/// # Errors
/// When libtorch fails.
pub fn labels(logits: &Tensor) -> Result<Vec<u16>> {
    let mut out = Vec::new();
    append_labels(logits, 1, &mut out)?;
    Ok(out)
}

/// The batch, filled up with black images.
fn padded(batch: Tensor, chunk: usize) -> Tensor {
    let missing = chunk as i64 - batch.size()[0];
    if missing == 0 {
        return batch;
    }
    let mut padding = batch.size();
    padding[0] = missing;
    Tensor::cat(&[&batch, &Tensor::zeros(&padding[..], (batch.kind(), batch.device()))], 0)
}

fn check(logits: &Tensor, rows: i64, classes: usize) -> Result<()> {
    let expected = vec![rows, classes as i64];
    match logits.size() == expected {
        true => Ok(()),
        false => Err(Error::Shape { what: "logits", expected, actual: logits.size() }),
    }
}

fn require_finite(logits: &Tensor, start: usize) -> Result<()> {
    // A sum is finite only when all its terms are, and cheaper than looking at each.
    if logits.sum(Kind::Double).double_value(&[]).is_finite() {
        return Ok(());
    }
    let bad = logits.isfinite().logical_not();
    let rows = bad.any_dim(1, false).nonzero();
    let first = if rows.size()[0] > 0 { rows.int64_value(&[0, 0]) } else { 0 };
    Err(Error::NotFinite {
        count: bad.sum(Kind::Int64).int64_value(&[]),
        total: logits.numel() as i64,
        first: first + start as i64,
    })
}

fn append_labels(logits: &Tensor, ranks: usize, out: &mut Vec<u16>) -> Result<()> {
    let size = logits.size();
    let [_, classes] = size[..] else {
        return Err(Error::Shape { what: "logits", expected: vec![-1; 2], actual: size });
    };
    let classes = u16::try_from(classes)
        .map_err(|_| Error::Refused(format!("{classes} classes; labels are 16-bit")))?;
    let values = logits.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1);
    let values = Vec::<f32>::try_from(&values)?;
    let mut order: Vec<u16> = Vec::with_capacity(usize::from(classes));
    for row in values.chunks_exact(usize::from(classes).max(1)) {
        order.clear();
        order.extend(0..classes);
        // Minus zero is as large as zero.
        let logit = |&class: &u16| row[usize::from(class)] + 0.0;
        let better = |a: &u16, b: &u16| logit(b).total_cmp(&logit(a)).then(a.cmp(b));
        if ranks == 1 {
            out.extend(order.iter().min_by(|a, b| better(a, b)));
        } else {
            order.sort_unstable_by(better);
            out.extend(&order[..ranks]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_go_in_small_chunks() {
        let colour = |side| chunk(ImageShape { channels: 3, height: side, width: side });
        assert_eq!([28, 64, 65, 96, 128, 224, 1024].map(colour), [64, 64, 32, 16, 16, 8, 8]);
    }

    #[test]
    fn ties_go_to_the_lower_class() {
        let logits = Tensor::from_slice(&[1.0_f32, 3.0, 3.0, 0.0]).view([1, 4]);
        assert_eq!(labels(&logits).unwrap(), [1]);
        let mut ranked = Vec::new();
        append_labels(&logits, 4, &mut ranked).unwrap();
        assert_eq!(ranked, [1, 2, 0, 3]);
        let zeros = Tensor::from_slice(&[-0.0_f32, 0.0]).view([1, 2]);
        assert_eq!(labels(&zeros).unwrap(), [0]);
    }
}

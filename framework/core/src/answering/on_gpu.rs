//! Asking a model on a GPU: batches as large as memory allows, only labels come back.
//!
//! Sums there depend on the size of a batch and on the card in their last bits, so answers may differ where two classes
//! are nearly equal: these are counted.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use tch::{Device, Kind, Tensor};

use super::{Batches, check, chunk, require_finite, resident};
use crate::{Error, ImageShape, Images, Mode, Model, Result, guard};

/// An answer is a near tie when its two best logits differ by no more than this share of the spread of all.
pub const NEAR_TIE: f64 = 1e-3;

/// What answering on a GPU came to, since it was asked last; of this program, not of plugins in libraries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GpuTally {
    /// Images answered.
    pub answers: u64,
    /// Answers whose two best logits are nearly equal ([`NEAR_TIE`]): on another device they may differ.
    pub near_ties: u64,
    /// Batches that did not fit into memory and were halved.
    pub halved: u64,
}

static ANSWERS: AtomicU64 = AtomicU64::new(0);
static NEAR_TIES: AtomicU64 = AtomicU64::new(0);
static HALVED: AtomicU64 = AtomicU64::new(0);

impl GpuTally {
    /// Takes the counts, which begin anew.
    pub fn take() -> Self {
        let [answers, near_ties, halved] =
            [&ANSWERS, &NEAR_TIES, &HALVED].map(|count| count.swap(0, Ordering::Relaxed));
        Self { answers, near_ties, halved }
    }
}

thread_local! {
    /// The size of batch that fitted last, and the shape of its images.
    static FITTED: Cell<Option<(ImageShape, usize)>> = const { Cell::new(None) };
}

/// The `ranks` best labels of each image.
pub(super) fn answer(
    model: &dyn Model,
    images: &Images,
    ranks: usize,
    device: Device,
) -> Result<Vec<u16>> {
    let shape = images.shape();
    let known = FITTED.get().filter(|(of, _)| *of == shape).map(|(_, size)| size);
    let mut batches = Batches::new(known.unwrap_or_else(|| chunk(shape)));
    let mut labels = Vec::with_capacity(images.len() * ranks);
    let mut start = 0;
    while start < images.len() {
        let count = batches.next(images.len() - start);
        let asked = guard::catch(|| {
            let batch = resident::batch(images, start..start + count, device)?;
            let logits = tch::no_grad(|| model.logits(&batch, Mode::Evaluation))?;
            check(&logits, count as i64, model.classes())?;
            require_finite(&logits, start)?;
            tch::no_grad(|| ranked(&logits, ranks))
        });
        match asked {
            Ok(Ranked { labels: ranked, near_ties }) => {
                labels.extend(ranked);
                ANSWERS.fetch_add(count as u64, Ordering::Relaxed);
                NEAR_TIES.fetch_add(near_ties, Ordering::Relaxed);
                batches.fitted(count);
                start += count;
                FITTED.set(Some((shape, batches.next(usize::MAX))));
            }
            Err(error) => {
                batches.failed(count, error)?;
                HALVED.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Ok(labels)
}

struct Ranked {
    labels: Vec<u16>,
    near_ties: u64,
}

/// The best labels of each row, ties to the lower class, ordered where the logits are.
fn ranked(logits: &Tensor, ranks: usize) -> Result<Ranked> {
    let classes = logits.size()[1];
    if u16::try_from(classes).is_err() {
        return Err(Error::Refused(format!("{classes} classes; labels are 16-bit")));
    }
    let (values, order) = logits.f_to_kind(Kind::Float)?.f_sort_stable(true, 1, true)?;
    let best = order.f_narrow(1, 0, ranks as i64)?;
    // Labels above 32,767 come as negative numbers of the same 16 bits.
    let best = best.f_to_kind(Kind::Int16)?.f_contiguous()?.f_to_device(Device::Cpu)?;
    let labels = Vec::<i16>::try_from(&best.f_view(-1)?)?;
    let near_ties = match classes {
        1 => 0,
        _ => {
            let first = values.f_select(1, 0)?;
            let gap = &first - values.f_select(1, 1)?;
            let spread = first - values.f_select(1, -1)?;
            gap.f_le_tensor(&(spread * NEAR_TIE))?.f_sum(Kind::Int64)?.f_int64_value(&[])?
        }
    };
    Ok(Ranked {
        labels: labels.into_iter().map(i16::cast_unsigned).collect(),
        near_ties: u64::try_from(near_ties).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::append_labels, *};
    use crate::{
        Access, Parameter, Stream,
        testkit::{self, ToyModel},
    };

    /// Refuses what exceeds its memory, as libtorch does on a GPU.
    struct Small(usize);

    impl Model for Small {
        fn input(&self) -> ImageShape {
            testkit::SHAPE
        }

        fn classes(&self) -> usize {
            testkit::CLASSES
        }

        fn logits(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
            match images.size()[0] > self.0 as i64 {
                true => panic!("Torch(\"CUDA out of memory. Tried to allocate 2.00 GiB.\")"),
                false => ToyModel::new(0).logits(images, mode),
            }
        }

        fn parameters(&self) -> Vec<Parameter> {
            Vec::new()
        }

        fn fork(&self) -> Result<Box<dyn Model>> {
            Ok(Box::new(Self(self.0)))
        }
    }

    #[test]
    fn answers_are_the_same_in_batches_of_whatever_size_and_tell_what_did_not_fit() {
        let images = testkit::images(300, 3);
        let expected =
            crate::answer(&ToyModel::new(0), &images, Access::TopK(3), Device::Cpu).unwrap();
        GpuTally::take();
        for memory in [1000, 50, 1] {
            let answered = answer(&Small(memory), &images, 3, Device::Cpu).unwrap();
            assert_eq!(answered, expected.as_slice(), "{memory}");
        }
        let tally = GpuTally::take();
        assert_eq!(tally.answers, 900);
        // 64, 128, 256 fit; 256 (known) to 32 for 50; then 32 (or 64) to 1.
        assert!(tally.halved >= 8, "{tally:?}");
        let error = answer(&Small(0), &images, 3, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("out of memory"), "{error}");
    }

    #[test]
    fn labels_are_ranked_as_on_a_processor_with_ties_to_the_lower_class() {
        let mut stream = Stream::named(1, ["logits"]);
        let values: Vec<f32> = (0..200 * 40_000 / 100).map(|_| stream.below(50) as f32).collect();
        let logits = Tensor::from_slice(&values).view([2, 40_000]);
        let mut expected = Vec::new();
        append_labels(&logits, 2000, &mut expected).unwrap();
        assert_eq!(ranked(&logits, 2000).unwrap().labels, expected);
        assert!(expected.iter().any(|&label| label > 32_767));
    }

    #[test]
    fn a_near_tie_is_measured_by_the_spread_of_the_row() {
        let rows: [[f32; 3]; 4] =
            [[10.0, 9.995, 0.0], [10.0, 9.8, 0.0], [0.1, 0.099, 0.0], [5.0, 5.0, 5.0]];
        let logits = Tensor::from_slice(&rows.concat()).view([4, 3]);
        assert_eq!(ranked(&logits, 1).unwrap().near_ties, 2);
    }
}

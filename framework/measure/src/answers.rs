//! What a black box reveals when it is asked.

use std::{fmt, ops::Range, sync::Arc};

use crate::{Error, Result};

/// How much of an answer a black box reveals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The label of the most probable class.
    #[default]
    Top1,
    /// The labels of the `k` most probable classes, best first.
    TopK(usize),
}

impl Access {
    /// Number of ranked labels revealed.
    pub fn ranks(self) -> usize {
        match self {
            Self::Top1 => 1,
            Self::TopK(k) => k,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "top{}", self.ranks())
    }
}

/// Labels turned into bytes at a time: what fits in a cache.
const DIGESTED: usize = 1 << 13;

/// One model's answers to a list of queries: the labels of its `ranks` best classes, best first.
///
/// # Shapes
/// Labels: u16 `[queries, ranks]`, row-major, shared without copying.
#[derive(Clone)]
pub struct Answers {
    labels: Labels,
    ranks: usize,
}

/// Where labels lie.
#[derive(Clone)]
enum Labels {
    Own(Arc<[u16]>),
    Shared(Arc<Buffer>, Range<usize>),
}

/// Labels of many models that somebody else holds, such as a file mapped into memory.
type Buffer = dyn AsRef<[u16]> + Send + Sync;

impl Answers {
    /// Wraps ranked labels, `ranks` of them for each query.
    ///
    /// # Errors
    /// When `ranks` is zero or does not divide the number of labels.
    pub fn new(labels: impl Into<Arc<[u16]>>, ranks: usize) -> Result<Self> {
        let labels = labels.into();
        check_ranks(labels.len(), ranks)?;
        Ok(Self { labels: Labels::Own(labels), ranks })
    }

    /// Ranked labels that are a part of a larger buffer, which is kept and not copied.
    ///
    /// The buffer must show the same labels each time it is asked.
    ///
    /// # Errors
    /// When the range does not lie in the buffer, or `ranks` is zero or does not divide its length.
    pub fn shared(
        buffer: Arc<dyn AsRef<[u16]> + Send + Sync>,
        range: Range<usize>,
        ranks: usize,
    ) -> Result<Self> {
        let available = (*buffer).as_ref().len();
        let length = (*buffer).as_ref().get(range.clone()).map(<[u16]>::len).ok_or({
            let what = "labels of a buffer that answers share";
            Error::Length { what, expected: range.end, actual: available }
        })?;
        check_ranks(length, ranks)?;
        Ok(Self { labels: Labels::Shared(buffer, range), ranks })
    }

    /// Top-1 answers.
    pub fn top1(labels: impl Into<Arc<[u16]>>) -> Self {
        Self { labels: Labels::Own(labels.into()), ranks: 1 }
    }

    /// Number of queries answered.
    pub fn len(&self) -> usize {
        self.as_slice().len() / self.ranks
    }

    /// Whether no query was answered.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Number of labels revealed for each query.
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// Label of the best class for `query`.
    ///
    /// # Panics
    /// When `query` is not below [`len`](Self::len).
    pub fn label(&self, query: usize) -> u16 {
        self.as_slice()[query * self.ranks]
    }

    /// Labels of the best classes for `query`, best first.
    ///
    /// # Panics
    /// When `query` is not below [`len`](Self::len).
    pub fn ranked(&self, query: usize) -> &[u16] {
        &self.as_slice()[query * self.ranks..(query + 1) * self.ranks]
    }

    /// All labels, `[queries, ranks]`.
    ///
    /// # Panics
    /// When a shared buffer has become shorter since.
    pub fn as_slice(&self) -> &[u16] {
        match &self.labels {
            Labels::Own(labels) => labels,
            Labels::Shared(buffer, range) => &(**buffer).as_ref()[range.clone()],
        }
    }

    /// The answers to some of the queries, in the order given.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len).
    pub fn gather(&self, queries: &[u32]) -> Self {
        let (labels, ranks) = (self.as_slice(), self.ranks);
        let gathered = match ranks {
            1 => queries.iter().map(|&query| labels[query as usize]).collect(),
            _ => queries
                .iter()
                .flat_map(|&query| &labels[query as usize * ranks..][..ranks])
                .copied()
                .collect(),
        };
        Self { labels: Labels::Own(gathered), ranks }
    }

    /// The answers to the first `count` queries.
    ///
    /// # Panics
    /// When `count` exceeds [`len`](Self::len).
    pub fn first(&self, count: usize) -> Self {
        let end = count * self.ranks;
        let labels = match &self.labels {
            Labels::Own(labels) => Labels::Own(labels[..end].into()),
            Labels::Shared(buffer, range) => {
                assert!(end <= range.len(), "{count} of {} answers", self.len());
                Labels::Shared(buffer.clone(), range.start..range.start + end)
            }
        };
        Self { labels, ranks: self.ranks }
    }

    /// The same answers as a black box with less access would give them.
    ///
    /// # Errors
    /// When `access` asks for more ranks than there are.
    pub fn restricted_to(&self, access: Access) -> Result<Self> {
        let wanted = access.ranks();
        if wanted == self.ranks {
            return Ok(self.clone());
        }
        if wanted > self.ranks {
            return Err(Error::Access { wanted, available: self.ranks });
        }
        let labels: Vec<u16> = self
            .as_slice()
            .chunks_exact(self.ranks)
            .flat_map(|r| r[..wanted].iter().copied())
            .collect();
        Ok(Self { labels: Labels::Own(labels.into()), ranks: wanted })
    }

    /// Digest of what was answered: BLAKE3 of the labels in little-endian order, then their number and ranks as 64 bits.
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = Vec::with_capacity(2 * DIGESTED);
        for labels in self.as_slice().chunks(DIGESTED) {
            bytes.clear();
            bytes.extend(labels.iter().flat_map(|label| label.to_le_bytes()));
            hasher.update(&bytes);
        }
        hasher.update(&(self.as_slice().len() as u64).to_le_bytes());
        hasher.update(&(self.ranks as u64).to_le_bytes());
        hasher.finalize()
    }

    /// Share of queries whose best label is also the other's.
    ///
    /// # Panics
    /// When the other has fewer answers.
    pub fn agreement(&self, other: &Self) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let own = self.as_slice().iter().step_by(self.ranks);
        let others = other.as_slice()[..self.len() * other.ranks].iter().step_by(other.ranks);
        own.zip(others).filter(|(own, other)| own == other).count() as f64 / self.len() as f64
    }

    /// Share of queries whose best label is the true one.
    ///
    /// # Panics
    /// When there are fewer true labels than queries.
    pub fn accuracy(&self, truth: &[u16]) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let best = self.as_slice().iter().step_by(self.ranks);
        let truth = &truth[..self.len()];
        let right = best.zip(truth).filter(|(label, truth)| label == truth).count();
        right as f64 / self.len() as f64
    }
}

impl PartialEq for Answers {
    fn eq(&self, other: &Self) -> bool {
        self.ranks == other.ranks && self.as_slice() == other.as_slice()
    }
}

impl Eq for Answers {}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("labels", &self.as_slice())
            .field("ranks", &self.ranks)
            .finish()
    }
}

fn check_ranks(labels: usize, ranks: usize) -> Result<()> {
    if ranks == 0 {
        return Err(Error::Empty("answers must reveal at least one label"));
    }
    if !labels.is_multiple_of(ranks) {
        return Err(Error::Length {
            what: "labels of ranked answers",
            expected: labels.next_multiple_of(ranks),
            actual: labels,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_access_reveals_the_best_labels_only() {
        let answers = Answers::new(vec![1, 2, 3, 4, 5, 6], 3).unwrap();
        assert_eq!(answers.restricted_to(Access::Top1).unwrap().as_slice(), [1, 4]);
        assert!(answers.restricted_to(Access::TopK(4)).is_err());
    }

    #[test]
    fn answers_in_a_shared_buffer_are_those_copied_out_of_it() {
        let buffer: Arc<Buffer> = Arc::new(vec![9, 9, 1, 2, 3, 4, 9]);
        let shared = Answers::shared(Arc::clone(&buffer), 2..6, 2).unwrap();
        let own = Answers::new(vec![1, 2, 3, 4], 2).unwrap();
        assert_eq!(shared, own);
        assert_eq!(format!("{shared:?}"), format!("{own:?}"));
        assert_eq!((shared.len(), shared.label(1), shared.ranked(1)), (2, 3, &[3, 4][..]));
        assert_eq!(shared.gather(&[1, 1, 0]), own.gather(&[1, 1, 0]));
        assert_eq!(shared.gather(&[1]).as_slice(), [3, 4]);
        let (top1, truth) = (Access::Top1, [1, 4]);
        assert_eq!(shared.restricted_to(top1).unwrap(), own.restricted_to(top1).unwrap());
        assert_eq!((shared.accuracy(&truth), own.accuracy(&truth)), (0.5, 0.5));
        assert_ne!(shared, Answers::top1([1, 2, 3, 4]));
    }

    #[test]
    fn agreement_looks_at_the_best_labels() {
        let ranked = Answers::new(vec![1, 9, 2, 9, 3, 9, 4, 9], 2).unwrap();
        assert_eq!(ranked.agreement(&Answers::top1(vec![1, 2, 9, 4])), 0.75);
        assert_eq!(Answers::top1(vec![1, 2, 9, 4]).agreement(&ranked), 0.75);
    }

    #[test]
    fn a_range_beyond_the_buffer_is_refused() {
        let buffer: Arc<Buffer> = Arc::new([1, 2, 3]);
        let part = |range: Range<usize>, ranks| Answers::shared(Arc::clone(&buffer), range, ranks);
        assert!(matches!(part(1..4, 1), Err(Error::Length { expected: 4, actual: 3, .. })));
        assert!(part(usize::MAX..usize::MAX, 1).is_err());
        assert!(part(0..3, 2).is_err());
        assert!(part(0..3, 0).is_err());
        assert!(part(3..3, 1).unwrap().is_empty());
    }
}

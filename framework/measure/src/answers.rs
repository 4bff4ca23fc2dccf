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

/// One model's answers to a list of queries: the labels of its `ranks` best classes, best first.
///
/// # Shapes
/// `labels`: u16 `[queries, ranks]`, row-major, shared without copying.
#[derive(Clone)]
pub struct Answers {
    labels: Labels,
    ranks: usize,
}

#[derive(Clone)]
enum Labels {
    Own(Arc<[u16]>),
    /// Some of the labels of a matrix of many models.
    Shared(Arc<dyn AsRef<[u16]> + Send + Sync>, Range<usize>),
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

impl Answers {
    /// Wraps ranked labels, `ranks` of them for each query.
    ///
    /// # Errors
    /// When `ranks` is zero or does not divide the number of labels.
    pub fn new(labels: impl Into<Arc<[u16]>>, ranks: usize) -> Result<Self> {
        let labels = labels.into();
        check(labels.len(), ranks)?;
        Ok(Self { labels: Labels::Own(labels), ranks })
    }

    /// Wraps some of the labels of a matrix that many answers share, such as a file mapped to memory.
    ///
    /// # Errors
    /// When the range exceeds the matrix, or as [`new`](Self::new).
    pub fn shared(
        matrix: Arc<dyn AsRef<[u16]> + Send + Sync>,
        range: Range<usize>,
        ranks: usize,
    ) -> Result<Self> {
        let length = (*matrix).as_ref().len();
        if range.start > range.end || range.end > length {
            return Err(Error::Length {
                what: "labels of a shared matrix",
                expected: range.end,
                actual: length,
            });
        }
        check(range.len(), ranks)?;
        Ok(Self { labels: Labels::Shared(matrix, range), ranks })
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
    pub fn as_slice(&self) -> &[u16] {
        match &self.labels {
            Labels::Own(labels) => labels,
            Labels::Shared(matrix, range) => &(**matrix).as_ref()[range.clone()],
        }
    }

    /// The answers to some of the queries, in the order given.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len).
    pub fn gather(&self, queries: &[u32]) -> Self {
        let labels: Vec<u16> =
            queries.iter().flat_map(|&q| self.ranked(q as usize).iter().copied()).collect();
        Self { labels: Labels::Own(labels.into()), ranks: self.ranks }
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

    /// Share of queries whose best label is the true one.
    pub fn accuracy(&self, truth: &[u16]) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let right = (0..self.len()).filter(|&q| self.label(q) == truth[q]).count();
        right as f64 / self.len() as f64
    }
}

fn check(labels: usize, ranks: usize) -> Result<()> {
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

/// Answers of many models to the same queries, laid out query by query.
///
/// One fingerprint is compared with all suspects at once, so the labels of all models for one query lie
/// side by side.
///
/// # Shapes
/// u16 `[queries, ranks, models]`, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerTable {
    labels: Vec<u16>,
    queries: usize,
    ranks: usize,
    models: usize,
}

impl AnswerTable {
    /// Gathers the answers of several models, one column each.
    ///
    /// # Errors
    /// When the models answered different numbers of queries or ranks.
    pub fn from_models(columns: &[Answers]) -> Result<Self> {
        let first = columns.first().ok_or(Error::Empty("a table of answers needs a model"))?;
        let (queries, ranks, models) = (first.len(), first.ranks(), columns.len());
        let mut labels = vec![0; queries * ranks * models];
        for (model, column) in columns.iter().enumerate() {
            if column.len() != queries {
                return Err(Error::Length {
                    what: "answers of a model",
                    expected: queries,
                    actual: column.len(),
                });
            }
            if column.ranks() != ranks {
                return Err(Error::Access { wanted: ranks, available: column.ranks() });
            }
            for (row, &label) in column.as_slice().iter().enumerate() {
                labels[row * models + model] = label;
            }
        }
        Ok(Self { labels, queries, ranks, models })
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.queries
    }

    /// Labels revealed a query.
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// Label at `rank` (0 is the best) that each model gives to `query`.
    ///
    /// # Panics
    /// When `query` or `rank` is out of range.
    pub fn labels(&self, query: usize, rank: usize) -> &[u16] {
        assert!(rank < self.ranks, "rank {rank} of {}", self.ranks);
        let row = query * self.ranks + rank;
        &self.labels[row * self.models..(row + 1) * self.models]
    }

    /// One model's answers.
    ///
    /// # Panics
    /// When `model` is out of range.
    pub fn model(&self, model: usize) -> Answers {
        assert!(model < self.models, "model {model} of {}", self.models);
        let labels: Vec<u16> =
            self.labels.iter().skip(model).step_by(self.models).copied().collect();
        Answers { labels: Labels::Own(labels.into()), ranks: self.ranks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_gives_back_each_models_answers() {
        let a = Answers::new(vec![1, 2, 3, 4], 2).unwrap();
        let b = Answers::new(vec![5, 6, 7, 8], 2).unwrap();
        let table = AnswerTable::from_models(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(table.labels(1, 0), [3, 7]);
        assert_eq!((table.model(0), table.model(1)), (a, b));
    }

    #[test]
    fn answers_of_a_shared_matrix_are_those_of_their_rows() {
        let matrix: Arc<dyn AsRef<[u16]> + Send + Sync> = Arc::new(vec![1_u16, 2, 3, 4, 5, 6]);
        let answers = Answers::shared(Arc::clone(&matrix), 2..6, 2).unwrap();
        assert_eq!(answers, Answers::new(vec![3, 4, 5, 6], 2).unwrap());
        assert_eq!((answers.len(), answers.label(1)), (2, 5));
        assert!(Answers::shared(Arc::clone(&matrix), 2..7, 1).is_err());
        assert!(Answers::shared(matrix, 0..3, 2).is_err());
    }

    #[test]
    fn less_access_reveals_the_best_labels_only() {
        let answers = Answers::new(vec![1, 2, 3, 4, 5, 6], 3).unwrap();
        assert_eq!(answers.restricted_to(Access::Top1).unwrap().as_slice(), [1, 4]);
        assert!(answers.restricted_to(Access::TopK(4)).is_err());
    }
}

//! The answers of many models to the same queries.

use std::sync::{Arc, OnceLock};

use crate::{Answers, Error, Result, bits::TruthBits};

/// Queries whose labels are laid out together: what fits in a cache.
const BLOCK: usize = 64;

/// Answers of many models to the same queries, laid out so that all models are scored at once.
///
/// It keeps the models' answers as they are (they share their labels), and beside them, where true labels are given,
/// one bit for each answer: whether it is right. Statistics that compare right and wrong read these bits only; the
/// labels are laid out query by query, which takes as much memory as the answers, when somebody first asks for them.
#[derive(Debug, Clone)]
pub struct AnswerTable {
    columns: Vec<Answers>,
    queries: usize,
    ranks: usize,
    truth: Option<Truth>,
    /// u16 `[queries, ranks, models]`, row-major.
    labels: OnceLock<Vec<u16>>,
}

#[derive(Debug, Clone)]
struct Truth {
    labels: Arc<[u16]>,
    bits: TruthBits,
}

impl AnswerTable {
    /// Gathers the answers of several models, one column each.
    ///
    /// # Errors
    /// When there is no model, or they answered different numbers of queries or ranks.
    pub fn from_models(columns: &[Answers]) -> Result<Self> {
        let first = columns.first().ok_or(Error::Empty("a table of answers needs a model"))?;
        let (queries, ranks) = (first.len(), first.ranks());
        for column in columns {
            if column.ranks() != ranks {
                return Err(Error::Access { wanted: ranks, available: column.ranks() });
            }
            Error::require_length("answers of a model", queries, column.len())?;
        }
        let columns = columns.to_vec();
        Ok(Self { columns, queries, ranks, truth: None, labels: OnceLock::new() })
    }

    /// Gathers the answers of several models, and compares them with the true labels of the queries.
    ///
    /// # Errors
    /// When there is no model, or they answered different numbers of queries or ranks, or as many true labels are
    /// not given.
    pub fn with_truth(columns: &[Answers], truth: &[u16]) -> Result<Self> {
        let mut table = Self::from_models(columns)?;
        Error::require_length("true labels", table.queries, truth.len())?;
        let bits = TruthBits::new(&table.columns, truth, table.ranks);
        table.truth = Some(Truth { labels: truth.into(), bits });
        Ok(table)
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
        self.columns.len()
    }

    /// True labels of the queries, where they were given.
    pub fn truth(&self) -> Option<&[u16]> {
        self.truth.as_ref().map(|truth| &*truth.labels)
    }

    /// True labels and the bits that say who gave them.
    pub(crate) fn truth_bits(&self) -> Option<(&[u16], &TruthBits)> {
        self.truth.as_ref().map(|truth| (&*truth.labels, &truth.bits))
    }

    /// Label at `rank` (0 is the best) that each model gives to `query`.
    ///
    /// # Panics
    /// When `query` or `rank` is out of range.
    pub fn labels(&self, query: usize, rank: usize) -> &[u16] {
        assert!(rank < self.ranks, "rank {rank} of {}", self.ranks);
        let labels = self.labels.get_or_init(|| self.laid_out());
        &labels[(query * self.ranks + rank) * self.models()..][..self.models()]
    }

    fn laid_out(&self) -> Vec<u16> {
        let models = self.models();
        let columns: Vec<&[u16]> = self.columns.iter().map(Answers::as_slice).collect();
        let mut labels = vec![0; self.queries * self.ranks * models];
        for (block, labels) in labels.chunks_mut(BLOCK * models).enumerate() {
            for (model, column) in columns.iter().enumerate() {
                let places = labels.iter_mut().skip(model).step_by(models);
                for (place, &label) in places.zip(&column[block * BLOCK..]) {
                    *place = label;
                }
            }
        }
        labels
    }

    /// One model's answers.
    ///
    /// # Panics
    /// When `model` is out of range.
    pub fn model(&self, model: usize) -> Answers {
        assert!(model < self.models(), "model {model} of {}", self.models());
        self.columns[model].clone()
    }
}

/// Tables are equal when their answers and their true labels are.
impl PartialEq for AnswerTable {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns && self.truth() == other.truth()
    }
}

impl Eq for AnswerTable {}

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
    fn labels_lie_query_by_query_whatever_the_block() {
        let column =
            |model: u16| Answers::new((0..300).map(|i| i * 3 + model).collect::<Vec<_>>(), 2);
        let columns: Vec<Answers> = (0..3).map(|model| column(model).unwrap()).collect();
        let table = AnswerTable::from_models(&columns).unwrap();
        for query in 0..150 {
            for rank in 0..2 {
                let expected: Vec<u16> = columns.iter().map(|c| c.ranked(query)[rank]).collect();
                assert_eq!(table.labels(query, rank), expected);
            }
        }
    }

    #[test]
    fn labels_are_not_laid_out_before_somebody_asks() {
        let answers = Answers::top1([1, 2]);
        let table = AnswerTable::with_truth(&[answers], &[1, 1]).unwrap();
        assert!(table.labels.get().is_none());
        assert_eq!(table.labels(1, 0), [2]);
        assert!(table.labels.get().is_some());
    }

    #[test]
    fn columns_and_truth_of_other_lengths_are_refused() {
        let (a, b) = (Answers::top1([1, 2]), Answers::top1([1]));
        assert!(AnswerTable::from_models(&[a.clone(), b]).is_err());
        assert!(AnswerTable::from_models(&[]).is_err());
        let error = AnswerTable::with_truth(&[a], &[1]).unwrap_err();
        assert!(matches!(error, Error::Length { expected: 2, actual: 1, .. }), "{error}");
    }
}

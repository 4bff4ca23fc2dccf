//! The suspects' answers to one fingerprint's queries.

use crate::{AnswerTable, Answers};

/// All suspects' answers to the queries of one fingerprint, as a method sees them.
///
/// Query `i` here is query `i` of the fingerprint; the suspects are black boxes without names.
#[derive(Debug, Clone, Copy)]
pub struct Suspects<'a> {
    table: &'a AnswerTable,
    rows: &'a [u32],
    ranks: usize,
}

impl<'a> Suspects<'a> {
    /// Suspects whose answer to query `i` stands in row `rows[i]` of `table`, `ranks` labels of it revealed.
    ///
    /// # Panics
    /// When a row or the number of ranks exceeds the table.
    pub fn new(table: &'a AnswerTable, rows: &'a [u32], ranks: usize) -> Self {
        assert!(ranks <= table.ranks(), "{ranks} ranks asked of {}", table.ranks());
        let last = rows.iter().max();
        assert!(last.is_none_or(|&row| (row as usize) < table.queries()), "row beyond the table");
        Self { table, rows, ranks }
    }

    /// Number of suspects.
    pub fn len(&self) -> usize {
        self.table.models()
    }

    /// Whether there is no suspect.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of queries that each suspect answered.
    pub fn queries(&self) -> usize {
        self.rows.len()
    }

    /// Labels revealed a query.
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// The table that the suspects' answers lie in.
    pub(crate) fn table(&self) -> &'a AnswerTable {
        self.table
    }

    /// Row of the table for each query.
    pub(crate) fn rows(&self) -> &'a [u32] {
        self.rows
    }

    /// Best label that each suspect gave to `query`.
    ///
    /// # Panics
    /// When `query` is out of range.
    pub fn labels(&self, query: usize) -> &'a [u16] {
        self.table.labels(self.rows[query] as usize, 0)
    }

    /// Label at `rank` (0 is the best) that each suspect gave to `query`.
    ///
    /// # Panics
    /// When `query` or `rank` is out of range.
    pub fn labels_at(&self, query: usize, rank: usize) -> &'a [u16] {
        assert!(rank < self.ranks, "rank {rank} of {}", self.ranks);
        self.table.labels(self.rows[query] as usize, rank)
    }

    /// One suspect's answers to all queries.
    ///
    /// # Panics
    /// When `suspect` is out of range.
    pub fn answers(&self, suspect: usize) -> Answers {
        let labels: Vec<u16> = (0..self.queries())
            .flat_map(|q| (0..self.ranks).map(move |r| (q, r)))
            .map(|(q, r)| self.labels_at(q, r)[suspect])
            .collect();
        Answers::new(labels, self.ranks).expect("ranks divide the labels by construction")
    }
}

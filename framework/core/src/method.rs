//! Fingerprinting methods: how an owner enrols her model and judges a suspect.

use std::fmt;

use crate::{
    Access, AnswerTable, Answers, Error, Images, InputSelector, Owner, Result, Stream, Suspects,
    guard,
};

/// What an owner must know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Her model in white box: gradients, weights.
    pub model: bool,
    /// True labels of the pool.
    pub labels: bool,
    /// Answers of other vanillas.
    pub peers: bool,
    /// Answers of variants of her own.
    pub rehearsals: bool,
}

impl Knowledge {
    /// All that either knows.
    pub fn union(self, other: Self) -> Self {
        Self {
            model: self.model || other.model,
            labels: self.labels || other.labels,
            peers: self.peers || other.peers,
            rehearsals: self.rehearsals || other.rehearsals,
        }
    }

    /// As reports name it: `white box`, `labels`, `peers`, `rehearsals`.
    pub fn words(self) -> Vec<&'static str> {
        let named = [
            (self.model, "white box"),
            (self.labels, "labels"),
            (self.peers, "peers"),
            (self.rehearsals, "rehearsals"),
        ];
        named.into_iter().filter_map(|(known, word)| known.then_some(word)).collect()
    }
}

/// What a method asks for; declared, enforced by the runner and printed beside its rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// What black boxes must reveal.
    pub access: Access,
    /// What the owner must know.
    pub knowledge: Knowledge,
    /// Whether benign queries are chosen by an [`InputSelector`].
    pub selector: bool,
    /// Whether queries are crafted: once an owner, into a bank from which draws sample.
    pub crafts: bool,
    /// Whether rehearsals are used where there are some, and may be missing.
    pub welcomes_rehearsals: bool,
}

/// Queries of a fingerprint: indices into the pool, then crafted images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queries {
    /// Indices into the pool, asked first.
    pub pool: Vec<u32>,
    /// Crafted images, 8-bit like any that a service receives.
    pub crafted: Option<Images>,
}

impl Queries {
    /// Benign queries.
    pub fn benign(pool: Vec<u32>) -> Self {
        Self { pool, crafted: None }
    }

    /// Crafted queries.
    pub fn crafted(images: Images) -> Self {
        Self { pool: Vec::new(), crafted: Some(images) }
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.pool.len() + self.crafted.as_ref().map_or(0, Images::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of the queries; those from the pool must come first.
    fn gather(&self, indices: &[u32]) -> Self {
        let benign = self.pool.len();
        let split = indices.partition_point(|&i| (i as usize) < benign);
        let (from_pool, from_crafted) = indices.split_at(split);
        let benign = u32::try_from(benign).unwrap_or(u32::MAX);
        let shifted: Vec<u32> = from_crafted.iter().map(|&i| i - benign).collect();
        Self {
            pool: from_pool.iter().map(|&i| self.pool[i as usize]).collect(),
            crafted: self.crafted.as_ref().map(|images| images.gather(&shifted)),
        }
    }
}

/// A fingerprint: queries, and the answers of the owner's model, or of her delegate, to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    /// What a suspect is asked.
    pub queries: Queries,
    /// What the owner's model answers.
    pub reference: Answers,
    /// True label of each query, where the method compares with it.
    pub truth: Option<Vec<u16>>,
    /// Anything else the method needs to judge.
    pub state: Vec<f64>,
    /// Figures for the report: name with unit, value.
    pub notes: Vec<(String, f64)>,
}

impl Fingerprint {
    /// A fingerprint of benign queries whose reference are the owner's answers on the pool.
    pub fn benign(owner: &Owner, pool: Vec<u32>) -> Self {
        Self {
            reference: owner.answers.gather(&pool),
            truth: Some(pool.iter().map(|&i| owner.pool.truth[i as usize]).collect()),
            queries: Queries::benign(pool),
            state: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The fingerprint of some of its queries (ascending where pool and crafted queries mix); state and notes stay.
    #[must_use]
    pub fn sample(&self, indices: &[u32]) -> Self {
        Self {
            queries: self.queries.gather(indices),
            reference: self.reference.gather(indices),
            truth: self
                .truth
                .as_ref()
                .map(|truth| indices.iter().map(|&i| truth[i as usize]).collect()),
            state: self.state.clone(),
            notes: self.notes.clone(),
        }
    }
}

type Ask<'a> = Box<dyn FnMut(&Queries) -> Result<Answers> + 'a>;

/// A suspect that answers queries, no more, and counts them.
pub struct Oracle<'a> {
    ask: Ask<'a>,
    asked: usize,
    budget: usize,
}

impl<'a> Oracle<'a> {
    /// A suspect answering by `ask`, at most `budget` queries.
    pub fn new(budget: usize, mut ask: impl FnMut(&Queries) -> Result<Answers> + 'a) -> Self {
        // Its panics must not run through the library of the method that asks.
        let ask = Box::new(move |queries: &Queries| guard::catch(|| ask(queries)));
        Self { ask, asked: 0, budget }
    }

    /// Puts queries to the suspect.
    ///
    /// # Errors
    /// When they exceed the budget, or the suspect fails.
    pub fn ask(&mut self, queries: &Queries) -> Result<Answers> {
        let asked = self.asked + queries.len();
        if asked > self.budget {
            return Err(Error::Refused(format!(
                "{asked} queries exceed the budget of {}",
                self.budget
            )));
        }
        self.asked = asked;
        (self.ask)(queries)
    }

    /// Queries spent.
    pub fn asked(&self) -> usize {
        self.asked
    }
}

impl fmt::Debug for Oracle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oracle").field("asked", &self.asked).field("budget", &self.budget).finish()
    }
}

/// A fingerprinting method.
pub trait FingerprintMethod: Send + Sync {
    /// What it asks for.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Rough number of forward passes (a gradient counts as three) to craft one query, for the estimate of time.
    fn forwards_per_crafted_query(&self) -> f64 {
        0.0
    }

    /// Recipes of what it is made of beside its own source, for cache keys; none for one that does all itself.
    fn ingredients(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether its distances are p-values: then a threshold may be chosen without any other model.
    fn gives_p_values(&self) -> bool {
        false
    }

    /// Makes a fingerprint of at most `budget` queries.
    ///
    /// # Errors
    /// When this owner's model can't be enrolled so.
    fn enroll(
        &self,
        owner: &Owner,
        selector: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint>;

    /// Distances of all suspects, small means mine, `+inf` can't tell, never NaN.
    ///
    /// # Errors
    /// When the answers can't be compared.
    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()>;

    /// Judges one suspect: asks every query once; a method that adapts its questions overrides it.
    ///
    /// # Errors
    /// When the suspect fails or the answers can't be compared.
    fn interrogate(&self, fingerprint: &Fingerprint, suspect: &mut Oracle<'_>) -> Result<f64> {
        let table = AnswerTable::from_models(&[suspect.ask(&fingerprint.queries)?])?;
        let rows: Vec<u32> = (0..).take(table.queries()).collect();
        let mut distance = [f64::INFINITY];
        let suspects = Suspects::new(&table, &rows, table.ranks());
        self.distances(fingerprint, &suspects, &mut distance)?;
        Ok(distance[0])
    }
}

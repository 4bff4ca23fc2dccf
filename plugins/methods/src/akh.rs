//! AKH: the Anna Karenina heuristic.
//!
//! "All happy families are alike; each unhappy family is unhappy in its own way": networks that are right agree,
//! those that are wrong are wrong each in its own way. So the owner asks images that her own model answers wrongly and counts the
//! suspects' equal labels: the cheap baseline that every other method should beat.
//!
//! Augustin Godinot, Erwan Le Merrer, Camilla Penzo, François Taïani, Gilles Trédan: *Queries, Representation & Detection: The
//! Next 100 Model Fingerprinting Schemes*, AAAI 2025, <https://arxiv.org/abs/2412.13021>.
//!
//! ```text
//! X' = images x of the pool with h(x) != truth;  L of them at random without replacement
//! D = share of the L queries on which the suspect's label differs from h(x)
//! ```
//!
//! # Differences from the paper
//!
//! - The paper states it as a yes-or-no test; here the share of labels that differ is a distance, and the threshold on it
//!   comes from the false-positive rate, as for every method.
//! - `statistic` scores the same queries in another way. Mutual information is refused: on her mistakes alone the owner is always
//!   wrong, so that it would be `+inf` throughout.

use bertillon::{
    Error, Fingerprint, FingerprintMethod, InputSelector, Knowledge, Needs, Owner, Result, Rightly,
    Statistic, Stream, Suspects, registry::Configure,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of `akh`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How answers are compared, `label-match` (the paper's) or `correctness-match`.
    pub statistic: Statistic,
}

impl Default for Params {
    fn default() -> Self {
        Self { statistic: Statistic::LabelMatch }
    }
}

/// Compares labels on the owner's own mistakes.
#[derive(Debug, Clone)]
pub struct Akh {
    statistic: Statistic,
}

impl Configure for Akh {
    type Parameters = Params;

    fn configure(Params { statistic }: Params) -> Result<Self> {
        match statistic.uses_ranks() {
            true => Err(Error::parameter(
                "statistic",
                format!("{statistic:?}"),
                "her model is wrong on every query, so nothing is shared: `label-match` or `correctness-match`",
            )),
            false => Ok(Self { statistic }),
        }
    }
}

impl FingerprintMethod for Akh {
    fn needs(&self) -> Needs {
        Needs { knowledge: Knowledge { labels: true, ..Knowledge::default() }, ..Needs::default() }
    }

    fn enroll(
        &self,
        owner: &Owner,
        _: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        let mistakes = owner.answered(Rightly::Wrong)?;
        if mistakes.len() < budget {
            return Err(Error::Refused(format!(
                "owner `{}` answers {} of {} images wrongly, and a budget of {budget} needs {budget}: lower the \
                 budget or enlarge the pool",
                owner.name,
                mistakes.len(),
                owner.pool.len()
            )));
        }
        let mut fingerprint = Fingerprint::benign(owner, stream.sample(&mistakes, budget));
        fingerprint.reference = fingerprint.reference.restricted_to(self.needs().access)?;
        Ok(fingerprint)
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        let Fingerprint { reference, truth, .. } = fingerprint;
        Ok(self.statistic.distances(reference, truth.as_deref(), suspects, out)?)
    }
}

bertillon::register_method!("akh", Akh);

#[cfg(test)]
mod tests {
    use bertillon::{AnswerTable, Answers, testkit};

    use super::*;

    fn enrolled(owner: &Owner, budget: usize) -> Result<Fingerprint> {
        let method = Akh::configure(Params::default()).unwrap();
        method.enroll(owner, None, budget, &mut Stream::named(0, ["draw"]))
    }

    #[test]
    fn every_query_is_a_mistake_and_none_comes_twice() {
        let owner = testkit::owner(200);
        let mut queries = enrolled(&owner, 30).unwrap().queries.pool;
        assert_eq!(enrolled(&owner, 10).unwrap().queries.pool, queries[..10]);
        let mistakes = owner.answered(Rightly::Wrong).unwrap();
        assert!(queries.iter().all(|query| mistakes.contains(query)));
        queries.sort_unstable();
        queries.dedup();
        assert_eq!(queries.len(), 30);
    }

    #[test]
    fn the_distance_is_the_share_of_other_labels() {
        let owner = testkit::owner(200);
        let fingerprint = enrolled(&owner, 10).unwrap();
        let own: Vec<u16> = (0..10).map(|query| fingerprint.reference.label(query)).collect();
        let mut other = own.clone();
        other[2] += 1;
        other[7] += 1;
        other[8] += 1;
        let right = fingerprint.truth.clone().unwrap();
        let suspects = [own, other, right].map(Answers::top1);
        let table = AnswerTable::from_models(&suspects).unwrap();
        let rows: Vec<u32> = (0..10).collect();
        let mut out = [f64::NAN; 3];
        Akh::configure(Params::default())
            .unwrap()
            .distances(&fingerprint, &Suspects::new(&table, &rows, 1), &mut out)
            .unwrap();
        assert_eq!(out, [0.0, 0.3, 1.0]);
    }

    #[test]
    fn too_few_mistakes_are_refused_by_owner_and_counts() {
        let owner = testkit::owner(40);
        let mistakes = owner.answered(Rightly::Wrong).unwrap().len();
        let error = enrolled(&owner, 40).unwrap_err().to_string();
        let expected =
            format!("owner `toy-0` answers {mistakes} of 40 images wrongly, and a budget of 40");
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn mutual_information_of_mistakes_alone_is_refused() {
        let statistic = Statistic::MutualInformation;
        assert!(Akh::configure(Params { statistic }).is_err());
    }
}

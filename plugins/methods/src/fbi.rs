//! FBI: fingerprinting with benign inputs.
//!
//! Two networks err on different images, a network and its variants on much the same ones: the owner asks plain
//! images and measures how much a suspect's being right or wrong tells about her own model's.
//!
//! Thibault Maho, Teddy Furon, Erwan Le Merrer: *FBI: Fingerprinting models with Benign Inputs*, 2022,
//! <https://arxiv.org/abs/2208.03169> (short form: *Model Fingerprinting with Benign Inputs*, ICASSP 2023), equations 5 to 8.
//!
//! ```text
//! z_i, y_i = 0-based rank of the true label among the top k of the delegate and of the suspect, k when it is absent
//! D = 1 - I(Z; Y) / min(H(Z), H(Y))      empirical, over the L queries
//! ```
//! The images come from a selector: `random`, `correctness` and `entropy` are the paper's three.
//!
//! # Differences from the paper
//!
//! - Where one side is always right or always wrong, D is undefined in equation 8; here it is `+inf`, never accepted. The
//!   authors' code does the same.
//! - The paper compares with the owner's own model, which is the delegate `close`. Its authors' code also has `middle` and `far`, over
//!   all variants of the family; here they choose among the owner's rehearsals, so that none is also a suspect.
//! - Counts are integers and sums 64-bit floats; the code's 32-bit floats can turn a constant answer at top-k into a
//!   distance of 0.
//!   A list of delegates is the authors' compound: the nearest of them counts.
//! - `statistic` scores the same queries in other ways, to tell the choice of queries from that of the score;
//!   `permutation` is the null of the code's script for a threshold without other models, exact at top-1.

use bertillon::{
    Access, AnswerTable, Answers, Error, Fingerprint, FingerprintMethod, InputSelector, Knowledge,
    Needs, Owner, Result, Statistic, Stream, Suspects, registry::Configure,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `fbi`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Labels that a black box must reveal for a query, 1 or more; 1 is the paper's (the scripts' default is 3).
    pub top_k: usize,
    /// How answers are compared; `mutual-information` is the paper's. `permutation` gives p-values, which
    /// `protocol = "nominal"` reads without any other model.
    pub statistic: Statistic,
    /// Whose answers stand for the owner's; `close` is the paper's, the other two need rehearsals. A list makes a
    /// compound of several: the smallest of their distances counts.
    pub delegate: Delegates,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            top_k: 1,
            statistic: Statistic::MutualInformation,
            delegate: Delegates::One(Delegate::Close),
        }
    }
}

/// One delegate or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Delegates {
    /// One.
    One(Delegate),
    /// Several, at least one, none twice.
    Several(Vec<Delegate>),
}

impl Delegates {
    fn as_slice(&self) -> &[Delegate] {
        match self {
            Self::One(delegate) => std::slice::from_ref(delegate),
            Self::Several(delegates) => delegates,
        }
    }
}

/// A member of the owner's family, by its distance to her vanilla on the whole pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delegate {
    /// The closest: the vanilla itself.
    Close,
    /// The one in the middle, at floor(n / 2) of the n members, vanilla included.
    Middle,
    /// The farthest.
    Far,
}

/// Compares who is right.
#[derive(Debug, Clone)]
pub struct Fbi {
    parameters: Params,
}

impl Configure for Fbi {
    type Parameters = Params;

    fn configure(parameters: Params) -> Result<Self> {
        let Params { top_k, statistic, .. } = parameters;
        if top_k == 0 {
            return Err(Error::parameter("top_k", top_k, "1 or more"));
        }
        if top_k > 1 && !statistic.uses_ranks() {
            let problem = "only `mutual-information` and `permutation` look beyond the best label: set it to 1";
            return Err(Error::parameter("top_k", top_k, problem));
        }
        let delegates = parameters.delegate.as_slice();
        let repeated = (1..delegates.len()).any(|i| delegates[..i].contains(&delegates[i]));
        if delegates.is_empty() || repeated {
            let value = format!("{delegates:?}");
            return Err(Error::parameter("delegate", value, "one delegate, or several different"));
        }
        Ok(Self { parameters })
    }
}

impl FingerprintMethod for Fbi {
    fn needs(&self) -> Needs {
        Needs {
            access: self.access(),
            knowledge: Knowledge {
                labels: self.parameters.statistic.needs_truth(),
                rehearsals: self.parameters.delegate.as_slice() != [Delegate::Close],
                ..Knowledge::default()
            },
            selector: true,
            ..Needs::default()
        }
    }

    fn gives_p_values(&self) -> bool {
        self.parameters.statistic.is_p_value()
    }

    fn enroll(
        &self,
        owner: &Owner,
        selector: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        let selector = selector.ok_or_else(|| {
            Error::Refused("`fbi` asks benign queries: it needs a selector".to_owned())
        })?;
        let queries = selector.select(owner, budget, stream)?;
        let delegates = self.delegates(owner)?;
        let (first, others) = delegates.split_first().ok_or_else(no_delegate)?;
        let mut fingerprint = Fingerprint::benign(owner, queries);
        let asked = |answers: &Answers| answers.gather(&fingerprint.queries.pool);
        let state = others.iter().flat_map(|answers| asked(answers).as_slice().to_vec());
        fingerprint.state = state.map(f64::from).collect();
        fingerprint.reference = asked(first);
        fingerprint.truth = fingerprint.truth.filter(|_| self.needs().knowledge.labels);
        Ok(fingerprint)
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        let Fingerprint { reference, truth, state, .. } = fingerprint;
        let statistic = self.parameters.statistic;
        statistic.distances(reference, truth.as_deref(), suspects, out)?;
        let labels = reference.as_slice().len();
        let mut other = vec![f64::INFINITY; if state.is_empty() { 0 } else { out.len() }];
        for delegate in state.chunks(labels.max(1)) {
            let delegate = Answers::new(labels_of(delegate)?, reference.ranks())?;
            statistic.distances(&delegate, truth.as_deref(), suspects, &mut other)?;
            for (least, other) in out.iter_mut().zip(&other) {
                *least = least.min(*other);
            }
        }
        Ok(())
    }
}

/// Labels that were kept as the state of a fingerprint.
fn labels_of(state: &[f64]) -> Result<Vec<u16>> {
    let label = |&value: &f64| {
        let whole = value.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&value);
        #[expect(clippy::cast_possible_truncation, reason = "whole and within u16")]
        #[expect(clippy::cast_sign_loss, reason = "not negative")]
        let label = value as u16;
        whole.then_some(label)
    };
    let labels: Option<Vec<u16>> = state.iter().map(label).collect();
    labels.ok_or_else(|| Error::Refused("the fingerprint's state holds no labels".to_owned()))
}

fn no_delegate() -> Error {
    Error::Refused("a fingerprint needs a delegate".to_owned())
}

impl Fbi {
    fn access(&self) -> Access {
        match self.parameters.top_k {
            1 => Access::Top1,
            k => Access::TopK(k),
        }
    }

    /// The delegates' answers on the pool.
    fn delegates(&self, owner: &Owner) -> Result<Vec<Answers>> {
        let delegates = self.parameters.delegate.as_slice();
        if delegates == [Delegate::Close] {
            return Ok(vec![owner.answers.restricted_to(self.access())?]);
        }
        if owner.rehearsals.is_empty() {
            return Err(Error::Refused(format!(
                "owner `{}` has no rehearsals to choose a delegate from: give her some, or set `delegate` to `close`",
                owner.name
            )));
        }
        let Params { top_k, statistic, .. } = self.parameters;
        let name = format!("fbi: members by distance at top-{top_k} under {statistic:?}");
        let members = owner.remembered(&name, || self.members(owner))?;
        let chosen = |delegate: &Delegate| match delegate {
            Delegate::Close => 0,
            Delegate::Middle => members.len() / 2,
            Delegate::Far => members.len() - 1,
        };
        Ok(delegates.iter().map(|delegate| members[chosen(delegate)].clone()).collect())
    }

    /// Answers of the owner's family as she knows it, the closest to her vanilla first.
    fn members(&self, owner: &Owner) -> Result<Vec<Answers>> {
        let mut rehearsals: Vec<_> = owner.rehearsals.iter().collect();
        rehearsals.sort_by_key(|rehearsal| &rehearsal.variation);
        // The vanilla comes first, and stays there: nothing is closer to it.
        let members: Vec<Answers> = std::iter::once(&owner.answers)
            .chain(rehearsals.iter().map(|rehearsal| &rehearsal.answers))
            .map(|answers| answers.restricted_to(self.access()))
            .collect::<Result<_, _>>()?;
        let table = AnswerTable::with_truth(&members, &owner.pool.truth)?;
        let images: Vec<u32> = (0..).take(owner.pool.len()).collect();
        let suspects = Suspects::new(&table, &images, table.ranks());
        let mut distances = vec![f64::INFINITY; members.len()];
        let truth = Some(&*owner.pool.truth);
        self.parameters.statistic.distances(&members[0], truth, &suspects, &mut distances)?;
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
        Ok(order.into_iter().map(|member| members[member].clone()).collect())
    }
}

bertillon::register_method!("fbi", Fbi);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bertillon::{Group, Pool, Rehearsal, Variation, testkit};

    use super::*;

    /// Selects the first images of the pool.
    struct First;

    impl InputSelector for First {
        fn select(&self, _: &Owner, budget: usize, _: &mut Stream) -> Result<Vec<u32>> {
            Ok((0..).take(budget).collect())
        }
    }

    fn fbi(parameters: Params) -> Fbi {
        Fbi::configure(parameters).unwrap()
    }

    /// An owner of eight images whose label is 0, half of which she answers rightly, with three rehearsals at distances
    /// 1, 0.81 and 0.43 from her vanilla.
    fn owner() -> Owner {
        let rehearsal = |kind: &str, labels: [u16; 8]| Rehearsal {
            variation: Variation {
                kind: kind.into(),
                detail: None,
                parameter: None,
                group: Group::Weights,
            },
            answers: Answers::top1(labels),
        };
        Owner {
            answers: Answers::top1([0, 0, 0, 0, 1, 1, 1, 1]),
            pool: Arc::new(Pool { images: None, truth: [0; 8].into(), classes: 4 }),
            rehearsals: vec![
                rehearsal("a", [0, 1, 0, 1, 0, 1, 0, 1]),
                rehearsal("b", [0, 0, 0, 1, 1, 1, 1, 0]),
                rehearsal("c", [0, 0, 0, 1, 1, 1, 1, 1]),
            ],
            ..testkit::owner(1)
        }
    }

    fn enrolled(method: &Fbi, owner: &Owner, budget: usize) -> Result<Fingerprint> {
        method.enroll(owner, Some(&First), budget, &mut Stream::named(0, ["draw"]))
    }

    fn distances(method: &Fbi, fingerprint: &Fingerprint, suspects: &[Answers]) -> Vec<f64> {
        let table = AnswerTable::from_models(suspects).unwrap();
        let rows: Vec<u32> = (0..).take(fingerprint.queries.len()).collect();
        let mut out = vec![f64::NAN; suspects.len()];
        method
            .distances(fingerprint, &Suspects::new(&table, &rows, table.ranks()), &mut out)
            .unwrap();
        out
    }

    #[test]
    fn distances_are_those_of_equation_8() {
        let method = fbi(Params::default());
        let fingerprint = enrolled(&method, &owner(), 8).unwrap();
        let suspects =
            [[0, 0, 0, 0, 2, 2, 3, 1], [0, 0, 0, 0, 0, 0, 2, 3], [0, 0, 0, 2, 0, 1, 1, 1], [0; 8]];
        let actual = distances(&method, &fingerprint, &suspects.map(Answers::top1));
        // Joint counts 4 0 0 4, 4 0 2 2, 3 1 1 3; a suspect that is always right tells nothing.
        let expected = [0.0, 0.616_311_453_403_655_6, 0.811_278_124_459_132_8, f64::INFINITY];
        for (actual, expected) in actual.into_iter().zip(expected) {
            assert!(actual == expected || (actual - expected).abs() < 1e-12, "{actual}");
        }
    }

    #[test]
    fn other_statistics_score_the_same_queries() {
        let suspect = [Answers::top1([0, 0, 0, 2, 0, 1, 1, 2])];
        for (statistic, expected) in
            [(Statistic::LabelMatch, 3.0 / 8.0), (Statistic::CorrectnessMatch, 2.0 / 8.0)]
        {
            let method = fbi(Params { statistic, ..Params::default() });
            let fingerprint = enrolled(&method, &owner(), 8).unwrap();
            assert_eq!(fingerprint.truth.is_some(), method.needs().knowledge.labels);
            assert_eq!(distances(&method, &fingerprint, &suspect), [expected]);
        }
    }

    #[test]
    fn a_delegate_is_chosen_by_its_distance_on_the_whole_pool() {
        let owner = owner();
        let reference = |delegate| {
            let method = fbi(Params { delegate: Delegates::One(delegate), ..Params::default() });
            assert_eq!(method.needs().knowledge.rehearsals, delegate != Delegate::Close);
            enrolled(&method, &owner, 8).unwrap().reference
        };
        assert_eq!(reference(Delegate::Close), owner.answers);
        assert_eq!(reference(Delegate::Middle), owner.rehearsals[1].answers);
        assert_eq!(reference(Delegate::Far), owner.rehearsals[0].answers);
    }

    #[test]
    fn the_nearest_of_a_compound_counts() {
        let owner = owner();
        let distances_to = |delegates: &[Delegate]| {
            let delegate = Delegates::Several(delegates.to_vec());
            let method = fbi(Params { delegate, ..Params::default() });
            let fingerprint = enrolled(&method, &owner, 8).unwrap();
            let suspects = [[0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0], [0; 8]];
            distances(&method, &fingerprint, &suspects.map(Answers::top1))
        };
        let (close, far) = (distances_to(&[Delegate::Close]), distances_to(&[Delegate::Far]));
        let both = distances_to(&[Delegate::Close, Delegate::Far]);
        assert_eq!(both, [close[0].min(far[0]), close[1].min(far[1]), f64::INFINITY]);
        assert!(far[0] < close[0] && close[1] < far[1], "{close:?} {far:?}");
        for delegate in [vec![], vec![Delegate::Far, Delegate::Far]] {
            let delegate = Delegates::Several(delegate);
            assert!(Fbi::configure(Params { delegate, ..Params::default() }).is_err());
        }
    }

    #[test]
    fn a_delegate_without_rehearsals_is_refused() {
        let delegate = Delegates::One(Delegate::Far);
        let method = fbi(Params { delegate, ..Params::default() });
        let error = enrolled(&method, &testkit::owner(8), 4).unwrap_err().to_string();
        assert!(error.starts_with("owner `toy-0` has no rehearsals"), "{error}");
    }

    #[test]
    fn top_3_compares_ranks_of_the_true_label() {
        let method = fbi(Params { top_k: 3, ..Params::default() });
        assert_eq!(method.needs().access, Access::TopK(3));
        let owner = testkit::owner(64);
        let fingerprint = enrolled(&method, &owner, 64).unwrap();
        let suspects = [owner.answers.clone(), owner.peers[0].answers.clone()];
        let [own, other] = distances(&method, &fingerprint, &suspects)[..] else { panic!() };
        assert_eq!(own, 0.0);
        assert!(other > 0.0 && other <= 1.0, "{other}");
        let table = AnswerTable::from_models(&[owner.answers.restricted_to(Access::Top1).unwrap()])
            .unwrap();
        let rows: Vec<u32> = (0..64).collect();
        let too_little = Suspects::new(&table, &rows, 1);
        assert!(method.distances(&fingerprint, &too_little, &mut [0.0]).is_err());
    }

    #[test]
    fn impossible_parameters_are_refused() {
        assert!(Fbi::configure(Params { top_k: 0, ..Params::default() }).is_err());
        let statistic = Statistic::LabelMatch;
        let error = Fbi::configure(Params { top_k: 3, statistic, ..Params::default() });
        assert!(error.unwrap_err().to_string().starts_with("`top_k` = 3: only"));
    }

    #[test]
    fn a_selector_is_needed() {
        let method = fbi(Params::default());
        assert!(method.enroll(&owner(), None, 4, &mut Stream::named(0, ["draw"])).is_err());
    }
}

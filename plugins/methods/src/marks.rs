//! Marks: answers that few others give, and that survive tampering.
//!
//! A person is known by marks, not by what everybody has. So the owner asks images on which her model answers as few of the other
//! networks that she knows do (peers), and as the variants of her own model do that she derived herself (rehearsals), and
//! weighs each answer by what it tells. It needs labels only: no gradients, no ground truth.
//!
//! A method of this project; nearest in spirit to AKH (Godinot et al. 2025) and to likelihood ratios in forensics.
//!
//! ```text
//! p_i = (peers that answer y_i + 1/2) / (peers + 1)                   a stranger answers as she does
//! q_i = (rehearsals that answer y_i + 1/2) / (rehearsals + 1)         a variant of hers does; `survival` without rehearsals
//! J_i = q_i ln(q_i / p_i) + (1 - q_i) ln((1 - q_i) / (1 - p_i))       what an answer is expected to tell, in nats
//! D   = - sum_i [ m_i ln(q_i / p_i) + (1 - m_i) ln((1 - q_i) / (1 - p_i)) ] / sum_i J_i      m_i = 1 where labels are equal
//! ```
//! Both chances are kept within [0.01, 0.99]. Images with q > p may be asked (all, with `survivors = false`). Queries are the L images of largest J, ties (to 12 decimals) by index, or L at random of the
//! `head` of largest J. D is -1 and below for a suspect that answers as her variants are expected to.

use std::sync::Arc;

use bertillon::{
    Error, Fingerprint, FingerprintMethod, InputSelector, Knowledge, Needs, Owner, Result, Stream,
    Suspects, Weights, registry::Configure, weighted_matches,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Chances are kept this far from 0 and 1: so few peers and rehearsals show no more.
const LEAST: f64 = 0.01;

/// Images tell the same if it is the same number of this fraction of a nat.
const EQUAL: f64 = 1e12;

/// Parameters of `marks`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How queries are chosen among the images that tell most.
    pub choice: Choice,
    /// Images from which `random` draws, at least the budget: those that tell most. `best` does not use it.
    pub head: usize,
    /// What is taken for telling.
    pub ranking: Ranking,
    /// Whether only images are asked whose answer a variant is likelier to keep than a stranger is to give, q > p. Then
    /// nothing is nearer than an identical copy; without it, answers that variants change count against whoever keeps them.
    pub survivors: bool,
    /// Chance that a variant answers as the vanilla does, where the owner rehearses none; above 0 and below 1.
    pub survival: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            choice: Choice::Random,
            head: 200,
            ranking: Ranking::Information,
            survivors: true,
            survival: 0.9,
        }
    }
}

/// How queries are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// At random among the head, without replacement: a thief can't know them.
    Random,
    /// Those that tell most: the same in every draw.
    Best,
}

/// How images are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ranking {
    /// By J, what an answer is expected to tell.
    Information,
    /// By p alone, the rarest answer first, whatever becomes of it in variants.
    Rarity,
}

/// Weighs labels by what peers and rehearsals tell of them.
#[derive(Debug, Clone)]
pub struct Marks {
    params: Params,
}

/// What is known of each image of the pool.
struct Known {
    /// Images that may be asked, by what they tell, the most telling first.
    ranking: Vec<u32>,
    /// What an answer adds to the score, by image: `[equal, different]`.
    weights: Vec<Weights>,
    /// What it is expected to add, J.
    information: Vec<f64>,
}

impl Configure for Marks {
    type Parameters = Params;

    fn configure(params: Params) -> Result<Self> {
        if params.head == 0 {
            return Err(Error::parameter("head", params.head, "1 or more"));
        }
        if !(0.0 < params.survival && params.survival < 1.0) {
            return Err(Error::parameter("survival", params.survival, "above 0 and below 1"));
        }
        Ok(Self { params })
    }
}

impl FingerprintMethod for Marks {
    fn needs(&self) -> Needs {
        Needs {
            knowledge: Knowledge { peers: true, ..Knowledge::default() },
            welcomes_rehearsals: true,
            ..Needs::default()
        }
    }

    fn enroll(
        &self,
        owner: &Owner,
        _: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        let known = self.known(owner)?;
        let queries = match self.params.choice {
            Choice::Best => known.ranking.get(..budget).map(<[u32]>::to_vec),
            Choice::Random => known
                .ranking
                .get(..self.params.head.min(known.ranking.len()))
                .filter(|head| head.len() >= budget)
                .map(|head| stream.sample(head, budget)),
        };
        let queries = queries.ok_or_else(|| {
            Error::Refused(format!(
                "a budget of {budget} needs as many images: `head` is {}, and owner `{}` has {} of {} that tell hers from \
                 others'",
                self.params.head,
                owner.name,
                known.ranking.len(),
                owner.pool.len()
            ))
        })?;
        let of_query = |&image: &u32| known.weights[image as usize];
        let mut state: Vec<f64> = queries.iter().flat_map(of_query).collect();
        let told: f64 = queries.iter().map(|&image| known.information[image as usize]).sum();
        if told <= 0.0 {
            return Err(Error::Refused(format!(
                "owner `{}` has no marks: her {} peers answer the images asked as she does, or her variants do not",
                owner.name,
                owner.peers.len()
            )));
        }
        state.push(told);
        let mut fingerprint = Fingerprint::benign(owner, queries);
        fingerprint.reference = fingerprint.reference.restricted_to(self.needs().access)?;
        fingerprint.truth = None;
        fingerprint.state = state;
        fingerprint.notes = vec![("information, nats".to_owned(), told)];
        Ok(fingerprint)
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        let Some((&told, weights)) = fingerprint.state.split_last() else {
            return Err(Error::Refused("the fingerprint's state holds no weights".to_owned()));
        };
        let (weights, []) = weights.as_chunks::<2>() else {
            return Err(Error::Refused("the fingerprint's state holds half a weight".to_owned()));
        };
        weighted_matches(&fingerprint.reference, weights, suspects, out)?;
        out.iter_mut().for_each(|score| *score = -*score / told);
        Ok(())
    }
}

bertillon::register_method!("marks", Marks);

impl Marks {
    fn known(&self, owner: &Owner) -> Result<Arc<Known>> {
        if owner.peers.is_empty() {
            return Err(Error::Refused(format!(
                "owner `{}` knows no peers, and so not what is rare: give her some",
                owner.name
            )));
        }
        let Params { ranking, survivors, survival, .. } = self.params;
        let name =
            format!("marks: images by {ranking:?}, survivors {survivors}, survival {survival}");
        owner.remembered(&name, || {
            let chance = |count: usize, of: usize| {
                ((count as f64 + 0.5) / (of as f64 + 1.0)).clamp(LEAST, 1.0 - LEAST)
            };
            let (peers, rehearsals) = (owner.peers.len(), owner.rehearsals.len());
            let (mut weights, mut information, mut rarity) = (Vec::new(), Vec::new(), Vec::new());
            let mut asked = Vec::new();
            for image in 0..owner.pool.len() {
                let hers = owner.answers.label(image);
                let known = owner.peers.iter().filter(|peer| peer.answers.label(image) == hers);
                let p = chance(known.count(), peers);
                let q = match rehearsals {
                    0 => survival.clamp(LEAST, 1.0 - LEAST),
                    _ => {
                        let same = |r: &&bertillon::Rehearsal| r.answers.label(image) == hers;
                        chance(owner.rehearsals.iter().filter(same).count(), rehearsals)
                    }
                };
                let [equal, different] = [(q / p).ln(), ((1.0 - q) / (1.0 - p)).ln()];
                weights.push([equal, different]);
                information.push(q * equal + (1.0 - q) * different);
                rarity.push(1.0 - p);
                asked.push(!survivors || q > p);
            }
            let merit = match ranking {
                Ranking::Information => &information,
                Ranking::Rarity => &rarity,
            };
            // J of (p, q) and of (1 - p, 1 - q) are equal but for the last bits of logarithms, which must not decide.
            let merit: Vec<f64> = merit.iter().map(|merit| (merit * EQUAL).round()).collect();
            let may_be_asked = (0..).zip(&asked).filter(|(_, asked)| **asked);
            let mut ranking: Vec<u32> = may_be_asked.map(|(image, _)| image).collect();
            ranking.sort_by(|&a, &b| merit[b as usize].total_cmp(&merit[a as usize]));
            Ok(Known { ranking, weights, information })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bertillon::{AnswerTable, Answers, Group, Peer, Pool, Rehearsal, Variation, testkit};

    use super::*;

    /// Four images. Both peers answer the first as she does, one the second, none the other two; her one rehearsal keeps
    /// all answers but the last.
    fn owner(rehearsals: &[[u16; 4]]) -> Owner {
        let mut owner = testkit::owner(4);
        owner.answers = Answers::top1([1, 1, 1, 1]);
        owner.pool = Arc::new(Pool { truth: Arc::new([1, 2, 3, 0]), ..(*owner.pool).clone() });
        let peer = |labels: [u16; 4]| Peer { name: "p".into(), answers: Answers::top1(labels) };
        owner.peers = vec![peer([1, 1, 2, 3]), peer([1, 0, 0, 2])];
        let variation =
            Variation { kind: "jpeg".into(), detail: None, parameter: None, group: Group::Input };
        owner.rehearsals = rehearsals
            .iter()
            .map(|&labels| Rehearsal {
                variation: variation.clone(),
                answers: Answers::top1(labels),
            })
            .collect();
        owner
    }

    fn marks(params: Params) -> Marks {
        Marks::configure(params).unwrap()
    }

    fn enrolled(owner: &Owner, params: Params, budget: usize) -> Result<Fingerprint> {
        marks(params).enroll(owner, None, budget, &mut Stream::named(0, ["draw"]))
    }

    fn best(ranking: Ranking) -> Params {
        Params { choice: Choice::Best, ranking, survivors: false, ..Params::default() }
    }

    #[test]
    fn chances_information_and_distance_are_those_of_the_formula() {
        let owner = owner(&[[1, 1, 1, 0]]);
        let fingerprint = enrolled(&owner, best(Ranking::Information), 2).unwrap();
        // p = 5/6, 1/2, 1/6, 1/6; q = 3/4, 3/4, 3/4, 1/4: the third image tells most, then the second.
        let information =
            |p: f64, q: f64| q * (q / p).ln() + (1.0 - q) * ((1.0 - q) / (1.0 - p)).ln();
        let told: Vec<f64> = [(5.0 / 6.0, 0.75), (0.5, 0.75), (1.0 / 6.0, 0.75), (1.0 / 6.0, 0.25)]
            .map(|(p, q)| information(p, q))
            .into();
        assert!(told[2] > told[1] && told[1] > told[0].max(told[3]), "{told:?}");
        assert_eq!(fingerprint.queries.pool, [2, 1]);
        assert!((fingerprint.notes[0].1 - (told[1] + told[2])).abs() < 1e-15);
        let table = AnswerTable::from_models(&[[1, 1], [1, 0], [0, 0]].map(Answers::top1)).unwrap();
        let mut out = [f64::NAN; 3];
        let suspects = Suspects::new(&table, &[0, 1], 1);
        marks(best(Ranking::Information)).distances(&fingerprint, &suspects, &mut out).unwrap();
        let (equal, different) = (4.5_f64.ln() + 1.5_f64.ln(), 0.3_f64.ln() + 0.5_f64.ln());
        let expected = [equal, 4.5_f64.ln() + 0.5_f64.ln(), different];
        for (found, score) in out.iter().zip(expected) {
            assert!((found + score / (told[1] + told[2])).abs() < 1e-14, "{found} {score}");
        }
    }

    #[test]
    fn rarity_looks_at_peers_alone_and_survival_stands_for_rehearsals() {
        let by_rarity = enrolled(&owner(&[[1, 1, 1, 0]]), best(Ranking::Rarity), 2).unwrap();
        assert_eq!(by_rarity.queries.pool, [2, 3]);
        let without = enrolled(&owner(&[]), best(Ranking::Information), 1).unwrap();
        assert!((without.state[0] - (0.9 * 6.0_f64).ln()).abs() < 1e-15);
    }

    #[test]
    fn random_queries_come_from_the_head() {
        let params = Params { head: 2, ..Params::default() };
        let mut queries =
            enrolled(&owner(&[[1, 1, 1, 0]]), params.clone(), 2).unwrap().queries.pool;
        queries.sort_unstable();
        assert_eq!(queries, [1, 2]);
        let error = enrolled(&owner(&[]), params, 3).unwrap_err().to_string();
        assert!(error.contains("`head` is 2"), "{error}");
    }

    #[test]
    fn survivors_are_likelier_kept_by_variants_than_given_by_strangers() {
        // The first is answered alike by all peers and lost by some variants: q < p.
        let survivors = Params { choice: Choice::Best, ..Params::default() };
        let owner = owner(&[[1, 1, 1, 0]]);
        assert_eq!(enrolled(&owner, survivors.clone(), 3).unwrap().queries.pool, [2, 1, 3]);
        let error = enrolled(&owner, survivors, 4).unwrap_err().to_string();
        assert!(error.contains("owner `toy-0` has 3 of 4"), "{error}");
    }

    #[test]
    fn who_has_no_peers_or_no_marks_is_told() {
        let mut alone = owner(&[]);
        alone.peers.clear();
        let error = enrolled(&alone, Params::default(), 1).unwrap_err().to_string();
        assert!(error.contains("knows no peers"), "{error}");
        // A variant that answers as strangers do: q = p on what is asked.
        let mut common = owner(&[]);
        common.peers.truncate(1);
        common.rehearsals = owner(&[[1, 1, 0, 0]]).rehearsals;
        let error = enrolled(&common, best(Ranking::Information), 4).unwrap_err().to_string();
        assert!(error.contains("`toy-0` has no marks"), "{error}");
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        for params in [
            Params { head: 0, ..Params::default() },
            Params { survival: 1.0, ..Params::default() },
            Params { survival: f64::NAN, ..Params::default() },
        ] {
            assert!(Marks::configure(params).is_err());
        }
    }
}

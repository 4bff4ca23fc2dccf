//! IP-Guard: queries crafted at the boundaries of the owner's model, which an independent model doesn't share.
//!
//! Cao, Jia, Gong: IPGuard: Protecting Intellectual Property of Deep Neural Networks via Fingerprinting the
//! Classification Boundary (AsiaCCS 2021, <https://arxiv.org/abs/1910.12903>). The owner crafts queries near the
//! boundary (eq. 5), notes her model's answers, and counts on how many of them a suspect answers the same:
//! ```text
//! distance = 1 - #{N_S(x_l) = N(x_l)} / L
//! ```
//! The baseline of the FBI paper (Maho, Furon, Le Merrer 2022) is `attack = { name = "bp", steps = 50 }`: the queries
//! of least distortion, which are also the least robust.
//!
//! # Differences from the paper
//! Queries are 8-bit images. Starts whose attack fails are replaced by others, up to as many again as the budget.
//! Attacks other than the paper's own objective, and other statistics, by parameters.

use bertillon::{
    Access, Answers, Batches, Configure, Error, Fingerprint, FingerprintMethod, ImageShape, Images,
    InputSelector, Knowledge, Needs, Owner, Queries, Result, Rightly, Statistic, Stream, Suspects,
    answer, guard,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attacks::{Attack, Start, Starts, batch, logit_scale};

/// Starts tried for each query asked for, at most.
const TRIES: usize = 2;

/// Images of the pool over which the scale of the logits is taken, at most.
const SCALE_IMAGES: usize = 256;

/// Parameters of IP-Guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How queries are crafted: `boundary` (the paper's own), `bp`, `cw`, `deepfool`, `ddn` or `pgd`, with its parameters.
    pub attack: Attack,
    /// How a suspect's answers are compared with the owner's (label match: the paper's matching rate).
    pub statistic: Statistic,
}

impl Default for Params {
    fn default() -> Self {
        Self { attack: Attack::default(), statistic: Statistic::LabelMatch }
    }
}

/// The method.
#[derive(Debug)]
pub struct IpGuard {
    params: Params,
}

impl Configure for IpGuard {
    type Parameters = Params;

    fn configure(params: Params) -> Result<Self> {
        params.attack.check()?;
        Ok(Self { params })
    }
}

impl FingerprintMethod for IpGuard {
    fn needs(&self) -> Needs {
        let labels = self.params.attack.start() == Start::Training;
        Needs {
            access: Access::Top1,
            knowledge: Knowledge { model: true, labels, ..Knowledge::default() },
            crafts: true,
            ..Needs::default()
        }
    }

    fn forwards_per_crafted_query(&self) -> f64 {
        self.params.attack.forwards()
    }

    fn enroll(
        &self,
        owner: &Owner,
        _selector: Option<&dyn InputSelector>,
        budget: usize,
        stream: &mut Stream,
    ) -> Result<Fingerprint> {
        let model = owner.model()?;
        let pool = owner.images()?;
        let some = u32::try_from(pool.len().min(SCALE_IMAGES)).expect("a few hundred");
        let some = pool.gather(&(0..some).collect::<Vec<_>>());
        let scale = logit_scale(model, &some, owner.device)?;
        let mut seeds = self.seeds(owner, budget, stream)?;
        let mut bank = Bank::new(pool.shape());
        // A GPU takes all at once, where it has the memory.
        let on_gpu = owner.device.is_cuda();
        let mut batches = Batches::new(if on_gpu { TRIES * budget } else { batch(pool.shape()) });
        let mut tried = 0;
        while bank.good.len() < budget {
            let wanted = batches.next(budget - bank.good.len());
            let (images, labels) = seeds.next(wanted)?;
            if labels.is_empty() {
                break;
            }
            let mut done = 0;
            while done < labels.len() {
                let part = done..done + batches.next(labels.len() - done);
                let indices: Vec<u32> =
                    part.clone().filter_map(|i| u32::try_from(i).ok()).collect();
                let (images, labels) = (images.gather(&indices), &labels[part]);
                let mut randomness = stream.child(&format!("craft {tried}"));
                let crafted = guard::catch(|| {
                    let starts = Starts::new(model, &images, labels, scale, owner.device)?;
                    bank.add(&images, labels, &self.params.attack, &starts, &mut randomness)
                });
                match crafted {
                    Ok(()) => {
                        done += labels.len();
                        tried += labels.len();
                    }
                    Err(error) => batches.failed(labels.len(), error)?,
                }
            }
        }
        bank.fingerprint(owner, budget, tried)
    }

    fn distances(
        &self,
        fingerprint: &Fingerprint,
        suspects: &Suspects<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        let truth = fingerprint.truth.as_deref();
        Ok(self.params.statistic.distances(&fingerprint.reference, truth, suspects, out)?)
    }
}

impl IpGuard {
    fn seeds<'a>(&self, owner: &'a Owner, budget: usize, stream: &Stream) -> Result<Seeds<'a>> {
        if self.params.attack.start() == Start::Noise {
            let stream = Box::new(stream.child("noise"));
            return Ok(Seeds::Noise { owner, stream, left: TRIES * budget });
        }
        let right = owner.answered(Rightly::Right)?;
        if right.len() < budget {
            return Err(Error::Refused(format!(
                "{budget} queries need as many images to start from, and `{}` answers {} of the {} in the pool rightly",
                owner.name,
                right.len(),
                owner.pool.len()
            )));
        }
        let count = right.len().min(TRIES * budget);
        Ok(Seeds::Training {
            owner,
            left: stream.child("starts").sample(&right, count).into_iter(),
        })
    }
}

/// Images to start from, until there are no more.
enum Seeds<'a> {
    Training { owner: &'a Owner, left: std::vec::IntoIter<u32> },
    Noise { owner: &'a Owner, stream: Box<Stream>, left: usize },
}

impl Seeds<'_> {
    /// The next images, at most `count`, and what the owner's model answers.
    fn next(&mut self, count: usize) -> Result<(Images, Vec<u16>)> {
        match self {
            Self::Training { owner, left } => {
                let indices: Vec<u32> = left.take(count).collect();
                let truth = indices.iter().map(|&i| owner.pool.truth[i as usize]).collect();
                Ok((owner.images()?.gather(&indices), truth))
            }
            Self::Noise { owner, stream, left } => {
                let count = count.min(*left);
                *left -= count;
                let shape = owner.images()?.shape();
                let mut bytes = vec![0; count * shape.samples()];
                bytes.fill_with(|| u8::try_from(stream.below(256)).expect("below 256"));
                let images = Images::new(bytes, shape)?;
                let answers = answer(owner.model()?, &images, Access::Top1, owner.device)?;
                Ok((images, answers.as_slice().to_vec()))
            }
        }
    }
}

/// Queries as they are crafted.
struct Bank {
    shape: ImageShape,
    good: Vec<Query>,
    failed: Vec<Query>,
    forwards: u64,
    gradients: u64,
}

struct Query {
    image: Vec<u8>,
    truth: u16,
    distortion: f64,
}

impl Bank {
    fn new(shape: ImageShape) -> Self {
        Self { shape, good: Vec::new(), failed: Vec::new(), forwards: 0, gradients: 0 }
    }

    fn add(
        &mut self,
        seeds: &Images,
        truth: &[u16],
        attack: &Attack,
        starts: &Starts<'_>,
        stream: &mut Stream,
    ) -> Result<()> {
        let crafted = attack.craft(starts, stream)?;
        self.forwards += crafted.forwards;
        self.gradients += crafted.gradients;
        for (i, (&truth, &converged)) in truth.iter().zip(&crafted.converged).enumerate() {
            let image = crafted.images.image(i);
            let distortion = distortion(image, seeds.image(i));
            let list = if converged { &mut self.good } else { &mut self.failed };
            list.push(Query { image: image.to_vec(), truth, distortion });
        }
        Ok(())
    }

    /// The fingerprint of exactly `budget` queries; those that failed fill up where too few converged.
    fn fingerprint(self, owner: &Owner, budget: usize, tried: usize) -> Result<Fingerprint> {
        let converged = self.good.len();
        let queries: Vec<Query> = self.good.into_iter().chain(self.failed).take(budget).collect();
        if queries.len() < budget {
            return Err(Error::Refused(format!(
                "{} of {budget} queries crafted on `{}`",
                queries.len(),
                owner.name
            )));
        }
        let bytes: Vec<u8> = queries.iter().flat_map(|q| q.image.iter().copied()).collect();
        let images = Images::new(bytes, self.shape)?;
        let distortions: Vec<f64> = queries.iter().map(|query| query.distortion).collect();
        let figures = [
            ("converged", converged as f64 / tried as f64),
            ("unconverged queries kept", budget.saturating_sub(converged) as f64),
            ("mean L2 distortion", distortions.iter().sum::<f64>() / budget as f64),
            ("median L2 distortion", median(distortions)),
            ("forwards", self.forwards as f64),
            ("gradients", self.gradients as f64),
        ];
        let reference = reference(owner, &images)?;
        Ok(Fingerprint {
            reference,
            truth: Some(queries.iter().map(|query| query.truth).collect()),
            queries: Queries::crafted(images),
            state: Vec::new(),
            notes: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        })
    }
}

fn reference(owner: &Owner, images: &Images) -> Result<Answers> {
    answer(owner.model()?, images, Access::Top1, owner.device)
}

/// L2 distance of two images in `[0, 1]` units.
fn distortion(a: &[u8], b: &[u8]) -> f64 {
    let squared = |(&a, &b): (&u8, &u8)| (f64::from(a) - f64::from(b)).powi(2);
    a.iter().zip(b).map(squared).sum::<f64>().sqrt() / 255.0
}

/// Middle value, the mean of the two middle ones of an even number; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

bertillon::register_method!("ip-guard", IpGuard);

#[cfg(test)]
mod tests {
    use bertillon::{AnswerTable, testkit};
    use tch::Device;

    use super::*;

    fn method(parameters: &str) -> IpGuard {
        IpGuard::configure(serde_json::from_str(parameters).unwrap()).unwrap()
    }

    fn enrolled(parameters: &str, budget: usize, seed: u64) -> Fingerprint {
        let owner = testkit::owner(60);
        let mut stream = Stream::named(seed, ["enrol"]);
        method(parameters).enroll(&owner, None, budget, &mut stream).unwrap()
    }

    fn note(fingerprint: &Fingerprint, name: &str) -> f64 {
        fingerprint.notes.iter().find(|(n, _)| n == name).unwrap().1
    }

    const ATTACKS: [&str; 7] = [
        r#"{"attack": {"name": "boundary", "target": "least-likely"}}"#,
        r#"{"attack": {"name": "boundary", "start": "noise"}}"#,
        r#"{"attack": {"name": "bp", "steps": 20}}"#,
        r#"{"attack": {"name": "cw", "steps": 50}}"#,
        r#"{"attack": {"name": "deepfool"}}"#,
        r#"{"attack": {"name": "ddn", "steps": 30}}"#,
        r#"{"attack": {"name": "pgd", "norm": "l2", "epsilon": 3.0}}"#,
    ];

    #[test]
    fn every_attack_gives_exactly_the_budget_and_the_same_queries_for_the_same_seed() {
        tch::set_num_threads(1);
        for attack in ATTACKS {
            let fingerprint = enrolled(attack, 12, 1);
            assert_eq!((fingerprint.queries.len(), fingerprint.reference.len()), (12, 12));
            assert!(note(&fingerprint, "converged") > 0.9, "{attack}: {:?}", fingerprint.notes);
            let truth = fingerprint.truth.as_ref().unwrap();
            let moved = (0..12).filter(|&q| fingerprint.reference.label(q) != truth[q]).count();
            assert_eq!(moved, 12, "{attack}");
            assert_eq!(fingerprint, enrolled(attack, 12, 1), "{attack}");
            assert_ne!(fingerprint.queries, enrolled(attack, 12, 2).queries, "{attack}");
        }
    }

    #[test]
    fn the_owners_model_against_itself_has_distance_zero_and_a_stranger_has_not() {
        let fingerprint = enrolled(r#"{"attack": {"name": "bp"}}"#, 20, 1);
        let images = fingerprint.queries.crafted.clone().unwrap();
        let ask = |seed| {
            answer(&testkit::ToyModel::new(seed), &images, Access::Top1, Device::Cpu).unwrap()
        };
        let table = AnswerTable::from_models(&[ask(0), ask(9)]).unwrap();
        let rows: Vec<u32> = (0..20).collect();
        let mut out = [f64::NAN; 2];
        method("{}").distances(&fingerprint, &Suspects::new(&table, &rows, 1), &mut out).unwrap();
        assert_eq!(out[0], 0.0);
        assert!(out[1] > 0.2, "{out:?}");
    }

    #[test]
    fn queries_that_fail_are_kept_only_when_no_start_is_left() {
        let hopeless = r#"{"attack": {"name": "pgd", "epsilon": 1e-9}}"#;
        let fingerprint = enrolled(hopeless, 10, 1);
        assert_eq!(fingerprint.queries.len(), 10);
        assert_eq!(note(&fingerprint, "unconverged queries kept"), 10.0);
        assert_eq!(note(&fingerprint, "converged"), 0.0);
        // 20 starts, 10 steps and a last look.
        assert_eq!(note(&fingerprint, "forwards"), 220.0);
        assert_eq!(note(&fingerprint, "gradients"), 200.0);
    }

    #[test]
    fn too_few_starts_are_an_error_that_names_the_owner_and_the_count() {
        let owner = testkit::owner(20);
        let right = owner.answered(Rightly::Right).unwrap().len();
        let mut stream = Stream::named(1, ["enrol"]);
        let error = method("{}").enroll(&owner, None, 20, &mut stream).unwrap_err().to_string();
        assert!(
            error.contains("toy-0") && error.contains(&format!("{right} of the 20")),
            "{error}"
        );
    }

    #[test]
    fn only_starts_from_images_need_labels() {
        let knowledge = |parameters| method(parameters).needs().knowledge.words().join(", ");
        assert_eq!(knowledge("{}"), "white box, labels");
        assert_eq!(knowledge(r#"{"attack": {"name": "boundary", "start": "noise"}}"#), "white box");
    }

    #[test]
    fn impossible_parameters_are_refused() {
        let parse = |text| serde_json::from_str::<Params>(text);
        assert!(
            IpGuard::configure(parse(r#"{"attack": {"name": "bp", "steps": 1}}"#).unwrap())
                .is_err()
        );
        assert!(parse(r#"{"attack": {"name": "bp"}, "steps": 3}"#).is_err());
        assert!(parse(r#"{"statistic": "chance"}"#).is_err());
    }

    #[test]
    fn distortion_is_in_units_of_the_whole_range() {
        assert_eq!(distortion(&[0, 255, 7], &[0, 0, 7]), 1.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}

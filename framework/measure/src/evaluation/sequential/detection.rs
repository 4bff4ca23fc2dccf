//! Is this black box one of mine? One tree for each hypothesis.

use super::{Counter, Node, Observations, Score, Tally, Verdict, compact};
use crate::Result;

/// How a detection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The black box is of the hypothesis.
    Positive,
    /// It is not.
    Negative,
    /// What remains can't be told apart.
    Unknown,
}

/// One hypothesis put to one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Couple {
    /// How it ends.
    pub decision: Decision,
    /// Queries asked until then.
    pub queries: u32,
}

/// Detections of all couples by one score.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectedKnown {
    /// By what queries were chosen.
    pub score: Score,
    /// `[hypotheses, models]`; hypotheses are the groups in the order of their first members.
    pub couples: Vec<Couple>,
    /// Couples of a hypothesis and its own models: hypothesis uniform, then member uniform.
    pub positive: Tally,
    /// Couples of a hypothesis and models of others: hypothesis uniform, another one uniform, then its member uniform;
    /// none with a single group.
    pub negative: Option<Tally>,
}

/// Detects every model under every hypothesis, once for each score.
///
/// `groups[i]` is the group of model `i`, any numbers; each group is a hypothesis.
///
/// # Errors
/// When groups and models differ in number.
pub fn detect_known(
    observations: &Observations,
    groups: &[usize],
    scores: &[Score],
) -> Result<Vec<DetectedKnown>> {
    let (groups, sizes) = compact(groups, observations)?;
    let root = Root::new(observations, &groups, &sizes);
    let mut search = Search::new(observations);
    let mut couples = Vec::new();
    let detected = scores.iter().map(|&score| {
        couples.clear();
        for hypothesis in 0..sizes.len() {
            search.run(&root, &groups, hypothesis, score);
            couples.extend_from_slice(&search.couples);
        }
        summarise(score, couples.clone(), &groups, &sizes)
    });
    Ok(detected.collect())
}

fn summarise(score: Score, couples: Vec<Couple>, groups: &[u32], sizes: &[u32]) -> DetectedKnown {
    let (mut positive, mut negative) = (Counter::default(), Counter::default());
    let others = sizes.len().saturating_sub(1) as f64;
    for (hypothesis, couples) in couples.chunks_exact(groups.len()).enumerate() {
        for (couple, &group) in couples.iter().zip(groups) {
            let own = group as usize == hypothesis;
            let verdict = match couple.decision {
                Decision::Unknown => Verdict::Abstained,
                Decision::Positive if own => Verdict::Correct,
                Decision::Negative if !own => Verdict::Correct,
                _ => Verdict::Wrong,
            };
            let members = f64::from(sizes[group as usize]);
            match own {
                true => positive.add(verdict, couple.queries, 1.0 / members),
                false => negative.add(verdict, couple.queries, 1.0 / (others * members)),
            }
        }
    }
    DetectedKnown {
        score,
        couples,
        positive: positive.tally().expect("a group has a member"),
        negative: negative.tally(),
    }
}

/// The first query, which does not depend on the model asked: for all hypotheses and scores in one pass.
struct Root {
    node: Node,
    /// Images that split all models.
    splitting: Vec<u32>,
    /// By hypothesis and score, the image to ask first and its score.
    first: Vec<[Best; 3]>,
    /// Whether all models are as good as identical.
    identical: bool,
}

/// The image of the smallest score.
#[derive(Debug, Clone, Copy, Default)]
struct Best(Option<(u64, u32)>);

impl Best {
    fn offer(&mut self, score: u64, image: u32) {
        if self.0.is_none_or(|(smallest, _)| score < smallest) {
            self.0 = Some((score, image));
        }
    }
}

/// The three scores of an image, times the number of members that remain: integers, so that ties are exact.
#[derive(Debug, Clone, Copy, Default)]
struct Scores([u64; 3]);

impl Scores {
    /// Adds an answer that `members` of the hypothesis and `others` give.
    fn add(&mut self, members: u32, others: u32) {
        let product = u64::from(members) * u64::from(others);
        let [mean, worst, best] = &mut self.0;
        *mean += product;
        *worst = (*worst).max(product);
        *best += if members > 0 { u64::from(others) } else { 0 };
    }
}

impl Root {
    fn new(observations: &Observations, groups: &[u32], sizes: &[u32]) -> Self {
        let models = observations.all_models();
        let mut by_group = models.clone();
        by_group.sort_by_key(|&model| groups[model as usize]);
        let mut first = vec![[Best::default(); 3]; sizes.len()];
        let mut splitting = Vec::new();
        let (mut counts, mut members) = (vec![0_u32; models.len()], vec![0_u32; models.len()]);
        let mut symbols: Vec<u16> = Vec::new();
        for image in observations.all_images() {
            let row = observations.row(image);
            // Symbols are numbered by first occurrence: the row splits if any is not 0.
            if row.iter().all(|&symbol| symbol == 0) {
                continue;
            }
            splitting.push(image);
            row.iter().for_each(|&symbol| counts[usize::from(symbol)] += 1);
            let mut rest = by_group.as_slice();
            for (first, &size) in first.iter_mut().zip(sizes) {
                let (group, later) = rest.split_at(size as usize);
                rest = later;
                for &model in group {
                    let symbol = row[model as usize];
                    let count = &mut members[usize::from(symbol)];
                    if *count == 0 {
                        symbols.push(symbol);
                    }
                    *count += 1;
                }
                let mut scores = Scores::default();
                for symbol in symbols.drain(..) {
                    let count = std::mem::take(&mut members[usize::from(symbol)]);
                    scores.add(count, counts[usize::from(symbol)] - count);
                }
                for (best, score) in first.iter_mut().zip(scores.0) {
                    best.offer(score, image);
                }
            }
            row.iter().for_each(|&symbol| counts[usize::from(symbol)] = 0);
        }
        let identical = identical(observations, &models, &splitting);
        let images = splitting.as_slice().into();
        Self { node: Node { models, images, queries: 0 }, splitting, first, identical }
    }
}

/// Whether each model differs from the next one on at most one image.
fn identical(observations: &Observations, models: &[u32], splitting: &[u32]) -> bool {
    models.windows(2).all(|pair| {
        let differs = |&&image: &&u32| {
            let row = observations.row(image);
            row[pair[0] as usize] != row[pair[1] as usize]
        };
        splitting.iter().filter(differs).nth(1).is_none()
    })
}

/// Follows one hypothesis down every path.
struct Search<'a> {
    observations: &'a Observations,
    /// How it ended for each model.
    couples: Vec<Couple>,
    /// By symbol: members and others.
    counts: Vec<[u32; 2]>,
    symbols: Vec<u16>,
    /// 0 for a member, 1 for another, by position in the node.
    sides: Vec<u8>,
}

impl<'a> Search<'a> {
    fn new(observations: &'a Observations) -> Self {
        let models = observations.models();
        Self {
            observations,
            couples: vec![Couple { decision: Decision::Unknown, queries: 0 }; models],
            counts: vec![[0; 2]; models],
            symbols: vec![0; models + 1],
            sides: Vec::new(),
        }
    }

    fn run(&mut self, root: &Root, groups: &[u32], hypothesis: usize, score: Score) {
        let is_member = |model: u32| groups[model as usize] as usize == hypothesis;
        if root.first.len() == 1 {
            return self.end(&root.node, Decision::Positive);
        }
        let Some((_, image)) = root.first[hypothesis][score as usize].0 else {
            return self.end(&root.node, Decision::Unknown);
        };
        if root.identical {
            return self.end(&root.node, Decision::Unknown);
        }
        let mut open = root.node.answered(self.observations, image, root.splitting.clone());
        while let Some(node) = open.pop() {
            self.sides.clear();
            self.sides.extend(node.models.iter().map(|&model| u8::from(!is_member(model))));
            let others: usize = self.sides.iter().map(|&side| usize::from(side)).sum();
            if others == 0 {
                self.end(&node, Decision::Positive);
            } else if others == node.models.len() {
                self.end(&node, Decision::Negative);
            } else {
                let (splitting, best) = self.next(&node, score);
                match best.0 {
                    Some((_, image)) if !identical(self.observations, &node.models, &splitting) => {
                        open.extend(node.answered(self.observations, image, splitting));
                    }
                    _ => self.end(&node, Decision::Unknown),
                }
            }
        }
    }

    fn end(&mut self, node: &Node, decision: Decision) {
        for &model in &node.models {
            self.couples[model as usize] = Couple { decision, queries: node.queries };
        }
    }

    /// Images that split a node, and the best of them.
    fn next(&mut self, node: &Node, score: Score) -> (Vec<u32>, Best) {
        let mut splitting = Vec::new();
        let mut best = Best::default();
        let first = node.models[0] as usize;
        for &image in node.images.iter() {
            let row = self.observations.row(image);
            if node.models.iter().all(|&model| row[model as usize] == row[first]) {
                continue;
            }
            splitting.push(image);
            let mut found = 0;
            for (&model, &side) in node.models.iter().zip(&self.sides) {
                let symbol = row[model as usize];
                let counts = &mut self.counts[usize::from(symbol)];
                // Written always, kept when new: cheaper than a branch that is often mispredicted.
                self.symbols[found] = symbol;
                found += usize::from(*counts == [0, 0]);
                counts[usize::from(side)] += 1;
            }
            let mut scores = Scores::default();
            for &symbol in &self.symbols[..found] {
                let [members, others] = std::mem::take(&mut self.counts[usize::from(symbol)]);
                scores.add(members, others);
            }
            best.offer(scores.0[score as usize], image);
        }
        (splitting, best)
    }
}

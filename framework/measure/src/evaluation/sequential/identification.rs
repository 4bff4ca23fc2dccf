//! Which group is this black box of? One tree for all models.

use std::rc::Rc;

use super::{Counter, Node, Observations, Score, Tally, Verdict, compact};
use crate::{Error, Result};

/// Where one model ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Whether its group alone remained.
    pub named: bool,
    /// Queries asked until then: its depth in the tree.
    pub queries: u32,
}

/// Identifications of all models by one score.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifiedKnown {
    /// By what queries were chosen.
    pub score: Score,
    /// Where each model ends.
    pub models: Vec<Named>,
    /// All models, equally weighted.
    pub tally: Tally,
}

/// Identifies every model.
///
/// `groups[i]` is the group of model `i`, any numbers: its family, its variation, or itself.
///
/// # Errors
/// When groups and models differ in number, or the score is [`Score::Best`], which identification does not define.
pub fn identify_known(
    observations: &Observations,
    groups: &[usize],
    score: Score,
) -> Result<IdentifiedKnown> {
    let (groups, _) = compact(groups, observations)?;
    if score == Score::Best {
        return Err(Error::Empty("identification chooses queries by the score mean or worst"));
    }
    let mut models = observations.all_models();
    models.sort_by_key(|&model| groups[model as usize]);
    let mut choice = Choice::new(observations, &groups, score);
    let mut named = vec![Named { named: false, queries: 0 }; models.len()];
    let images = Rc::from(observations.all_images());
    let mut open = vec![Node { models, images, queries: 0 }];
    let mut counter = Counter::default();
    while let Some(node) = open.pop() {
        // Models are in the order of their groups.
        let (first, last) = (node.models[0], node.models[node.models.len() - 1]);
        let one_group = groups[first as usize] == groups[last as usize];
        if !one_group && let (splitting, Some(image)) = choice.next(&node) {
            open.extend(node.answered(observations, image, splitting));
            continue;
        }
        let verdict = if one_group { Verdict::Correct } else { Verdict::Abstained };
        for &model in &node.models {
            named[model as usize] = Named { named: one_group, queries: node.queries };
            counter.add(verdict, node.queries, 1.0);
        }
    }
    let tally = counter.tally().ok_or(Error::Empty("sequential tests need a model"))?;
    Ok(IdentifiedKnown { score, models: named, tally })
}

/// Finds the next query.
struct Choice<'a> {
    observations: &'a Observations,
    groups: &'a [u32],
    score: Score,
    /// By symbol.
    counts: Vec<Count>,
    symbols: Vec<u16>,
}

/// Who gives an answer.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    models: u32,
    groups: u32,
    /// One more than the last group counted.
    last: u32,
}

impl<'a> Choice<'a> {
    fn new(observations: &'a Observations, groups: &'a [u32], score: Score) -> Self {
        let counts = vec![Count::default(); observations.models()];
        let symbols = vec![0; observations.models() + 1];
        Self { observations, groups, score, counts, symbols }
    }

    /// Images that split a node, and the best of them.
    fn next(&mut self, node: &Node) -> (Vec<u32>, Option<u32>) {
        let mut splitting = Vec::new();
        let mut best: Option<(u64, u32)> = None;
        let first = node.models[0] as usize;
        for &image in node.images.iter() {
            let row = self.observations.row(image);
            if node.models.iter().all(|&model| row[model as usize] == row[first]) {
                continue;
            }
            splitting.push(image);
            let score = self.score(&node.models, row);
            if best.is_none_or(|(smallest, _)| score < smallest) {
                best = Some((score, image));
            }
        }
        (splitting, best.map(|(_, image)| image))
    }

    /// The score times the number of models: an integer, so that ties are exact.
    fn score(&mut self, models: &[u32], row: &[u16]) -> u64 {
        let mut found = 0;
        for &model in models {
            let symbol = row[model as usize];
            let group = self.groups[model as usize] + 1;
            let count = &mut self.counts[usize::from(symbol)];
            self.symbols[found] = symbol;
            found += usize::from(count.models == 0);
            count.models += 1;
            count.groups += u32::from(count.last != group);
            count.last = group;
        }
        let mut score = 0;
        for &symbol in &self.symbols[..found] {
            let count = std::mem::take(&mut self.counts[usize::from(symbol)]);
            score = match self.score {
                Score::Mean => score + u64::from(count.models) * u64::from(count.groups),
                _ => score.max(u64::from(count.groups)),
            };
        }
        score
    }
}

//! What images say of themselves: the same twice, nearly so, with two labels, or both asked and trained on.

use std::collections::BTreeMap;

use super::{Finding, Rule, Severity};

/// Mean difference of two images' samples, of 255, up to which they are one and the same picture stored twice.
const NEAR: u64 = 1;

/// Parts of an image that are summed before it is compared as a whole.
const PARTS: usize = 16;

/// Comparisons of sums after which images are compared no more.
const MOST_COMPARISONS: u64 = 200_000_000;

/// Groups of images that evidence names.
const NAMED: usize = 8;

/// Share of the pool from which on images that are twice there are more than a curiosity.
const MANY: f64 = 0.01;

/// Images of one size with their labels.
#[derive(Debug, Clone, Copy)]
pub struct ImageBytes<'a> {
    /// Samples, image by image.
    pub data: &'a [u8],
    /// Label of each image.
    pub labels: &'a [u16],
}

impl<'a> ImageBytes<'a> {
    fn image(&self, index: usize) -> &'a [u8] {
        let size = self.data.len() / self.labels.len();
        &self.data[index * size..][..size]
    }
}

/// An image: its place in the pool, or among those that thieves train on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Pool(usize),
    Thief(usize),
}

/// Findings about images, and what was left undone. Both lists hold images of one size.
pub fn images(pool: ImageBytes<'_>, thief: Option<ImageBytes<'_>>) -> (Vec<Finding>, Vec<String>) {
    let mut all: Vec<(Place, &[u8], u16)> = Vec::new();
    all.extend((0..pool.labels.len()).map(|i| (Place::Pool(i), pool.image(i), pool.labels[i])));
    if let Some(thief) = thief {
        let of = |i: usize| (Place::Thief(i), thief.image(i), thief.labels[i]);
        all.extend((0..thief.labels.len()).map(of));
    }
    let mut same: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
    for (at, (_, image, _)) in all.iter().enumerate() {
        same.entry(*blake3::hash(image).as_bytes()).or_default().push(at);
    }
    let mut groups: Vec<Vec<usize>> = same.into_values().collect();
    groups.sort_unstable();
    let firsts: Vec<usize> = groups.iter().map(|group| group[0]).collect();
    groups.retain(|group| group.len() > 1);
    let (near, is_whole) = near(&all, &firsts);
    let mut findings = exact(&all, &groups, pool.labels.len());
    findings.extend(nearly(&all, &near, pool.labels.len()));
    let left_out = (!is_whole).then(|| {
        "images that are nearly the same: too many have like sums to compare them all".to_owned()
    });
    (findings, left_out.into_iter().collect())
}

fn exact(all: &[(Place, &[u8], u16)], groups: &[Vec<usize>], pool: usize) -> Vec<Finding> {
    let name = |&at: &usize| match all[at].0 {
        Place::Pool(index) => format!("image {index}"),
        Place::Thief(index) => format!("training image {index}"),
    };
    let labelled = |at: &usize| format!("{} (label {})", name(at), all[*at].2);
    let (mut twice, mut clashes, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups {
        let in_pool = group.iter().filter(|&&at| matches!(all[at].0, Place::Pool(_))).count();
        if in_pool == 0 {
            continue;
        }
        if in_pool < group.len() {
            both.push(group.iter().map(name).collect::<Vec<_>>().join(" = "));
        }
        if in_pool > 1 {
            twice.push(group[..in_pool].iter().map(name).collect::<Vec<_>>().join(" = "));
        }
        if group.iter().any(|&at| all[at].2 != all[group[0]].2) {
            clashes.push(group.iter().map(labelled).collect::<Vec<_>>().join(" = "));
        }
    }
    let mut findings = Vec::new();
    let mut add = |rule, severity, groups: &[String], message: String| {
        if !groups.is_empty() {
            let shown: Vec<String> = groups.iter().take(NAMED).cloned().collect();
            let evidence = shown.join("; ");
            findings.push(Finding::new(rule, severity, shown, message).because("images", evidence));
        }
    };
    let many = twice.len() as f64 > MANY * pool as f64;
    let severity = if many { Severity::Warning } else { Severity::Note };
    let count = twice.len();
    let message = format!("{count} images of the pool's {pool} are there more than once");
    add(Rule::DuplicateImage, severity, &twice, message);
    let count = clashes.len();
    let message = format!("{count} images are there with different labels: one of them is wrong");
    add(Rule::LabelClash, Severity::Warning, &clashes, message);
    let count = both.len();
    let message = format!(
        "{count} images of the pool are also among those that thieves train on: variants have seen the queries"
    );
    add(Rule::ImageInBoth, Severity::Error, &both, message);
    findings
}

/// Pairs of images of which one is in the pool at least, that differ by [`NEAR`] at most; and whether all were compared.
///
/// The sum of absolute differences is at least that of the differences of the sums over parts, and that at least the
/// difference of the sums over all: in the order of their sums, only neighbours need be compared.
fn near(all: &[(Place, &[u8], u16)], firsts: &[usize]) -> (Vec<(usize, usize)>, bool) {
    let sums = |&at: &usize| {
        let image = all[at].1;
        let part = image.len().div_ceil(PARTS).max(1);
        let mut parts = [0_u64; PARTS];
        for (sum, samples) in parts.iter_mut().zip(image.chunks(part)) {
            *sum = samples.iter().map(|&sample| u64::from(sample)).sum();
        }
        (parts.iter().sum::<u64>(), at, parts)
    };
    let mut sorted: Vec<(u64, usize, [u64; PARTS])> = firsts.iter().map(sums).collect();
    sorted.sort_unstable();
    let mut found = Vec::new();
    let mut comparisons = 0;
    for (place, (sum, a, parts)) in sorted.iter().enumerate() {
        let limit = NEAR * all[*a].1.len() as u64;
        for (other, b, others) in &sorted[place + 1..] {
            if other - sum > limit {
                break;
            }
            comparisons += 1;
            if comparisons > MOST_COMPARISONS {
                return (found, false);
            }
            let bound: u64 = parts.iter().zip(others).map(|(x, y)| x.abs_diff(*y)).sum();
            let in_pool = [a, b].iter().any(|&&at| matches!(all[at].0, Place::Pool(_)));
            if bound > limit || !in_pool || all[*a].1.len() != all[*b].1.len() {
                continue;
            }
            let difference: u64 =
                all[*a].1.iter().zip(all[*b].1).map(|(x, y)| u64::from(x.abs_diff(*y))).sum();
            if difference <= limit {
                found.push((*a.min(b), *a.max(b)));
            }
        }
    }
    found.sort_unstable();
    (found, true)
}

fn nearly(all: &[(Place, &[u8], u16)], near: &[(usize, usize)], pool: usize) -> Vec<Finding> {
    let (twice, both): (Vec<_>, Vec<_>) =
        near.iter().partition(|&&(_, b)| matches!(all[b].0, Place::Pool(_)));
    let said = |&(a, b): &(usize, usize)| {
        let other = match all[b].0 {
            Place::Pool(index) => format!("image {index}"),
            Place::Thief(index) => format!("training image {index}"),
        };
        let difference: u64 =
            all[a].1.iter().zip(all[b].1).map(|(x, y)| u64::from(x.abs_diff(*y))).sum();
        let mean = difference as f64 / all[a].1.len() as f64;
        format!("image {a} ~ {other} (mean difference {mean:.2} of 255)")
    };
    let finding = |rule, pairs: &[(usize, usize)], message: String| {
        let shown: Vec<String> = pairs.iter().take(NAMED).map(said).collect();
        let evidence = shown.join("; ");
        let severity = match pairs.len() as f64 > MANY * pool as f64 {
            true => Severity::Warning,
            false => Severity::Note,
        };
        let finding = Finding::new(rule, severity, shown, message).because("images", evidence);
        (!pairs.is_empty()).then_some(finding)
    };
    let count = twice.len();
    let message = format!("{count} pairs of images of the pool are next to the same");
    let twice = finding(Rule::NearDuplicateImage, &twice, message);
    let count = both.len();
    let message =
        format!("{count} images of the pool are next to the same as one that thieves train on");
    twice.into_iter().chain(finding(Rule::ImageInBoth, &both, message)).collect()
}

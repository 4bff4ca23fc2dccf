//! Who is in the zoo: every architecture, with its siblings.

use bertillon::{Error, Result};

use super::architectures::{ARCHITECTURES, Architecture, SIBLINGS};

/// One network of the zoo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) architecture: &'static Architecture,
    pub(super) sibling: &'static str,
    pub(super) seed: u64,
}

impl Member {
    /// `lenet-a`.
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.architecture.name, self.sibling)
    }

    /// Name of the file of its weights.
    pub(super) fn file(&self) -> String {
        format!("{}.safetensors", self.name())
    }
}

/// All members, siblings side by side.
pub(super) fn members() -> Vec<Member> {
    let siblings = |architecture| {
        SIBLINGS.iter().map(move |&(sibling, seed)| Member { architecture, sibling, seed })
    };
    ARCHITECTURES.iter().flat_map(siblings).collect()
}

/// The members called `names`, in the zoo's order; all of them where there is no name.
pub(super) fn select(names: &[String]) -> Result<Vec<Member>> {
    let all = members();
    for name in names {
        if !all.iter().any(|member| member.name() == *name) {
            return Err(Error::parameter("names", name, unknown(name, &all)));
        }
    }
    let wanted = |member: &Member| names.is_empty() || names.contains(&member.name());
    Ok(all.into_iter().filter(wanted).collect())
}

fn unknown(name: &str, all: &[Member]) -> String {
    let names: Vec<_> = all.iter().map(Member::name).collect();
    let distance = |candidate: &String| 1.0 - strsim::jaro_winkler(name, candidate);
    let nearest = names.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let nearest = nearest.map(String::as_str).unwrap_or_default();
    format!("no network of the zoo; did you mean `{nearest}`? It has {}", names.join(", "))
}

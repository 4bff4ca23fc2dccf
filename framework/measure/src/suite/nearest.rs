//! Guessing what a misspelt name was meant to be.

/// The candidate that `name` most likely stands for; none when nothing is near.
pub fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let folded = name.to_lowercase().replace('_', "-");
    let allowed = (folded.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|&candidate| {
            let other = candidate.to_lowercase().replace('_', "-");
            (strsim::damerau_levenshtein(&folded, &other), candidate)
        })
        .filter(|&(edits, _)| edits <= allowed)
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// What to tell someone who wrote `name`: the nearest candidate, else all of them.
pub fn suggestion(name: &str, candidates: &[&str]) -> Option<String> {
    if let Some(candidate) = nearest(name, candidates) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let all: Vec<String> = candidates.iter().map(|candidate| format!("`{candidate}`")).collect();
    match all.as_slice() {
        [] => None,
        [only] => Some(format!("only {only} is known here")),
        _ => Some(format!("known here: {}", all.join(", "))),
    }
}

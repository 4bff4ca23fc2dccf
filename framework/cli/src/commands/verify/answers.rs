//! Recorded answers of a suspect: from `.npy`, and from the table that `--export` writes.

use std::{collections::BTreeMap, path::Path};

use bertillon::{Answers, npy};
use bertillon_runner::Enrolled;

use crate::failure::{Failure, chain};

/// Labels or scores: to the queries in their order, or else to the whole pool.
pub(super) fn from_npy(path: &Path, enrolled: &Enrolled) -> Result<Answers, Failure> {
    let card = &enrolled.card;
    let answers = npy::read_answers(path, card.ranks, card.classes);
    let answers =
        answers.map_err(|error| Failure::User(format!("{}: {}", path.display(), chain(&error))))?;
    match answers.len() == enrolled.len() {
        true => Ok(answers),
        false => Ok(enrolled.among(&answers)?),
    }
}

/// A table with a row for each query, in any order: its number in `query`, the best label in `label`, the next in
/// `label_2` and so on.
pub(super) fn from_csv(path: &Path, enrolled: &Enrolled) -> Result<Answers, Failure> {
    let problem = |problem: String| Failure::User(format!("{}: {problem}", path.display()));
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
    let table = table.as_mut().map_err(|error| problem(error.to_string()))?;
    let header = table.headers().map_err(|error| problem(error.to_string()))?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
        found.ok_or_else(|| {
            problem(format!("it has no column `{name}`; --export writes a table to fill in"))
        })
    };
    let query = column("query")?;
    let ranks = enrolled.card.ranks;
    let labels = (1..=ranks).map(|rank| column(&label(rank))).collect::<Result<Vec<_>, _>>()?;
    let mut rows: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
    for record in table.records() {
        let record = record.map_err(|error| problem(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let number = |column: usize, what: &str| {
            let text = record.get(column).unwrap_or_default();
            let not = || problem(format!("line {line}: `{}` is no {what}", text.escape_debug()));
            text.parse::<u16>().map_err(|_| not())
        };
        let at = usize::from(number(query, "number of a query")?);
        if at >= enrolled.len() {
            return Err(problem(format!(
                "line {line}: there is no query {at}, they are numbered from 0 to {}",
                enrolled.len() - 1
            )));
        }
        let answers = labels.iter().map(|&column| number(column, "label"));
        if rows.insert(at, answers.collect::<Result<_, _>>()?).is_some() {
            return Err(problem(format!("line {line}: query {at} was answered before")));
        }
    }
    if let Some(missing) = (0..enrolled.len()).find(|query| !rows.contains_key(query)) {
        return Err(problem(format!(
            "{} of {} queries are answered; query {missing} is not",
            rows.len(),
            enrolled.len()
        )));
    }
    let all: Vec<u16> = rows.into_values().flatten().collect();
    Answers::new(all, ranks).map_err(|error| problem(error.to_string()))
}

/// Column of the label of a rank, 1 the best.
pub(super) fn label(rank: usize) -> String {
    match rank {
        1 => "label".to_owned(),
        rank => format!("label_{rank}"),
    }
}

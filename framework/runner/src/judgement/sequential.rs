//! Sequential tests: every model is known, and images are chosen one by one.

use bertillon::{
    Access,
    evaluation::{Grouping, Observations, Score, Tally, detect_known, identify_known},
    results::SequentialResult,
    suite::{Goal, SequentialScore},
};

use super::Bench;
use crate::{RunError, context::Context, forecast::step};

/// One question with what a black box reveals.
#[derive(Clone, Copy)]
struct Cell {
    ranks: usize,
    goal: Goal,
    score: Score,
}

/// Every goal by every score at every access asked; `best` detects only.
pub(super) fn test(
    context: &Context<'_>,
    bench: &Bench<'_>,
) -> Result<Vec<SequentialResult>, RunError> {
    let asked = &context.plan.suite.evaluation.sequential;
    let user = |error: bertillon_measure::Error| RunError::User(error.to_string());
    let mut results = Vec::new();
    for ranks in asked.top_k.iter().map(|k| k.value) {
        let observations = Observations::from_table(&bench.pool, ranks).map_err(user)?;
        let scores = asked.scores.iter().map(|&score| self::score(score));
        let cells: Vec<Cell> = asked
            .goals
            .iter()
            .flat_map(|&goal| scores.clone().map(move |score| Cell { ranks, goal, score }))
            .filter(|cell| cell.goal == Goal::Detection || cell.score != Score::Best)
            .collect();
        let done = context.step(
            &step::sequential(ranks),
            &cells,
            |_| 1.0,
            |&cell| cell.results(&observations, bench).map_err(user),
        )?;
        results.extend(done.into_iter().flatten());
    }
    Ok(results)
}

fn score(score: SequentialScore) -> Score {
    match score {
        SequentialScore::Mean => Score::Mean,
        SequentialScore::Worst => Score::Worst,
        SequentialScore::Best => Score::Best,
    }
}

impl Cell {
    fn results(
        self,
        observations: &Observations,
        bench: &Bench<'_>,
    ) -> bertillon_measure::Result<Vec<SequentialResult>> {
        let (goal, grouping) = match self.goal {
            Goal::Detection => ("detection", Grouping::Family),
            Goal::Family => ("identification", Grouping::Family),
            Goal::Variation => ("identification", Grouping::Variation),
            Goal::Model => ("identification", Grouping::Model),
        };
        let groups = grouping.groups(&bench.suspects);
        let access = match self.ranks {
            1 => Access::Top1,
            k => Access::TopK(k),
        };
        let result = |couples: Option<&str>, tally: Tally| SequentialResult {
            goal: goal.to_owned(),
            group: grouping.name().to_owned(),
            couples: couples.map(str::to_owned),
            score: self.score.name().to_owned(),
            access: access.to_string(),
            cases: tally.cases,
            correct: tally.correct,
            wrong: tally.wrong,
            abstained: tally.abstained,
            queries: tally.queries,
        };
        if self.goal != Goal::Detection {
            let found = identify_known(observations, &groups, self.score)?;
            return Ok(vec![result(None, found.tally)]);
        }
        let found = detect_known(observations, &groups, &[self.score])?;
        Ok(found
            .into_iter()
            .flat_map(|found| {
                let negative = found.negative.map(|tally| result(Some("negative"), tally));
                std::iter::once(result(Some("positive"), found.positive)).chain(negative)
            })
            .collect())
    }
}

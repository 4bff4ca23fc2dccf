//! What the benchmarks of scoring share: a population of answers, and the paper's standard evaluation of it.

use std::{ops::Range, sync::Arc};

use bertillon_measure::{AnswerTable, Answers, Result, Statistic, Stream, Suspects};

/// Budgets of the standard evaluation.
pub const BUDGETS: [usize; 5] = [20, 50, 100, 200, 500];

/// Draws of the standard evaluation.
pub const DRAWS: usize = 20;

/// Answers of models to a pool, with the true labels.
#[derive(Debug)]
pub struct Population {
    /// True labels of the pool.
    pub truth: Vec<u16>,
    /// Answers of all models: every one is a suspect.
    pub models: Vec<Answers>,
    /// Which of the models are owners', with their names.
    pub owners: Vec<(usize, String)>,
}

impl Population {
    /// `models` models that are right on 17 images of 20, the first `owners` of them owners'.
    ///
    /// A thousand classes; of the other images most have the true label among the ranks below. Models are windows of
    /// one list of answers, so that 100,000 of them fit in memory: the speed does not depend on who agrees with whom.
    ///
    /// # Errors
    /// None but a fault of the arithmetic here.
    pub fn synthetic(models: usize, owners: usize, pool: usize, ranks: usize) -> Result<Self> {
        let mut stream = Stream::named(1, ["synthetic"]);
        let below = |stream: &mut Stream, bound| u16::try_from(stream.below(bound)).unwrap_or(0);
        // Label 0 is the true one everywhere: wherever a window starts, as many of its answers are right.
        let mut labels = Vec::with_capacity((pool + models) * ranks);
        for _ in 0..pool + models {
            let place = match below(&mut stream, 20) {
                0..17 => 0,
                17 => 1,
                18 => 2,
                _ => usize::MAX,
            };
            for rank in 0..ranks {
                let other = 1 + below(&mut stream, 999);
                labels.push(if rank == place { 0 } else { other });
            }
        }
        let buffer: Arc<dyn AsRef<[u16]> + Send + Sync> = Arc::new(labels);
        let window = |model: usize| Range { start: model * ranks, end: (model + pool) * ranks };
        let models = (0..models)
            .map(|model| Answers::shared(Arc::clone(&buffer), window(model), ranks))
            .collect::<Result<_>>()?;
        let owners = (0..owners).map(|owner| (owner, format!("owner-{owner}"))).collect();
        Ok(Self { truth: vec![0; pool], models, owners })
    }

    /// The table that the models are scored in.
    ///
    /// # Errors
    /// When the models' answers have other lengths than the truth.
    pub fn table(&self) -> Result<AnswerTable> {
        AnswerTable::with_truth(&self.models, &self.truth)
    }

    /// The images of one fingerprint, as a run draws them: `budget` of the pool.
    pub fn draw(&self, draw: usize, owner: &str, budget: usize) -> Vec<u32> {
        let mut stream = Stream::named(2022, ["draw", &draw.to_string(), "owner", owner]);
        stream.sample_indices(self.truth.len(), budget)
    }

    /// Scores all models against a fingerprint of every owner, `draws` times.
    ///
    /// The fingerprints are made here: images drawn, reference and true labels gathered. Returns the sum of one
    /// distance of each, infinite ones taken as 1, so that nothing of the work can be left out.
    ///
    /// # Errors
    /// When the answers have fewer ranks than the owners'.
    pub fn evaluate(&self, table: &AnswerTable, draws: usize, budget: usize) -> Result<f64> {
        let mut sum = 0.0;
        let mut out = vec![0.0; table.models()];
        for draw in 0..draws {
            for (owner, name) in &self.owners {
                let rows = self.draw(draw, name, budget);
                let reference = self.models[*owner].gather(&rows);
                let truth: Vec<u16> = rows.iter().map(|&row| self.truth[row as usize]).collect();
                let suspects = Suspects::new(table, &rows, table.ranks());
                let statistic = Statistic::MutualInformation;
                statistic.distances(&reference, Some(&truth), &suspects, &mut out)?;
                sum += out[draw % out.len()].min(1.0);
            }
        }
        Ok(sum)
    }
}

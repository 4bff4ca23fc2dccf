//! Data for the paper's two figures: a map of all models by their distances, and histograms of these.

use bertillon::{
    Answers, PairDistances, Stream, embed, entropy_ranking,
    evaluation::Grouping,
    histograms, label_entropies, neighbour_purity,
    results::{Figures, HistogramClass, HistogramFigure, MapFigure},
    silhouette,
};

use super::{Bench, Material};
use crate::{RunError, context::Context, forecast::step};

/// Neighbours that purity looks at.
const NEIGHBOURS: usize = 5;

/// One figure.
#[derive(Clone, Copy)]
enum Cell {
    /// A map of this perplexity.
    Map(f64),
    /// A histogram of distances on the first images of a ranking.
    Histogram(Selection, usize),
}

/// A ranking of the pool.
#[derive(Clone, Copy)]
enum Selection {
    /// At random.
    Random,
    /// By falling entropy of the vanillas' labels.
    Entropy,
}

impl Selection {
    fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Entropy => "entropy",
        }
    }
}

/// A figure made.
enum Made {
    Map(MapFigure),
    Histogram(HistogramFigure),
}

/// The figures that the suite asks for; maps that so few models can't have are warned of.
pub(super) fn figures(
    context: &Context<'_>,
    material: &Material<'_>,
    bench: &Bench<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Figures>, RunError> {
    let plan = context.plan;
    let Some(asked) = &plan.suite.figures else {
        return Ok(None);
    };
    let user = |error: bertillon_measure::Error| RunError::User(format!("figures: {error}"));
    let images = plan.pool.len();
    let random = Stream::named(plan.suite.seed, ["figures"]).sample_indices(images, images);
    let vanillas: Vec<&Answers> =
        material.vanillas.iter().filter_map(|answers| answers.as_ref().ok()).collect();
    let entropy = entropy_ranking(&label_entropies(&vanillas).map_err(user)?);
    let families = Grouping::Family.groups(&bench.suspects);
    let variations = Grouping::Variation.groups(&bench.suspects);
    let everything: Vec<u32> = (0..).take(images).collect();
    let on = |queries: &[u32]| {
        context.workers.install(|| PairDistances::on(&bench.pool, queries)).map_err(user)
    };
    let whole = on(&everything)?;
    let matrix: Vec<f64> = (0..whole.models()).flat_map(|m| whole.row(m).to_vec()).collect();
    let purity = neighbour_purity(&matrix, &families, NEIGHBOURS).map_err(user)?;
    let silhouette = silhouette(&matrix, &families).map_err(user)?;

    let map = |perplexity: f64| -> bertillon_measure::Result<MapFigure> {
        let names = ["map", "perplexity", &perplexity.to_string()];
        let mut stream = Stream::named(plan.suite.seed, names);
        let embedding = embed(&matrix, whole.models(), perplexity, &mut stream)?;
        Ok(MapFigure {
            selection: "the whole pool".to_owned(),
            images,
            perplexity,
            kl: Some(embedding.kl).filter(|kl| kl.is_finite()),
            purity,
            silhouette,
            points: embedding.points,
        })
    };
    let histogram = |selection: Selection, budget: usize| {
        let ranking = match selection {
            Selection::Random => &random,
            Selection::Entropy => &entropy,
        };
        let distances = PairDistances::on(&bench.pool, &ranking[..budget])?;
        let classes = histograms(&families, &variations, |a, b| distances.distance(a, b))?;
        let class = |found: &bertillon::Histogram| HistogramClass {
            class: found.class.name().to_owned(),
            pairs: found.pairs(),
            counts: found.counts.to_vec(),
            infinite: found.infinite,
            shares: found.shares().to_vec(),
        };
        let classes = classes.iter().map(class).collect();
        Ok(HistogramFigure { selection: selection.name().to_owned(), budget, classes })
    };
    // Maps first: each takes longer than all histograms.
    let models = whole.models();
    let (drawn, left): (Vec<f64>, Vec<f64>) =
        asked.perplexities.iter().partition(|&&perplexity| perplexity <= (models - 1) as f64);
    warnings.extend(left.iter().map(|perplexity| {
        format!("no map of perplexity {perplexity}: it needs more models than the {models} kept")
    }));
    let mut cells: Vec<Cell> = drawn.into_iter().map(Cell::Map).collect();
    for selection in [Selection::Random, Selection::Entropy] {
        cells.extend(asked.histograms.iter().map(|l| Cell::Histogram(selection, l.value)));
    }
    let cost = |cell: &Cell| if matches!(cell, Cell::Map(_)) { 20.0 } else { 1.0 };
    let made = context.step(step::FIGURES, &cells, cost, |&cell| {
        let made = match cell {
            Cell::Map(perplexity) => map(perplexity).map(Made::Map),
            Cell::Histogram(selection, budget) => histogram(selection, budget).map(Made::Histogram),
        };
        made.map_err(user)
    })?;
    let mut figures = Figures::default();
    for made in made {
        match made {
            Made::Map(map) => figures.maps.push(map),
            Made::Histogram(histogram) => figures.histograms.push(histogram),
        }
    }
    Ok(Some(figures))
}

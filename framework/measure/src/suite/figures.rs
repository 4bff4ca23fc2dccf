//! Reading `[figures]`.

use super::{
    FiguresUse,
    section::{Item, Mistakes, Section},
    values,
};

/// As the paper's second figure.
const DEFAULT_HISTOGRAMS: [usize; 5] = [20, 50, 100, 250, 1000];

/// About the size of a family.
const DEFAULT_PERPLEXITIES: [f64; 1] = [30.0];

/// What figures are asked.
pub(super) fn figures_use(item: &Item<'_>, mistakes: &mut Mistakes) -> Option<FiguresUse> {
    let mut section = Section::of("[figures]", item, mistakes)?;
    let perplexities = section.take("perplexities").map(|item| {
        let above_one = |value: f64| value > 1.0;
        let items = values::list(item, "perplexities", mistakes);
        let items = items.into_iter().flatten();
        items
            .filter_map(|item| {
                values::number(item, "perplexities", "(1, inf)", above_one, mistakes)
            })
            .collect()
    });
    let histograms =
        section.take("histograms").map(|item| values::counts(item, "histograms", mistakes));
    section.refuse_rest(mistakes);
    Some(FiguresUse {
        perplexities: perplexities.unwrap_or_else(|| DEFAULT_PERPLEXITIES.to_vec()),
        histograms: histograms.unwrap_or_else(|| {
            DEFAULT_HISTOGRAMS.iter().map(|&value| super::Located { value, at: 0..0 }).collect()
        }),
    })
}

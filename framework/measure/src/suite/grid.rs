//! Variants over a grid: reading it and taking its cross product.

use serde_json::Value;

use super::{
    Located, PluginUse, VariantUse,
    section::{Item, Mistakes, Section},
    values,
};

/// Points of all grids of a suite; more are a slip of the pen, and would fill the memory before anything is computed.
pub(super) const MOST_POINTS: usize = 10_000;

impl VariantUse {
    /// How many points the grid has; one without a grid.
    pub(super) fn count(&self) -> usize {
        let sizes = self.grid.iter().map(|(_, values)| values.len());
        sizes.fold(1, usize::saturating_mul)
    }

    /// Every point of the grid, in the order written, the last key fastest; one point without a grid.
    pub fn points(&self) -> Vec<PluginUse> {
        let mut points = vec![self.parameters.clone()];
        for (key, values) in &self.grid {
            let extended = points.iter().flat_map(|fixed| {
                values.iter().map(move |value| {
                    let mut parameters = fixed.clone();
                    parameters.push((key.clone(), value.clone()));
                    parameters
                })
            });
            points = extended.collect();
        }
        points
            .into_iter()
            .map(|parameters| PluginUse { plugin: self.plugin.clone(), parameters })
            .collect()
    }
}

/// One table of variants.
pub(super) fn variant(mut section: Section<'_>, mistakes: &mut Mistakes) -> Option<VariantUse> {
    let plugin = section.require("plugin", mistakes);
    let plugin = plugin.and_then(|item| values::label(item, "plugin", mistakes));
    let grid = section.take("grid").map_or_else(Vec::new, |item| grid(item, mistakes));
    let parameters = section.parameters(mistakes);
    for (key, _) in &grid {
        if parameters.iter().any(|(fixed, _)| fixed.value == key.value) {
            mistakes.add(
                key.at.clone(),
                format!("`{}` stands in the grid and beside it", key.value),
                "given twice",
                None,
            );
        }
    }
    Some(VariantUse { plugin: plugin?, parameters, grid })
}

fn grid(item: &Item<'_>, mistakes: &mut Mistakes) -> Vec<(Located<String>, Vec<Located<Value>>)> {
    let Some(section) = Section::of("grid", item, mistakes) else {
        return Vec::new();
    };
    let mut grid = Vec::new();
    for (key, item) in section.into_entries() {
        let Some(items) = values::list(item, &key.value, mistakes) else {
            continue;
        };
        if items.is_empty() {
            mistakes.add(
                item.span(),
                format!("the grid has no value of `{}`", key.value),
                "an empty list makes no variant",
                None,
            );
        }
        if items.len() > MOST_POINTS {
            too_many(item, mistakes);
            continue;
        }
        let mut list: Vec<Located<Value>> = Vec::new();
        for item in items {
            let Some(value) = values::json(item, mistakes) else {
                continue;
            };
            if list.iter().any(|earlier| earlier.value == value) {
                mistakes.add(
                    item.span(),
                    format!("{value} stands twice in the grid of `{}`", key.value),
                    "again",
                    None,
                );
            }
            list.push(Located { value, at: item.span() });
        }
        grid.push((key, list));
    }
    let points = grid.iter().try_fold(1_usize, |n, (_, list)| n.checked_mul(list.len()));
    if points.is_none_or(|points| points > MOST_POINTS) {
        too_many(item, mistakes);
        grid.clear();
    }
    grid
}

fn too_many(item: &Item<'_>, mistakes: &mut Mistakes) {
    let message = format!("the grid has more than {MOST_POINTS} points");
    mistakes.add(item.span(), message, "too many combinations", None);
}

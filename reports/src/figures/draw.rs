//! Static SVG of a figure: panels in a grid, a legend below.

mod panel;

use std::fmt::Write as _;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    Chart, Figure,
    palette::{INK, PAPER, series, with_dashes},
};

/// Pixels from left to right.
const WIDTH: u32 = 720;
/// Height of a line of the legend.
const LINE: u32 = 20;
/// Pixels that a letter of [`SMALL`] takes, about.
const LETTER: u32 = 7;
/// Width of the lines of series, and of no others.
const LINE_WIDTH: u32 = 2;
/// Size of most text.
const SMALL: u32 = 12;

/// Start of a text with a rim.
const RIMMED: &str =
    "<text paint-order=\"stroke\" stroke=\"#FFFFFF\" stroke-width=\"3\" stroke-linejoin=\"round\" ";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Why drawing failed, in words.
type Outcome<T = ()> = Result<T, String>;

/// Turns an error of plotters into words.
fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Text of this size, placed so.
fn text_style(size: u32, colour: RGBColor, across: HPos, down: VPos) -> TextStyle<'static> {
    let font = ("sans-serif", size).into_font();
    TextStyle { font, color: colour.to_backend_color(), pos: Pos::new(across, down) }
}

/// The figure as a document.
pub(super) fn svg(figure: &Figure) -> Outcome<String> {
    let panels = figure.panels();
    let (across, height) = grid(figure, panels.len());
    let down = panels.len().div_ceil(across);
    let legend = Legend::of(figure);
    let tall = u32::try_from(down).map_err(words)? * height;
    let mut text = String::new();
    {
        let size = (WIDTH, tall + legend.height());
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&PAPER.ink()).map_err(words)?;
        let (above, below) = root.split_vertically(tall);
        let areas = above.split_evenly((down, across));
        for (area, (heading, rows)) in areas.iter().zip(&panels) {
            panel::draw(figure, area, heading, rows)?;
        }
        legend.draw(&below)?;
        root.present().map_err(words)?;
    }
    // What is so anyway need not be said; no text holds a quote that is not escaped.
    let text =
        text.replace(" opacity=\"1\"", "").replace(" stroke=\"none\" stroke-width=\"1\"", "");
    Ok(described(figure, &with_dashes(&text, LINE_WIDTH)))
}

/// Panels beside each other, and the height of each.
fn grid(figure: &Figure, panels: usize) -> (usize, u32) {
    match (&figure.chart, panels) {
        (Chart::Heat { down, .. }, _) => (1, panel::heat_height(figure, down)),
        (Chart::Points { .. }, _) => (1, 560),
        (Chart::Bars { .. }, 2..) => (2, 170),
        (_, 2) => (2, 260),
        (_, 3..) => (3, 220),
        _ => (1, 380),
    }
}

/// The document with a title and a description, as screen readers and search look for them.
fn described(figure: &Figure, svg: &str) -> String {
    let Some(end) = svg.find("<svg").and_then(|start| Some(start + svg[start..].find('>')? + 1))
    else {
        return svg.to_owned();
    };
    let mut out = svg[..end].to_owned();
    for (tag, text) in [("title", &figure.title), ("desc", &figure.description)] {
        let _ = write!(out, "\n<{tag}>{}</{tag}>", escaped(text));
    }
    match figure.chart {
        // Names amid points have a rim in the colour of the ground. No text of a suite holds an unescaped `<`.
        Chart::Points { .. } => out.push_str(&svg[end..].replace("<text ", RIMMED)),
        _ => out.push_str(&svg[end..]),
    }
    out
}

fn escaped(text: &str) -> String {
    crate::plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most so many letters, the last one an ellipsis where some are left out.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Names of series in columns.
struct Legend {
    names: Vec<String>,
    columns: u32,
    has_lines: bool,
}

impl Legend {
    fn of(figure: &Figure) -> Self {
        let (key, has_lines) = match figure.chart {
            Chart::Lines { series, .. } => (series, true),
            Chart::Bars { series, .. } => (series, false),
            Chart::Heat { .. } | Chart::Points { .. } => {
                return Self { names: Vec::new(), columns: 1, has_lines: false };
            }
        };
        let names = figure.frame.distinct(key);
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let width = u32::try_from(longest).unwrap_or(WIDTH).saturating_mul(LETTER) + 56;
        Self { names, columns: (WIDTH / width.max(1)).clamp(1, 6), has_lines }
    }

    fn height(&self) -> u32 {
        let lines = self.names.len().div_ceil(self.columns as usize);
        match lines {
            0 => 0,
            lines => u32::try_from(lines).unwrap_or(1) * LINE + 12,
        }
    }

    fn draw(&self, area: &Area<'_>) -> Outcome {
        let width = WIDTH / self.columns;
        let text = text_style(SMALL, INK.ink(), HPos::Left, VPos::Center);
        for (place, name) in (0..).zip(&self.names) {
            let (x, y) = (place % self.columns * width + 16, place / self.columns * LINE + 10);
            let (x, y) = (i32::try_from(x).map_err(words)?, i32::try_from(y).map_err(words)?);
            let colour = series(place as usize).ink();
            match self.has_lines {
                true => {
                    let style = colour.stroke_width(LINE_WIDTH);
                    area.draw(&PathElement::new(vec![(x, y), (x + 26, y)], style))
                }
                false => area.draw(&Rectangle::new([(x, y - 6), (x + 26, y + 6)], colour.filled())),
            }
            .map_err(words)?;
            let name = shortened(name, ((width - 56) / LETTER) as usize);
            area.draw(&Text::new(name, (x + 32, y), text.clone())).map_err(words)?;
        }
        Ok(())
    }
}

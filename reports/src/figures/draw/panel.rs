//! One panel of a static figure.

use std::ops::Range;

use plotters::{
    coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, VPos},
};

use super::{Area, LETTER, LINE_WIDTH, Outcome, SMALL, WIDTH, shortened, text_style, words};
use crate::figures::{
    Axis, Chart, Figure, Row, decimal,
    distances::INFINITE,
    palette::{GRID, INK, MUTED, heat, series},
};

/// Height of a row of a heat map.
const CELL: u32 = 26;
/// Where the bin of infinite distances is drawn, beside the unit interval.
const BESIDE: [f64; 2] = [1.07, 1.12];
/// More families than this have no room for their names.
const MOST_NAMES: usize = 40;

type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

/// An axis that is labelled where it is told to be.
struct Scale {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        #[expect(clippy::cast_possible_truncation, reason = "pixels of a picture 720 wide")]
        let pixels = (f64::from(last - first) * share).round() as i32;
        first + pixels
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => Vec::new(),
            false => self.ticks.clone(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

pub(super) fn draw(figure: &Figure, area: &Area<'_>, heading: &str, rows: &[&Row]) -> Outcome {
    match &figure.chart {
        Chart::Lines { x, y, series, band, mark } => {
            let lines = Lines { figure, rows, x, y, series, band: *band, mark: *mark };
            lines.draw(area, heading)
        }
        Chart::Heat { across, down, value } => heat_map(figure, area, rows, [across, down, value]),
        Chart::Bars { from, to, x_title, y, series } => {
            bars(figure, area, heading, rows, [from, to, y.key, series], [x_title, y.title])
        }
        Chart::Points { x, y, family, .. } => points(figure, area, rows, [x, y, family]),
    }
}

/// Axes with these ends, ticks and titles.
fn plane<'a, 'b>(
    area: &'a Area<'b>,
    heading: &str,
    [x, y]: [Scale; 2],
    titles: [&str; 2],
    label: &dyn Fn(f64) -> String,
) -> Outcome<Plane<'a, 'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(10).x_label_area_size(38).y_label_area_size(46);
    if !heading.is_empty() {
        let style = text_style(SMALL + 1, INK.ink(), HPos::Center, VPos::Top);
        builder.caption(shortened(heading, 40), style);
    }
    let mut chart = builder.build_cartesian_2d(x, y).map_err(words)?;
    let small = |colour: RGBColor| text_style(SMALL - 1, colour, HPos::Center, VPos::Center);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.ink())
        .axis_style(MUTED.ink())
        .label_style(small(MUTED.ink()))
        .axis_desc_style(small(INK.ink()))
        .x_desc(titles[0])
        .y_desc(titles[1])
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| decimal(*value, 2))
        .draw()
        .map_err(words)?;
    Ok(chart)
}

struct Lines<'a> {
    figure: &'a Figure,
    rows: &'a [&'a Row],
    x: &'a Axis,
    y: &'a Axis,
    series: &'static str,
    band: Option<[&'static str; 2]>,
    mark: Option<f64>,
}

impl Lines<'_> {
    fn draw(&self, area: &Area<'_>, heading: &str) -> Outcome {
        let values: Vec<f64> = self.rows.iter().filter_map(|row| self.across(row)).collect();
        let ends = wide(&values);
        let ticks: Vec<f64> = match self.x.ticks.is_empty() {
            false => self.x.ticks.iter().map(|&tick| self.scaled(tick)).collect(),
            true => thinned(&values, 6),
        };
        let ticks = ticks.into_iter().filter(|tick| (ends.0..=ends.1).contains(tick)).collect();
        let is_log = self.x.is_log;
        let label = |value: f64| decimal(if is_log { 10_f64.powf(value) } else { value }, 4);
        let scales = [
            Scale { low: ends.0, high: ends.1, ticks },
            Scale { low: 0.0, high: 100.0, ticks: self.y.ticks.clone() },
        ];
        let mut chart = plane(area, heading, scales, [self.x.title, self.y.title], &label)?;
        if let Some(mark) = self.mark.map(|mark| self.scaled(mark)) {
            let ends = vec![(mark, 0.0), (mark, 100.0)];
            let dashed = DashedPathElement::new(ends, 4, 4, MUTED.ink().stroke_width(1));
            chart.draw_series([dashed]).map_err(words)?;
        }
        let names = self.figure.frame.distinct(self.series);
        for (place, name) in names.iter().enumerate() {
            let rows = self.rows.iter().copied();
            let own = rows.filter(|row| self.figure.frame.shown(row, self.series) == *name);
            self.series(&mut chart, place, &own.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn series(&self, chart: &mut Plane<'_, '_>, place: usize, rows: &[&Row]) -> Outcome {
        let colour = series(place).ink();
        let at =
            |row: &Row, key: &str| Some((self.across(row)?, self.figure.frame.number(row, key)?));
        if let Some([low, high]) = self.band {
            let lower = rows.iter().filter_map(|row| at(row, low));
            let upper = rows.iter().rev().filter_map(|row| at(row, high));
            let outline: Vec<(f64, f64)> = lower.chain(upper).collect();
            if outline.len() > 2 {
                let area = Polygon::new(outline, colour.mix(0.12).filled());
                chart.draw_series([area]).map_err(words)?;
            }
        }
        let points: Vec<(f64, f64)> = rows.iter().filter_map(|row| at(row, self.y.key)).collect();
        let style = colour.stroke_width(LINE_WIDTH);
        chart.draw_series([PathElement::new(points.clone(), style)]).map_err(words)?;
        // Few points are measurements; many are a curve.
        if points.len() <= 12 {
            let dots = points.into_iter().map(|point| Circle::new(point, 3, colour.filled()));
            chart.draw_series(dots).map_err(words)?;
        }
        Ok(())
    }

    /// Where a row stands on the axis; none where it has no place there.
    fn across(&self, row: &Row) -> Option<f64> {
        let value = self.figure.frame.number(row, self.x.key)?;
        (!self.x.is_log || value > 0.0).then(|| self.scaled(value))
    }

    fn scaled(&self, value: f64) -> f64 {
        if self.x.is_log { value.log10() } else { value }
    }
}

/// Smallest and largest, set apart where they are one.
fn wide(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match high - low {
        span if span.is_finite() && span > 0.0 => (low, high),
        _ if low.is_finite() => (low - 0.5, low + 0.5),
        _ => (0.0, 1.0),
    }
}

/// At most about so many of the distinct values, ascending.
fn thinned(values: &[f64], most: usize) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let step = values.len().div_ceil(most).max(1);
    values.into_iter().step_by(step).collect()
}

fn bars(
    figure: &Figure,
    area: &Area<'_>,
    heading: &str,
    rows: &[&Row],
    [from, to, height, class]: [&str; 4],
    titles: [&str; 2],
) -> Outcome {
    let frame = &figure.frame;
    let heights: Vec<f64> = rows.iter().filter_map(|row| frame.number(row, height)).collect();
    let most = (wide(&heights).1 / 10.0).ceil().max(1.0) * 10.0;
    let ticks = vec![0.0, 0.25, 0.5, 0.75, 1.0, (BESIDE[0] + BESIDE[1]) / 2.0];
    let axes = [
        Scale { low: 0.0, high: BESIDE[1] + 0.02, ticks },
        Scale { low: 0.0, high: most, ticks: vec![0.0, most / 2.0, most] },
    ];
    let label = |value: f64| match value > 1.0 {
        true => INFINITE.to_owned(),
        false => decimal(value, 2),
    };
    let mut chart = plane(area, heading, axes, titles, &label)?;
    for (place, name) in frame.distinct(class).iter().enumerate() {
        let colour = series(place).ink();
        let own = rows.iter().filter(|row| frame.shown(row, class) == *name);
        let shapes = own.filter_map(|row| {
            let ends = [frame.number(row, from), frame.number(row, to)];
            let [left, right] = match ends {
                [Some(left), Some(right)] => [left, right],
                _ => BESIDE,
            };
            let height = frame.number(row, height).filter(|&height| height > 0.0)?;
            Some([(left, 0.0), (right, height)])
        });
        let shapes: Vec<_> = shapes.collect();
        let filled = shapes.iter().map(|&ends| Rectangle::new(ends, colour.mix(0.3).filled()));
        chart.draw_series(filled).map_err(words)?;
        let outlined = shapes.iter().map(|&ends| Rectangle::new(ends, colour.stroke_width(1)));
        chart.draw_series(outlined).map_err(words)?;
    }
    Ok(())
}

fn points(figure: &Figure, area: &Area<'_>, rows: &[&Row], [x, y, family]: [&str; 3]) -> Outcome {
    let frame = &figure.frame;
    let at = |row: &Row| Some((frame.number(row, x)?, frame.number(row, y)?));
    let places: Vec<(f64, f64)> = rows.iter().filter_map(|row| at(row)).collect();
    let ends = |values: Vec<f64>| {
        let (low, high) = wide(&values);
        let margin = 0.05 * (high - low);
        low - margin..high + margin
    };
    let across = ends(places.iter().map(|&(x, _)| x).collect());
    let down = ends(places.iter().map(|&(_, y)| y).collect());
    let mut chart =
        ChartBuilder::on(area).margin(8).build_cartesian_2d(across, down).map_err(words)?;
    let families = frame.distinct(family);
    let mut middles: Vec<((f64, f64), String)> = Vec::new();
    for (place, name) in families.iter().enumerate() {
        let own = rows.iter().filter(|row| frame.shown(row, family) == *name);
        let own: Vec<(f64, f64)> = own.filter_map(|row| at(row)).collect();
        let style = series(place).ink().filled();
        match place / 8 % 3 {
            0 => chart.draw_series(own.iter().map(|&p| Circle::new(p, 3, style))).map(drop),
            1 => chart.draw_series(own.iter().map(|&p| TriangleMarker::new(p, 4, style))).map(drop),
            _ => chart.draw_series(own.iter().map(|&p| Cross::new(p, 3, style))).map(drop),
        }
        .map_err(words)?;
        let n = own.len().max(1) as f64;
        let sum = own.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        middles.push(((sum.0 / n, sum.1 / n), shortened(name, 28)));
    }
    if families.len() <= MOST_NAMES {
        let style = text_style(SMALL - 1, INK.ink(), HPos::Center, VPos::Center);
        let names = middles.into_iter().map(|(at, name)| Text::new(name, at, style.clone()));
        chart.draw_series(names).map_err(words)?;
    }
    Ok(())
}

/// Height of a heat map with a row for each value of `down`.
pub(super) fn heat_height(figure: &Figure, down: &str) -> u32 {
    let rows = u32::try_from(figure.frame.distinct(down).len()).unwrap_or(1);
    let names = match figure.chart {
        Chart::Heat { across, .. } => figure.frame.distinct(across),
        _ => Vec::new(),
    };
    heads(figure, &names) + rows * CELL + 12
}

/// Pixels for the names of rows.
fn margin(figure: &Figure, down: &str) -> u32 {
    let longest = figure.frame.distinct(down).iter().map(|name| name.chars().count()).max();
    (u32::try_from(longest.unwrap_or(0)).unwrap_or(WIDTH) * LETTER + 20).clamp(60, 240)
}

/// Pixels for the names of columns: they stand upright where they don't fit across.
fn heads(figure: &Figure, names: &[String]) -> u32 {
    let Chart::Heat { down, .. } = figure.chart else { return 0 };
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let longest = u32::try_from(longest).unwrap_or(WIDTH) * LETTER;
    let cell = (WIDTH - 12 - margin(figure, down)) / u32::try_from(names.len().max(1)).unwrap_or(1);
    if longest <= cell { CELL } else { longest.min(180) + 10 }
}

fn heat_map(
    figure: &Figure,
    area: &Area<'_>,
    rows: &[&Row],
    [across, down, value]: [&'static str; 3],
) -> Outcome {
    let frame = &figure.frame;
    let (columns, lines) = (frame.distinct(across), frame.distinct(down));
    let (left, top) = (f64::from(margin(figure, down)), f64::from(heads(figure, &columns)));
    let width = (f64::from(WIDTH - 12) - left) / columns.len().max(1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "pixels of a picture 720 wide")]
    let pixel = |x: f64, y: f64| (x.round() as i32, y.round() as i32);
    let upright = top > f64::from(CELL);
    let style = text_style(SMALL, INK.ink(), HPos::Center, VPos::Center);
    for (place, name) in columns.iter().enumerate() {
        let x = left + width * (place as f64 + 0.5);
        let (at, style) = match upright {
            false => (pixel(x, top / 2.0), style.clone()),
            true => {
                let turned = style.transform(FontTransform::Rotate270);
                let start =
                    turned.pos(plotters::style::text_anchor::Pos::new(HPos::Left, VPos::Center));
                (pixel(x, top - 6.0), start)
            }
        };
        area.draw(&Text::new(shortened(name, 25), at, style)).map_err(words)?;
    }
    let right = text_style(SMALL, INK.ink(), HPos::Right, VPos::Center);
    for (place, name) in lines.iter().enumerate() {
        let at = pixel(left - 8.0, top + f64::from(CELL) * (place as f64 + 0.5));
        area.draw(&Text::new(shortened(name, 32), at, right.clone())).map_err(words)?;
    }
    for row in rows {
        let place = |names: &[String], key| {
            names.iter().position(|name| *name == frame.shown(row, key)).map(|at| at as f64)
        };
        let (Some(column), Some(line)) = (place(&columns, across), place(&lines, down)) else {
            continue;
        };
        let Some(percent) = frame.number(row, value) else { continue };
        let (ground, ink) = heat(percent);
        let (x, y) = (left + width * column, top + f64::from(CELL) * line);
        let ends = [pixel(x + 1.0, y + 1.0), pixel(x + width - 1.0, y + f64::from(CELL) - 1.0)];
        area.draw(&Rectangle::new(ends, ground.ink().filled())).map_err(words)?;
        let at = pixel(x + width / 2.0, y + f64::from(CELL) / 2.0);
        let style = text_style(SMALL, ink.ink(), HPos::Center, VPos::Center);
        area.draw(&Text::new(format!("{percent:.1}"), at, style)).map_err(words)?;
    }
    Ok(())
}

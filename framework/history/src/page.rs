//! A page of all series: one file, without scripts or network, for light and dark.

use bertillon_reports::plain;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::{
    coord::Shift,
    prelude::{
        ChartBuilder, Color as _, DrawingArea, IntoDrawingArea as _, LineSeries, PathElement,
        RGBColor, SVGBackend, TextStyle,
    },
};

use crate::Series;

/// Width and height of a chart, in pixels.
const SIZE: (u32, u32) = (560, 180);

/// Colours of the drawing, each with the style that takes its place on the page.
const COLOURS: [(RGBColor, &str); 4] = [
    (RGBColor(1, 1, 1), "var(--ink)"),
    (RGBColor(2, 2, 2), "var(--faint)"),
    (RGBColor(3, 3, 3), "var(--line)"),
    (RGBColor(4, 4, 4), "var(--doubt)"),
];
const INK: RGBColor = COLOURS[0].0;
const FAINT: RGBColor = COLOURS[1].0;
const LINE: RGBColor = COLOURS[2].0;
const DOUBT: RGBColor = COLOURS[3].0;

const STYLE: &str = "
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --faint: #d5d5d5; --line: #1f5fb4; --doubt: #9dbbe0; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181c; --ink: #e6e6e6; --faint: #3a3e45; --line: #7db2ff; --doubt: #3d5f8f; }
}
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2.5rem 0 0; } h3 { margin: 1.5rem 0 .2rem; font-size: 1rem; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .8rem .15rem 0; text-align: left; border-bottom: 1px solid var(--faint); }
td.figure, th.figure { text-align: right; }
";

/// The page; whatever comes from suites shows as it is written there.
pub fn page(all: &[Series]) -> String {
    let suites = all.chunk_by(|a, b| a.suite == b.suite);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Detection rates over time" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Detection rates over time" }
                p {
                    "True-positive rates at exactly the target false-positive rate. Bars are 95 % intervals clustered \
                     by family; whether two runs differ is asked of " code { "bertillon compare" } "."
                }
                @if all.is_empty() { p { "No runs yet." } }
                @for suite in suites {
                    h2 { (plain(&suite[0].suite)) }
                    @for series in suite { (one(series)) }
                }
            }
        }
    };
    page.into_string()
}

fn one(series: &Series) -> Markup {
    let kind = match series.kind.as_str() {
        "" => String::new(),
        kind => format!(", {kind}"),
    };
    let title = plain(&format!(
        "{}{kind}: {} queries, {} % false positives",
        series.fingerprint,
        series.budget,
        (series.alpha * 1e6).round() / 1e4
    ));
    let percent = |rate: f64| format!("{:.1}", 100.0 * rate);
    html! {
        h3 { (title) }
        // A drawing that fails leaves the table, which says the same.
        @if let Some(svg) = chart(series) { div role="img" aria-label=(title) { (PreEscaped(svg)) } }
        details {
            summary { (series.points.len()) " runs" }
            table {
                tr { th { "Date" } th { "Commit" } th .figure { "Rate, %" } th .figure { "95 % interval" } }
                @for point in series.points.iter().rev() {
                    tr {
                        td { (plain(&point.date)) }
                        td { (plain(point.commit.as_deref().unwrap_or_default())) }
                        td .figure { (percent(point.rate)) }
                        td .figure {
                            @if let Some([low, high]) = point.ci95 { (percent(low)) " to " (percent(high)) }
                        }
                    }
                }
            }
        }
    }
}

/// Rates over runs, as the text of an SVG whose colours are the page's.
fn chart(series: &Series) -> Option<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area, series).ok()?;
        area.present().ok()?;
    }
    for (colour, style) in COLOURS {
        let RGBColor(r, g, b) = colour;
        svg = svg.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &format!("\"{style}\""));
    }
    Some(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, series: &Series) -> Drawn {
    let percent = |rate: f64| 100.0 * rate;
    let bounds = series.points.iter().flat_map(|point| {
        let [low, high] = point.ci95.unwrap_or([point.rate; 2]);
        [low, high, point.rate]
    });
    let (low, high) = bounds
        .map(percent)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    // Five points at least, so that noise looks like noise.
    let low = ((low - 2.0) / 5.0).floor() * 5.0;
    let high = ((high + 2.0) / 5.0).ceil() * 5.0;
    let last = series.points.len().saturating_sub(1);
    let right = last.max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(40)
        .build_cartesian_2d(-0.02 * right..1.02 * right, low.max(0.0)..high.min(100.0))?;
    let text = TextStyle::from(("sans-serif", 12)).color(&INK);
    let label = |x: &f64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the position of a run, if it is whole"
        )]
        #[expect(clippy::cast_sign_loss, reason = "positions below zero are none")]
        let place = (x.fract() == 0.0 && *x >= 0.0).then_some(*x as usize);
        let point = place.and_then(|place| series.points.get(place));
        point.map(|point| plain(&point.label())).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(FAINT.mix(0.0))
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .label_style(text)
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let at = |place: usize| place as f64;
    chart.draw_series(series.points.iter().enumerate().filter_map(|(place, point)| {
        let [low, high] = point.ci95?;
        let bar = vec![(at(place), percent(low)), (at(place), percent(high))];
        Some(PathElement::new(bar, DOUBT.stroke_width(3)))
    }))?;
    let line = || series.points.iter().enumerate().map(|(i, p)| (at(i), percent(p.rate)));
    chart.draw_series(LineSeries::new(line(), LINE.stroke_width(2)).point_size(3))?;
    Ok(())
}

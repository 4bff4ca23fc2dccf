//! A figure as a Vega-Lite specification, whose data are the rows of the figure's table.
//!
//! Names from a suite enter as values (domains, data), never as the name of a field or as an expression.

use serde_json::{Map, Value as Json, json};

use super::{
    Axis, Chart, Figure,
    distances::INFINITE,
    palette::{self, HEAT, HEAT_INK_HIGH, HEAT_INK_LOW, MUTED, dashes},
};

/// More families than this have no room for their names.
const MOST_NAMES: usize = 40;

/// The specification and the choices of a figure.
pub(crate) fn page_data(figure: &Figure) -> Json {
    let choices = figure.choices.iter().map(|choice| {
        json!({
            "key": choice.key,
            "label": choice.label,
            "prefix": choice.prefix,
            "initial": choice.initial,
        })
    });
    json!({ "choices": choices.collect::<Vec<_>>(), "spec": specification(figure) })
}

fn specification(figure: &Figure) -> Json {
    let mut spec = match &figure.chart {
        Chart::Lines { x, y, series, band, mark } => lines(figure, [x, y], series, *band, *mark),
        Chart::Heat { across, down, value } => heat(figure, across, down, value),
        Chart::Bars { from, to, x_title, y, series } => {
            bars(figure, [from, to], x_title, y, series)
        }
        Chart::Points { x, y, family, said } => points(figure, [x, y], family, said),
    };
    spec.insert("width".to_owned(), json!("container"));
    spec.insert("description".to_owned(), json!(figure.description));
    Json::Object(spec)
}

/// Colours of a series, in the order of the frame.
fn colours(figure: &Figure, series: &str) -> Json {
    let names = figure.frame.distinct(series);
    let range: Vec<String> = (0..names.len()).map(|at| palette::series(at).variable()).collect();
    json!({ "domain": names, "range": range })
}

/// What appears at the pointer: these columns, or all.
fn tooltip(figure: &Figure, keys: Option<&[&str]>) -> Json {
    let columns = figure.frame.columns.iter();
    let shown = columns.filter(|column| keys.is_none_or(|keys| keys.contains(&column.key)));
    let entry = |column: &super::Column| {
        let number = column.decimals.is_some() && column.key != "from" && column.key != "to";
        let mut entry = json!({
            "field": column.key,
            "title": column.title,
            "type": if number { "quantitative" } else { "nominal" },
        });
        if number {
            entry["format"] = json!(",~r");
            if let Some(decimals) = column.decimals {
                entry["format"] = json!(format!(",.{decimals}~f"));
            }
        }
        entry
    };
    shown.map(entry).collect()
}

/// The legend of a series; channels that share a series must agree on it.
fn legend() -> Json {
    json!({ "title": null, "symbolType": "circle", "symbolOpacity": 1, "symbolStrokeWidth": 0 })
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}

/// An axis of numbers.
fn quantity(axis: &Axis, domain: Option<[f64; 2]>) -> Json {
    let mut scale = json!({ "type": if axis.is_log { "log" } else { "linear" }, "nice": false });
    match domain {
        Some(domain) => scale["domain"] = json!(domain),
        None if axis.is_log => {}
        None => scale["zero"] = json!(false),
    }
    let mut drawn = json!({ "title": axis.title, "tickCount": 6 });
    if !axis.ticks.is_empty() {
        drawn["values"] = json!(axis.ticks);
        drawn["format"] = json!(",.4~f");
    }
    json!({ "field": axis.key, "type": "quantitative", "scale": scale, "axis": drawn })
}

fn lines(
    figure: &Figure,
    [x, y]: [&Axis; 2],
    series: &str,
    band: Option<[&str; 2]>,
    mark: Option<f64>,
) -> Map<String, Json> {
    let names = figure.frame.distinct(series);
    let strokes: Vec<[u32; 2]> = (0..names.len()).map(dashes).collect();
    let faded = |opacity: f64| json!({ "condition": { "param": "shown", "value": opacity }, "value": 0.06 });
    let (across, height) = (quantity(x, None), quantity(y, Some([0.0, 100.0])));
    let colour = json!({
        "field": series, "type": "nominal", "scale": colours(figure, series), "legend": legend(),
    });
    let mut layers = Vec::new();
    if let Some([low, high]) = band {
        layers.push(json!({
            "mark": { "type": "area" },
            "encoding": {
                "x": across,
                "y": { "field": low, "type": "quantitative" },
                "y2": { "field": high },
                "color": colour,
                "opacity": faded(0.14),
            },
        }));
    }
    if let Some(mark) = mark {
        layers.push(json!({
            "data": { "values": [{}] },
            "mark": { "type": "rule", "strokeDash": [4, 4], "color": MUTED.variable() },
            "encoding": { "x": { "datum": mark } },
        }));
    }
    layers.push(json!({
        "mark": { "type": "line", "strokeWidth": 2 },
        "encoding": {
            "x": across,
            "y": height,
            "color": colour,
            "opacity": faded(1.0),
            "strokeDash": {
                "field": series, "type": "nominal", "legend": legend(),
                "scale": { "domain": names, "range": strokes },
            },
        },
    }));
    layers.push(json!({
        "params": [{
            "name": "shown",
            "select": { "type": "point", "fields": [series] },
            "bind": "legend",
        }],
        "mark": { "type": "point", "filled": true, "size": if x.is_log && band.is_none() { 20 } else { 45 } },
        "encoding": {
            "x": across,
            "y": height,
            "color": colour,
            "opacity": faded(1.0),
            "tooltip": tooltip(figure, None),
        },
    }));
    let mut spec = json!({ "height": 320, "layer": layers });
    if x.is_log {
        // Names of columns are ours, never a suite's.
        spec["transform"] = json!([{ "filter": { "field": x.key, "gt": 0 } }]);
    }
    object(spec)
}

fn heat(figure: &Figure, across: &str, down: &str, value: &str) -> Map<String, Json> {
    let range: Vec<String> = HEAT.iter().map(|colour| colour.variable()).collect();
    let place = |key: &str, axis: Json| json!({ "field": key, "type": "nominal", "sort": null, "axis": axis });
    object(json!({
        "height": 26 * figure.frame.distinct(down).len(),
        "encoding": {
            "x": place(across, json!({ "title": null, "orient": "top", "labelLimit": 180 })),
            "y": place(down, json!({ "title": null, "labelLimit": 170 })),
        },
        "layer": [
            {
                "mark": { "type": "rect", "stroke": "var(--paper)", "strokeWidth": 2 },
                "encoding": {
                    "color": {
                        "field": value, "type": "quantitative", "legend": null,
                        "scale": { "type": "quantize", "domain": [0, 100], "range": range },
                    },
                    "tooltip": tooltip(figure, None),
                },
            },
            {
                "mark": { "type": "text", "tooltip": false },
                "encoding": {
                    "text": { "field": value, "type": "quantitative", "format": ".0f" },
                    "color": {
                        "condition": { "test": { "field": value, "lt": 50 }, "value": HEAT_INK_LOW.variable() },
                        "value": HEAT_INK_HIGH.variable(),
                    },
                },
            },
        ],
    }))
}

fn bars(
    figure: &Figure,
    [from, to]: [&str; 2],
    x_title: &str,
    y: &Axis,
    series: &str,
) -> Map<String, Json> {
    object(json!({
        "height": 300,
        // What lies at infinity is drawn beside the unit interval.
        "transform": [
            { "calculate": format!("isNumber(datum.{from}) ? datum.{from} : 1.07"), "as": "left" },
            { "calculate": format!("isNumber(datum.{to}) ? datum.{to} : 1.12"), "as": "right" },
        ],
        "mark": { "type": "bar", "fillOpacity": 0.35, "strokeWidth": 1 },
        "encoding": {
            "x": {
                "field": "left", "type": "quantitative",
                "scale": { "domain": [0, 1.14], "nice": false },
                "axis": {
                    "title": x_title, "values": [0, 0.2, 0.4, 0.6, 0.8, 1, 1.095],
                    "labelExpr": format!("datum.value > 1 ? '{INFINITE}' : datum.label"), "format": ".1f",
                },
            },
            "x2": { "field": "right" },
            "y": { "field": y.key, "type": "quantitative", "stack": null, "axis": { "title": y.title, "tickCount": 5 } },
            "y2": { "datum": 0 },
            "color": {
                "field": series, "type": "nominal", "scale": colours(figure, series), "legend": legend(),
            },
            "stroke": {
                "field": series, "type": "nominal", "scale": colours(figure, series), "legend": legend(),
            },
            "tooltip": tooltip(figure, None),
        },
    }))
}

fn points(figure: &Figure, [x, y]: [&str; 2], family: &str, said: &[&str]) -> Map<String, Json> {
    let families = figure.frame.distinct(family);
    let shapes: Vec<&str> = (0..families.len())
        .map(|place| ["circle", "triangle-up", "cross"][place / 8 % 3])
        .collect();
    // Ends that stay where they are when some points are hidden, or another map is chosen.
    let place = |key: &str| json!({ "field": key, "type": "quantitative", "axis": null, "scale": { "zero": false } });
    let mut layers = vec![json!({
        "mark": { "type": "point", "filled": true, "size": 36, "opacity": 0.85 },
        "encoding": {
            "x": place(x), "y": place(y),
            "shape": {
                "field": family, "type": "nominal", "legend": null,
                "scale": { "domain": families, "range": shapes },
            },
            "color": { "field": family, "type": "nominal", "legend": null, "scale": colours(figure, family) },
            "tooltip": tooltip(figure, Some(said)),
        },
    })];
    if families.len() <= MOST_NAMES {
        let mean = |key: &str| json!({ "field": key, "type": "quantitative", "aggregate": "mean" });
        // Twice: what lies below is a rim in the colour of the ground.
        for rim in [json!({ "stroke": "var(--paper)", "strokeWidth": 3 }), json!({})] {
            let mut mark =
                object(json!({ "type": "text", "fontSize": 11, "tooltip": false, "limit": 150 }));
            mark.extend(object(rim));
            layers.push(json!({
                "mark": mark,
                "encoding": {
                    "x": mean(x), "y": mean(y),
                    "text": { "field": family, "type": "nominal" },
                    "detail": { "field": family, "type": "nominal" },
                },
            }));
        }
    }
    object(json!({ "height": 520, "layer": layers }))
}

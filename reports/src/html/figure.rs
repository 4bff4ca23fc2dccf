//! A figure in the page: static drawing, place for the live one, data.

use bertillon_measure::results::Results;
use maud::{Markup, PreEscaped, html};

use super::said;
use crate::{
    figures::{Figure, FigureName, palette, vega},
    text::plural,
};

/// The figure of this name; nothing where the results don't hold it.
pub(super) fn figure(results: &Results, name: FigureName) -> Markup {
    let Some(figure) = Figure::new(results, name) else {
        return html! {};
    };
    let drawing = figure.svg();
    let id = format!("figure-{}", name.name());
    html! {
        figure id=(id) {
            h3 { (said(&figure.title)) }
            div .choices hidden {}
            div .live hidden {}
            div .scroll .static role="region" tabindex="0" aria-label=(said(&figure.title)) {
                @match drawing {
                    Ok(svg) => { div role="img" aria-label=(said(&figure.description)) {
                        (PreEscaped(palette::with_variables(&svg)))
                    } },
                    Err(error) => { p .remark { (error) } },
                }
            }
            figcaption { (said(&figure.caption)) }
            (data(&figure))
            script type="application/json" { (PreEscaped(for_script(&vega::page_data(&figure).to_string()))) }
        }
    }
}

/// The figure's data: the table that its readers see and its chart is drawn from.
fn data(figure: &Figure) -> Markup {
    let frame = &figure.frame;
    html! {
        details .data {
            summary { "Data of this figure (" (plural(frame.rows.len(), "row", "rows")) ")" }
            div .scroll role="region" tabindex="0" aria-label={ "Data: " (said(&figure.title)) } {
                table {
                    caption .hidden { "Data: " (said(&figure.title)) }
                    thead {
                        tr {
                            @for column in &frame.columns {
                                th scope="col" data-key=(column.key) data-number[column.decimals.is_some()] .n[column.decimals.is_some()] {
                                    (column.title)
                                }
                            }
                        }
                    }
                    tbody { @for row in &frame.rows { tr { @for text in frame.texts(row) { td { (text) } } } } }
                }
            }
        }
    }
}

/// JSON that can't end the script that holds it.
fn for_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_script_that_holds_it_and_none_is_changed() {
        let text = "</script><!--<script>\u{2028}\u{2029}&amp;\"\\";
        let json = serde_json::json!({ "name": text }).to_string();
        let held = for_script(&json);
        assert!(!held.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{held}");
        let read: serde_json::Value = serde_json::from_str(&held).unwrap();
        assert_eq!(read["name"], text);
    }
}

//! A report as one HTML file that opens from the disk: no network, readable without JavaScript.
//!
//! Markup is written by `maud`, which escapes whatever is put into it (askama would do as well, with files of its own;
//! here most of the page is tables). Each figure stands in the page as static SVG, its data below as a table; where
//! JavaScript runs, Vega-Lite draws it anew from that table (see [`crate::figures`]). The page's content policy allows
//! its own two scripts by their digests and nothing else: no request, no generated code, no script that a suite's
//! names could smuggle in.

mod answer;
mod figure;
mod origin;
mod population;
mod table;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bertillon_measure::{Provenance, results::Results};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use crate::{
    document::Document,
    figures::{FigureName, palette},
    groups, published,
    table::{both_protocols, by_variation, overall, strict},
    tasks,
};

const STYLE: &str = include_str!("html/report.css");
const SCRIPT: &str = include_str!("html/report.js");
const CHARTS: &str = include_str!("../vendor/charts/charts.min.js");

/// A part of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    content: Markup,
}

/// The report of a run as an HTML document, with what is known of how it was made.
///
/// Whatever comes from a suite or a plugin shows as it is written there.
pub fn html(results: &Results, provenance: Option<&Provenance>) -> String {
    let document = Document::new(results);
    let sections = sections(results, provenance, &document);
    let policy = format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; \
         script-src '{}' '{}'",
        digest(CHARTS),
        digest(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("bertillon ", env!("CARGO_PKG_VERSION")));
                title { (said(&document.title)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(palette::css())) (PreEscaped(STYLE)) }
            }
            body {
                a .skip href="#main" { "Skip to the results" }
                header {
                    p .brand { "bertillon" }
                    h1 { (said(&document.title)) }
                    div #answer .answer { (answer::answer(results)) }
                    dl .facts {
                        @for (name, value) in &document.facts {
                            div { dt { (name) } dd { (said(value)) } }
                        }
                    }
                    div #controls hidden {}
                }
                nav aria-label="Contents" {
                    ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                }
                main #main tabindex="-1" {
                    @for section in &sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            (section.content)
                        }
                    }
                }
                footer { p { "Made by bertillon " (env!("CARGO_PKG_VERSION")) " from results.json. Charts: Vega-Lite." } }
                script { (PreEscaped(CHARTS)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Text of a suite without what reorders or hides letters; `maud` does the rest.
fn said(text: &str) -> String {
    crate::plain(text)
}

/// A script's digest as content policies name it.
fn digest(script: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(script)))
}

/// The sections that have something to say.
fn sections(
    results: &Results,
    provenance: Option<&Provenance>,
    document: &Document,
) -> Vec<Section> {
    let draw = |name| figure::figure(results, name);
    let shown = |table: &crate::table::Table| match table.rows.is_empty() {
        true => PreEscaped(String::new()),
        false => table::table(table),
    };
    let legend = html! { p .legend {
        "How to read: " b { "bold" } " " (document.legend.best) " "
        @if let Some(tied) = &document.legend.tied { "≈ " (tied) " " }
        (document.legend.rates) " " (document.legend.rest)
    } };
    let detects = !results.fingerprints.is_empty();
    let section = |id, title, content: Markup| Section { id, title, content };
    let mut sections = Vec::new();
    if detects {
        sections.push(section(
            "overall",
            "Over all variants",
            html! {
                (shown(&overall(results))) (legend) (draw(FigureName::Budget))
            },
        ));
        sections.push(section("variants", "By kind of variant", html! {
            (draw(FigureName::Heatmap)) (shown(&by_variation(results))) (draw(FigureName::Strength))
        }));
        sections.push(section(
            "groups",
            "What was new to the owners, and differences to baselines",
            html! {
                @if let Some(groups) = groups::by_group(results) { (shown(&groups)) }
                @for against in groups::against(results) { (shown(&against)) }
            },
        ));
        sections.push(section(
            "errors",
            "Against false positives",
            html! {
                (draw(FigureName::Roc))
                @if let Some(both) = both_protocols(results) { (shown(&both)) }
                (shown(&strict(results)))
            },
        ));
    }
    let tasks = tasks::identification(results).into_iter().chain(tasks::sequential(results));
    sections.push(section(
        "tasks",
        "Identification and sequential tests",
        html! {
            @for table in tasks { (shown(&table)) }
        },
    ));
    sections.push(section(
        "published",
        "Beside published rates",
        html! {
            @for table in published::published(results) { (shown(&table)) }
        },
    ));
    sections.push(section(
        "distances",
        "Distances between models",
        html! {
            (draw(FigureName::Tsne)) (draw(FigureName::Histogram))
        },
    ));
    sections.push(section("costs", "What it costs", origin::costs(results, provenance)));
    sections.push(section("population", "Population", population::population(results)));
    sections.push(section(
        "remarks",
        "Warnings, failures and notes",
        table::lists(&document.lists),
    ));
    sections.push(section("provenance", "Provenance", origin::provenance(results, provenance)));
    sections.retain(|section| !section.content.0.is_empty());
    sections
}

#[cfg(test)]
mod tests;

//! Tables and lists as markup.

use maud::{Markup, html};

use super::said;
use crate::{
    document::List,
    table::{Cell, Detail, Table},
};

/// A table that scripts make sortable, in a box of its own that scrolls where it is too wide.
pub(super) fn table(table: &Table) -> Markup {
    let words =
        |column: usize| table.rows.iter().any(|row| matches!(row.get(column), Some(Cell::Text(_))));
    html! {
        div .scroll role="region" tabindex="0" aria-label=(said(&table.title)) {
            table .sortable {
                caption { span { (said(&table.title)) } }
                thead {
                    tr {
                        @for (column, head) in table.head.iter().enumerate() {
                            th scope="col" .n[!words(column)] { span .name { (said(head)) } }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        tr { @for (column, cell) in row.iter().enumerate() { (one(cell, column == 0)) } }
                    }
                }
            }
        }
        @for remark in &table.remarks { p .remark { (said(remark)) } }
    }
}

fn one(cell: &Cell, is_label: bool) -> Markup {
    match cell {
        Cell::Text(text) if is_label => html! { th scope="row" { span .name { (said(text)) } } },
        Cell::Text(text) => html! { td { (said(text)) } },
        Cell::Figure(text) => html! { td .n { (said(text)) } },
        Cell::Rate(rate) => {
            let mean = rate.figures(Detail::Mean);
            let full = rate.figures(Detail::Full);
            let doubt = full.strip_prefix(&mean).unwrap_or_default().to_owned();
            html! {
                td .n .best[rate.best] {
                    span .mean { (mean) @if rate.best { span .hidden { " (best)" } } }
                    @if rate.tied { span .tied title="can't be told apart from the best" { "≈" } }
                    (said(&rate.marks))
                    @if !doubt.is_empty() { " " span .doubt { (doubt.trim()) } }
                }
            }
        }
    }
}

/// Lists under headings of their own; long ones folded.
pub(super) fn lists(lists: &[List]) -> Markup {
    html! {
        @for list in lists {
            @if list.items.len() > 12 {
                details { summary { (list.title) " (" (list.items.len()) ")" } (items(list)) }
            } @else {
                h3 { (list.title) }
                (items(list))
            }
        }
    }
}

fn items(list: &List) -> Markup {
    html! {
        ul {
            @for (name, text) in &list.items {
                li { @if !name.is_empty() { b { (said(name)) } ": " } (said(text)) }
            }
        }
    }
}

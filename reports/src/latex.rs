//! Reports as LaTeX: a document that pdflatex compiles as it is, and tables to copy.

mod escape;

use bertillon_measure::results::Results;

use self::escape::{escaped, head};
use crate::{
    document::Document,
    table::{Cell, RateCell, Table},
    text::width,
};

/// Characters side by side on an upright page (a tenth beyond what fits, which is shrunk), and on one turned by a quarter.
const UPRIGHT: usize = 130;
const TURNED: usize = 172;

/// Lines of a table that fit on each.
const LINES: usize = 48;
const LINES_TURNED: usize = 30;

/// Words longer than this are set in a column that breaks lines.
const LONG: usize = 34;

/// What the tables need. Fonts of the T1 encoding only where they are there as outlines.
const PREAMBLE: &str = r"\documentclass[10pt]{article}
\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}
\usepackage[a4paper,margin=18mm]{geometry}
\usepackage{array,booktabs,caption,adjustbox,pdflscape}
\setlength{\parindent}{0pt}
\setlength{\parskip}{4pt}
\captionsetup{labelfont=bf,skip=4pt}
\pagestyle{plain}
\begin{document}
\sloppy
";

/// The report as a LaTeX document, in ASCII; characters that fonts of pdflatex lack show as `U+05D0`.
///
/// Each table lies between two comments, `bertillon: table 1` and `bertillon: end of table 1`, ready to be copied into a
/// paper that loads `array`, `booktabs`, `caption` and `adjustbox` (and `pdflscape` for a turned one). The best is bold,
/// what can't be told apart from it underlined, intervals stand below the rates. Tables too wide for a page are turned,
/// then come in parts.
pub fn latex(results: &Results) -> String {
    let document = Document::new(results);
    let mut out = format!("% {}\n", comment(&document.title));
    out.push_str(PREAMBLE);
    out.push_str(&format!("\\section*{{{}}}\n", escaped(&document.title)));
    out.push_str("\\begin{tabular}{@{}l>{\\raggedright\\arraybackslash}p{0.82\\linewidth}@{}}\n");
    for (name, value) in &document.facts {
        out.push_str(&format!("{} & {} \\\\\n", escaped(name), escaped(value)));
    }
    out.push_str("\\end{tabular}\n\n");
    let mut number = 0;
    for table in &document.tables {
        push_table(table, &mut number, &mut out);
    }
    let legend = &document.legend;
    out.push_str("\\paragraph{How to read.} \\textbf{Bold}: ");
    out.push_str(&escaped(&legend.best));
    if let Some(tied) = &legend.tied {
        out.push_str(&format!(" \\underline{{Underlined}}: {}", escaped(tied)));
    }
    out.push_str(&format!(" {} {}\n", escaped(&legend.rates), escaped(&legend.rest)));
    for list in &document.lists {
        out.push_str(&format!("\n\\subsection*{{{}}}\n", escaped(list.title)));
        out.push_str("\\begin{itemize}\n\\setlength{\\itemsep}{0pt}\\setlength{\\parskip}{1pt}\n");
        for (name, said) in &list.items {
            let item = if name.is_empty() { said.clone() } else { format!("{name}: {said}") };
            out.push_str(&format!("\\item {{}}{}\n", escaped(&item)));
        }
        out.push_str("\\end{itemize}\n");
    }
    out.push_str("\\end{document}\n");
    out
}

/// Text after a `%`: one line of ASCII.
fn comment(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' });
    shown.collect()
}

/// Some rows and columns of a table, on one page.
struct Part<'a> {
    table: &'a Table,
    columns: &'a [usize],
    rows: &'a [Vec<Cell>],
    continued: bool,
}

fn push_table(table: &Table, number: &mut usize, out: &mut String) {
    let all: Vec<usize> = (0..table.head.len()).collect();
    let turned = needed(table, &all) > UPRIGHT;
    let lines = if turned { LINES_TURNED } else { LINES };
    let mut continued = false;
    for columns in columns(table, if turned { TURNED } else { UPRIGHT }) {
        let has_intervals = table.rows.iter().any(|row| has_interval(row, &columns));
        let rows = if has_intervals { lines / 2 } else { lines };
        for rows in table.rows.chunks(rows) {
            *number += 1;
            let part = Part { table, columns: &columns, rows, continued };
            out.push_str(&format!("% bertillon: table {number}\n"));
            part.push(turned, *number, out);
            out.push_str(&format!("% bertillon: end of table {number}\n\n"));
            continued = true;
        }
    }
    for remark in &table.remarks {
        out.push_str(&format!("{}\n\n", escaped(remark)));
    }
}

/// The columns of each part: as many as fit, the leading ones repeated.
fn columns(table: &Table, room: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..table.head.len()).collect();
    let (labels, values) = all.split_at(table.labels);
    let mut parts = vec![labels.to_vec()];
    for &column in values {
        let last = parts.last_mut().expect("one part at least");
        let longer = [last, &[column][..]].concat();
        match last.len() > labels.len() && needed(table, &longer) > room {
            true => parts.push([labels, &[column]].concat()),
            false => *last = longer,
        }
    }
    parts
}

/// Characters side by side.
fn needed(table: &Table, columns: &[usize]) -> usize {
    let of_column = |&column: &usize| {
        let head = head(&table.head[column]).iter().map(|line| width(line)).max();
        let cells = table.rows.iter().map(|row| match &row[column] {
            Cell::Text(text) => width(text).min(LONG),
            Cell::Figure(text) => width(text),
            Cell::Rate(rate) => {
                let deviation = rate.sd.as_ref().map_or(0, |sd| sd.len() + 3);
                let interval = rate.interval.as_ref().map_or(0, |interval| interval.len() * 3 / 4);
                (rate.mean.len() + deviation + width(&rate.marks)).max(interval)
            }
        });
        cells.chain(head).max().unwrap_or(0) + 2
    };
    columns.iter().map(of_column).sum()
}

fn has_interval(row: &[Cell], columns: &[usize]) -> bool {
    let shows = |&column: &usize| matches!(&row[column], Cell::Rate(r) if r.interval.is_some());
    columns.iter().any(shows)
}

impl Part<'_> {
    fn push(&self, turned: bool, number: usize, out: &mut String) {
        if turned {
            out.push_str("\\begin{landscape}\n");
        }
        out.push_str("\\begin{center}\\begin{minipage}{\\linewidth}\\centering\n");
        let more = if self.continued { " (continued)" } else { "" };
        let title = escaped(&self.table.title);
        out.push_str(&format!(
            "\\captionof{{table}}{{{title}{more}}}\\label{{tab:bertillon-{number}}}\n\\footnotesize\n"
        ));
        out.push_str("\\begin{adjustbox}{max width=\\linewidth}\n\\begin{tabular}{@{}");
        self.columns.iter().for_each(|&column| out.push_str(self.alignment(column)));
        out.push_str("@{}}\n\\toprule\n");
        let heads = self.columns.iter().map(|&column| self.head(column)).collect();
        push_line(heads, "", out);
        out.push_str("\\midrule\n");
        for row in self.rows {
            let has_interval = has_interval(row, self.columns);
            let cells = self.columns.iter().map(|&column| cell(&row[column])).collect();
            push_line(cells, if has_interval { "[-1pt]" } else { "" }, out);
            if has_interval {
                let cells = self.columns.iter().map(|&column| interval(&row[column])).collect();
                push_line(cells, "[2pt]", out);
            }
        }
        out.push_str(
            "\\bottomrule\n\\end{tabular}\n\\end{adjustbox}\n\\end{minipage}\\end{center}\n",
        );
        if turned {
            out.push_str("\\end{landscape}\n");
        }
    }

    fn words(&self, column: usize) -> bool {
        self.table.rows.iter().any(|row| matches!(row[column], Cell::Text(_)))
    }

    fn alignment(&self, column: usize) -> &'static str {
        let long = |row: &Vec<Cell>| matches!(&row[column], Cell::Text(text) if width(text) > LONG);
        match self.words(column) {
            false => "r",
            true if self.table.rows.iter().any(long) => ">{\\raggedright\\arraybackslash}p{46mm}",
            true => "l",
        }
    }

    fn head(&self, column: usize) -> String {
        let side = if self.words(column) { "l" } else { "r" };
        let lines: Vec<String> =
            head(&self.table.head[column]).iter().map(|line| escaped(line)).collect();
        match &lines[..] {
            [one] => one.clone(),
            several => format!("\\shortstack[{side}]{{{}}}", several.join("\\\\")),
        }
    }
}

fn push_line(cells: Vec<String>, gap: &str, out: &mut String) {
    out.push_str(&cells.join(" & "));
    out.push_str(&format!(" \\\\{gap}\n"));
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escaped(text),
        // A minus as long as the plus of the figures beside it.
        Cell::Figure(text) => escaped(&text.replace('-', "−")),
        Cell::Rate(rate) => {
            let mean = match (rate.best, rate.tied) {
                (true, _) => format!("\\textbf{{{}}}", rate.mean),
                (false, true) => format!("\\underline{{{}}}", rate.mean),
                (false, false) => rate.mean.clone(),
            };
            let sd = rate.sd.as_ref().map_or_else(String::new, |sd| format!(" $\\pm$ {sd}"));
            format!("{mean}{sd}{}", marks(rate))
        }
    }
}

fn interval(cell: &Cell) -> String {
    match cell {
        Cell::Rate(RateCell { interval: Some(interval), .. }) => {
            format!("{{\\scriptsize {interval}}}")
        }
        _ => String::new(),
    }
}

fn marks(rate: &RateCell) -> String {
    match rate.marks.is_empty() {
        true => String::new(),
        false => format!("{{\\scriptsize{{}}{}}}", escaped(&rate.marks)),
    }
}

#[cfg(test)]
mod tests;

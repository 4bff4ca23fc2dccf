use std::{fs, process::Command};

use super::*;
use crate::fixture;

/// What pdflatex says of a document, and whether it made one; none where there is no pdflatex.
fn compiled(document: &str) -> Option<Result<String, String>> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("report.tex"), document).unwrap();
    let ran = Command::new("pdflatex")
        .args(["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"])
        .current_dir(folder.path())
        .output();
    let pdf = folder.path().join("report.pdf").is_file();
    let Ok(output) = ran else {
        println!("skipped: no pdflatex");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(if output.status.success() && pdf { Ok(said) } else { Err(said) })
}

/// How far the widest line stands out, in points.
fn overfull(said: &str) -> f64 {
    let boxes = said.split("Overfull \\hbox (").skip(1);
    let points = boxes.filter_map(|rest| rest.split("pt").next()?.parse::<f64>().ok());
    points.fold(0.0, f64::max)
}

fn compiles(results: &Results) {
    match compiled(&latex(results)) {
        Some(Err(said)) => panic!("{said}"),
        Some(Ok(said)) => assert!(overfull(&said) < 5.0, "{said}"),
        None => {}
    }
}

#[test]
fn a_report_reads_as_its_snapshot() {
    insta::assert_snapshot!("latex", latex(&fixture::results()));
}

#[test]
fn pdflatex_compiles_it_as_it_is() {
    compiles(&fixture::results());
}

#[test]
fn pdflatex_compiles_hostile_names() {
    compiles(&fixture::hostile());
}

#[test]
fn pdflatex_compiles_tables_wider_and_longer_than_a_page() {
    compiles(&fixture::large(24, 150));
}

#[test]
fn the_marks_tell_best_from_equal() {
    let text = latex(&fixture::results());
    assert!(text.contains("\\textbf{96.8} $\\pm$ 0.6 "), "{text}");
    assert!(text.contains("\\underline{95.7} $\\pm$ 0.6 "), "{text}");
    assert!(text.contains("{\\scriptsize [94.0, 98.3]}"));
}

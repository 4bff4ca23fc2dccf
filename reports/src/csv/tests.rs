use std::collections::BTreeMap;

use super::*;
use crate::fixture;

fn records(results: &Results) -> Vec<BTreeMap<String, String>> {
    let text = csv(results);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn each_figure_has_a_row_with_its_doubt() {
    let records = records(&fixture::results());
    let find = |table: &str, fingerprint: &str, budget: &str, kind: &str, statistic: &str| {
        let wanted = [table, fingerprint, budget, kind, statistic];
        let columns = ["table", "fingerprint", "budget", "kind", "statistic"];
        let found: Vec<_> = records
            .iter()
            .filter(|row| columns.iter().zip(wanted).all(|(column, value)| row[*column] == value))
            .collect();
        found
    };
    let found = find("overall", "Entropy", "100", "", "tpr_randomised");
    assert_eq!(found.len(), 2, "by the suite's protocol and by the one beside it");
    let [own, beside] = [found[0], found[1]];
    assert_eq!([&own["protocol"], &own["mean"], &own["sd"]], ["pooled", "0.912", "0.006"]);
    assert_eq!([&own["ci_low"], &own["ci_high"], &own["draws"]], ["0.895", "0.938", "10"]);
    assert_eq!([&own["positives"], &own["negatives"]], ["478.0", "13541.0"], "those of all kinds");
    assert_eq!(
        [&own["best"], &own["difference"], &own["tied_with_best"]],
        ["Entropy", "0.0", "true"]
    );
    assert_eq!([&beside["protocol"], &beside["mean"]], ["leave-one-family-out", "0.907"]);
    assert_eq!(beside["tied_with_best"], "");
    let kinds = find("variation", "FBI 30/70", "100", "prune", "tpr");
    let parameters: Vec<&str> = kinds.iter().map(|row| row["parameter"].as_str()).collect();
    assert_eq!(parameters, ["", "0.2"]);
    assert_eq!([&kinds[1]["detail"], &kinds[1]["positives"]], ["conv", "110.0"]);
}

#[test]
fn lines_end_as_in_rfc_4180_and_names_with_breaks_are_quoted() {
    let text = csv(&fixture::results());
    assert!(text.starts_with("suite,seed,task,table,fingerprint,method,"));
    assert!(text.ends_with("\r\n"));
    let name = &fixture::results().fingerprints[2].name;
    let found = records(&fixture::results());
    assert!(name.contains('\n') && found.iter().any(|row| row["fingerprint"].contains('\n')));
}

#[test]
fn no_cell_is_a_formula_or_an_escape_sequence() {
    for (text, expected) in [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("-0.5", "-0.5"),
        ("+inf", "'+inf"),
        ("a=b", "a=b"),
        ("a\nb", "a\nb"),
        ("\u{1b}[2J", "\\u{1b}[2J"),
        ("a\u{202e}b\0", "a\\u{202e}b\\u{0}"),
    ] {
        assert_eq!(spreadsheet_text(text), expected, "{text:?}");
    }
}

#[test]
fn pandas_and_pythons_own_reader_see_what_was_written() {
    let mut results = fixture::results();
    results.fingerprints[0].name = "=HYPERLINK(\"http://a\")\t\"x\",\n".to_owned();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("report.csv"), csv(&results)).unwrap();
    std::fs::write(folder.path().join("results.json"), crate::json(&results)).unwrap();
    fixture::check_with_pandas("read_csv.py", folder.path());
}

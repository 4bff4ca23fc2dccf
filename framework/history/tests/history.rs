//! Histories in files: several writers, bad files, and what is shown.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::{fs, path::Path, time::Duration};

use bertillon_history::{Added, HistoryError, Run, Store, Wanted, csv, page, series};
use bertillon_measure::results::Results;

const WAIT: Duration = Duration::from_secs(20);

/// Results of one fingerprint with this rate over all and of one kind.
fn results(name: &str, seed: u64, rate: f64) -> Results {
    let rate = format!(r#"{{"mean": {rate}, "sd": 0.01, "ci95": [{rate}, {rate}]}}"#);
    let name = serde_json::to_string(name).unwrap();
    serde_json::from_str(&format!(
        r#"{{"schema": 1, "suite": "s", "seed": {seed}, "evaluation": {{"task": "detection", "protocol": "pooled",
        "negatives": "all", "false_positive_rate": 0.05, "max_accuracy_drop": 0.15, "primary_budget": 10,
        "draws": 1, "pool": 5}}, "population": {{"vanillas": 1, "variants": 1, "kept": 1, "positives": 1,
        "negatives": 1, "models": []}}, "fingerprints": [{{"name": {name}, "method": "fbi", "parameters": "",
        "access": "top1", "knowledge": [], "positives": 7, "negatives": 7, "failed": 0,
        "enrolment": {{"forwards": 0, "gradients": 0, "notes": []}}, "budgets": [{{"budget": 10, "draws": 1, "ddof": 1,
        "tpr": {rate}, "tpr_randomised": {rate}, "tpr_without_vanillas": null, "fpr": {{"target": 0.05, "mean": 0.05}},
        "by_draw": [], "threshold": {{"mean": null}}, "auc": null, "roc": [], "overlap": null,
        "variations": [{{"kind": "prune", "detail": "conv", "parameter": null, "group": "weights", "rehearsed": false,
        "positives": 7, "tpr": {rate}, "tpr_randomised": {rate}}}]}}]}}], "failures": [], "warnings": []}}"#
    ))
    .unwrap()
}

fn run_of(seed: u64, rate: f64, commit: Option<&str>, date: &str) -> Run {
    Run::new(&results("FBI", seed, rate), None, commit.map(str::to_owned), Some(date.to_owned()))
}

fn message(result: Result<impl Sized, HistoryError>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn runs_are_kept_by_date_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.sqlite");
    let mut store = Store::create(&path, WAIT).unwrap();
    let later = run_of(1, 0.5, Some("bbb"), "2026-03-01");
    assert_eq!(store.add(&later).unwrap(), Added::New);
    assert_eq!(store.add(&later).unwrap(), Added::Known);
    // The same results of another commit are another run.
    assert_eq!(
        store.add(&run_of(1, 0.5, Some("ccc"), "2026-03-02T10:00:00Z")).unwrap(),
        Added::New
    );
    assert_eq!(
        store.add(&run_of(2, 0.25, Some("aaa"), "2026-02-01 08:30:00")).unwrap(),
        Added::New
    );
    drop(store);

    let entries = Store::open(&path, WAIT).unwrap().entries().unwrap();
    assert_eq!(entries.len(), 6, "three runs of two rates");
    let all = series(&entries, &Wanted::default());
    assert_eq!(all.len(), 1);
    let points: Vec<_> =
        all[0].points.iter().map(|p| (p.date.as_str(), p.label(), p.rate)).collect();
    let expected = [
        ("2026-02-01T08:30:00Z", "aaa".to_owned(), 0.25),
        ("2026-03-01T00:00:00Z", "bbb".to_owned(), 0.5),
        ("2026-03-02T10:00:00Z", "ccc".to_owned(), 0.5),
    ];
    assert_eq!(points, expected);
    let kind = Wanted { kind: Some("prune/conv".to_owned()), ..Wanted::default() };
    assert_eq!(series(&entries, &kind)[0].points.len(), 3);
    assert!(series(&entries, &Wanted { budget: Some(20), ..Wanted::default() }).is_empty());
}

#[test]
fn dates_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("h.sqlite"), WAIT).unwrap();
    for date in ["yesterday", "now", "2026-02-30", "24.11.2026", "2460000", "", "2026-11-24'; DROP"]
    {
        let error = message(store.add(&run_of(1, 0.5, None, date)));
        assert!(error.contains("is no date"), "{date}: {error}");
    }
    assert!(store.entries().unwrap().is_empty());
    assert_eq!(store.add(&run_of(1, 0.5, None, "2026-11-24T12:30:00+02:00")).unwrap(), Added::New);
    assert_eq!(store.entries().unwrap()[0].date, "2026-11-24T10:30:00Z");
}

#[test]
fn many_writers_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.sqlite");
    // All begin with no file: they race for making it as well.
    let writers: Vec<_> = (0..8_u64)
        .map(|writer| {
            let path = path.clone();
            std::thread::spawn(move || {
                for i in 0..10 {
                    let run = run_of(writer * 100 + i, 0.5, None, "2026-01-01");
                    // Another program opens the file for each run that it adds.
                    let added = Store::create(&path, WAIT).and_then(|mut store| store.add(&run));
                    assert_eq!(added.unwrap(), Added::New);
                    // What everybody adds is kept once.
                    let common = run_of(9999, 0.5, None, "2026-01-01");
                    Store::create(&path, WAIT).unwrap().add(&common).unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(Store::open(&path, WAIT).unwrap().entries().unwrap().len(), 2 * (8 * 10 + 1));
}

#[test]
fn a_locked_file_is_waited_for_and_then_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.sqlite");
    Store::create(&path, WAIT).unwrap().add(&run_of(1, 0.5, None, "2026-01-01")).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut store = Store::open(&path, Duration::from_millis(50)).unwrap();
    let error = store.add(&run_of(2, 0.5, None, "2026-01-01"));
    assert!(matches!(error, Err(HistoryError::Locked { .. })), "{}", message(error));
    assert_eq!(store.entries().unwrap().len(), 2, "readers are not stopped");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.add(&run_of(2, 0.5, None, "2026-01-01")).unwrap(), Added::New);
}

#[test]
fn a_history_whose_tables_are_views_or_start_something_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sql) in [
        (
            "view",
            "ALTER TABLE runs RENAME TO kept; CREATE VIEW runs AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT kept.* FROM kept, n",
        ),
        ("trigger", "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM rates; END"),
    ] {
        let path = folder.path().join(name);
        Store::create(&path, WAIT).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = message(Store::open(&path, WAIT));
        assert!(error.contains("it has views, triggers or virtual tables"), "{name}: {error}");
    }
}

#[test]
fn files_of_another_kind_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let untouched = |path: &Path, expected: &str| {
        let before = fs::read(path).unwrap();
        let error = message(Store::create(path, WAIT));
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(message(Store::open(path, WAIT)).contains(expected));
        assert!(before == fs::read(path).unwrap(), "{expected}: the file has changed");
    };
    fs::write(path("text"), "rates of my own, kept by hand\n".repeat(100)).unwrap();
    untouched(&path("text"), "is no SQLite database");

    let other = rusqlite::Connection::open(path("other")).unwrap();
    other.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    drop(other);
    untouched(&path("other"), "another program");

    Store::create(&path("newer"), WAIT).unwrap();
    let newer = rusqlite::Connection::open(path("newer")).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    untouched(&path("newer"), "has format 99, this bertillon knows up to 1");

    let mut store = Store::create(&path("damaged"), WAIT).unwrap();
    for seed in 0..200 {
        store.add(&run_of(seed, 0.5, None, "2026-01-01")).unwrap();
    }
    drop(store);
    let mut bytes = fs::read(path("damaged")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 5000].fill(0xa5);
    fs::write(path("damaged"), &bytes).unwrap();
    untouched(&path("damaged"), "is damaged");
    // Cut off in the middle of a page.
    fs::write(path("cut"), &bytes[..5000]).unwrap();
    untouched(&path("cut"), "is damaged");

    assert!(message(Store::open(&path("none"), WAIT)).contains("no history at"));
    assert!(!path("none").exists());
    assert!(message(Store::create(&path("no/such/folder"), WAIT)).contains("can't use"));
}

#[test]
fn what_suites_hold_is_harmless_on_pages_and_in_tables() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("h.sqlite"), WAIT).unwrap();
    let hostile = "=HYPERLINK(\"x\")<script>alert('1')</script>\u{202e}&";
    for (seed, rate) in [(1, 0.5), (2, 0.75)] {
        let results = results(hostile, seed, rate);
        let commit = Some("@SUM(1), \"quoted\"\n<b>".to_owned());
        let run = Run::new(&results, None, commit, Some(format!("2026-01-0{seed}")));
        store.add(&run).unwrap();
    }
    let entries = store.entries().unwrap();
    let html = page(&series(&entries, &Wanted::default()));
    assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains('\u{202e}'));
    assert!(html.contains("&lt;script&gt;alert('1')"), "{html}");
    assert!(html.contains("<div role=\"img\" aria-label=\"=HYPERLINK(&quot;x&quot;)&lt;script"));
    assert!(
        !html.contains("http://")
            || html.matches("http").count() == html.matches("http://www.w3.org").count()
    );
    // Every colour of a chart is one of the page's.
    assert!(
        html.contains("var(--line)")
            && html.contains("var(--doubt)")
            && html.contains("var(--ink)")
    );
    assert!(!html.contains("\"#0"), "a colour was left: {html}");

    let text = csv(&entries).unwrap();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("date,commit,suite,seed,"));
    for cell in ["'=HYPERLINK", "'@SUM"] {
        assert!(text.contains(cell), "{text}");
    }
    let empty = page(&[]);
    assert!(empty.contains("No runs yet"));
}

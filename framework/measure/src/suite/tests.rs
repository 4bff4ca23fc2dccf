use std::path::Path;

use serde_json::json;

use super::*;

const VALID: &str = r#"name = "quickstart"
seed = 7
[data]
source = "fashion-mnist"
pool = 2000
path = "images"
[models]
source = "zoo"
[[variants]]
plugin = "prune"
smooth = true
grid = { layers = ["conv", "last"], amount = [0.1, 0.2, 0.3] }
[[fingerprints]]
name = "FBI 30/70"
method = "fbi"
selector = { plugin = "correctness", wrong = 0.7 }
[[fingerprints]]
name = "IP-Guard (BP)"
method = "ip-guard"
attack = { name = "bp", steps = 50 }
bank = 300
peers = ["a", "b"]
selector = "random"
rehearsals = [{ plugin = "half" }]
[evaluation]
budgets = [200, 20]
"#;

fn parse(text: &str, overrides: &[&str]) -> Result<Suite, SuiteError> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Suite::parse(Path::new("suite.toml"), text, &overrides)
}

/// A suite that is right but for `evaluation`, lines of that table.
fn with_evaluation(evaluation: &str) -> String {
    format!("{HEAD}[[fingerprints]]\nname = \"F\"\nmethod = \"m\"\n[evaluation]\n{evaluation}\n")
}

/// A suite that is right but for `rest`.
fn with(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

const HEAD: &str = "name = \"s\"\n[data]\nsource = \"d\"\n[models]\nsource = \"z\"\n";
const PRINT: &str = "[[fingerprints]]\nname = \"F\"\nmethod = \"m\"\n";

#[test]
fn a_suite_is_read_in_full() {
    let suite = parse(VALID, &[]).unwrap();
    assert_eq!((suite.name.as_str(), suite.seed), ("quickstart", 7));
    assert_eq!(suite.data.plugin.value, "fashion-mnist");
    assert_eq!(suite.pool.as_ref().unwrap().value, 2000);
    assert_eq!(suite.data.parameters[0].0.value, "path");
    assert_eq!(suite.data.parameters[0].1.value, json!("images"));
    assert_eq!(&suite.text[suite.data.parameters[0].1.at.clone()], "\"images\"");
    let [fbi, ip_guard] = suite.fingerprints.as_slice() else { panic!("two fingerprints") };
    assert_eq!(fbi.selector.as_ref().unwrap().parameters[0].1.value, json!(0.7));
    assert_eq!(ip_guard.selector.as_ref().unwrap().plugin.value, "random");
    assert_eq!(ip_guard.method.parameters.len(), 1);
    assert_eq!(ip_guard.method.parameters[0].1.value, json!({ "name": "bp", "steps": 50 }));
    assert_eq!(ip_guard.bank.as_ref().unwrap().value, 300);
    assert_eq!(ip_guard.rehearsals.as_ref().unwrap()[0].plugin.value, "half");
    assert!(matches!(ip_guard.peers.as_ref().unwrap(), Peers::Named(names) if names.len() == 2));
    let budgets: Vec<usize> = suite.evaluation.budgets.iter().map(|b| b.value).collect();
    assert_eq!((budgets, suite.evaluation.primary_budget), (vec![20, 200], 200));
}

#[test]
fn absent_keys_take_the_documented_defaults() {
    let suite = parse(&with(PRINT), &[]).unwrap();
    let budgets: Vec<usize> = suite.evaluation.budgets.iter().map(|b| b.value).collect();
    assert_eq!(suite.seed, 2022);
    assert_eq!(budgets, [20, 50, 100, 200]);
    assert_eq!(suite.evaluation.primary_budget, 100);
    assert_eq!(suite.evaluation.false_positive_rate, 0.05);
    assert_eq!(suite.evaluation.max_accuracy_drop, 0.15);
    assert_eq!(suite.evaluation.draws, 10);
    assert_eq!(suite.evaluation.peers, Peers::All);
    assert_eq!(suite.evaluation.negatives, Negatives::All);
    assert_eq!(suite.evaluation.protocol, Protocol::Pooled);
    assert!(suite.variants.is_empty() && suite.evaluation.rehearsals.is_empty());
}

#[test]
fn every_protocol_is_read_by_its_word() {
    for protocol in Protocol::ALL {
        let text = with_evaluation(&format!("protocol = \"{}\"", protocol.word()));
        assert_eq!(parse(&text, &[]).unwrap().evaluation.protocol, protocol);
    }
    assert_eq!(Protocol::ALL.map(Protocol::word), ["pooled", "leave-one-family-out", "nominal"]);
}

#[test]
fn a_grid_is_a_cross_product_in_the_order_written_with_the_last_key_fastest() {
    let suite = parse(VALID, &[]).unwrap();
    let points: Vec<String> = suite.variants[0]
        .points()
        .iter()
        .map(|point| {
            let words = point.parameters.iter().map(|(k, v)| format!("{}={}", k.value, v.value));
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(points.len(), 6);
    assert_eq!(points[0], r#"smooth=true layers="conv" amount=0.1"#);
    assert_eq!(points[1], r#"smooth=true layers="conv" amount=0.2"#);
    assert_eq!(points[5], r#"smooth=true layers="last" amount=0.3"#);
}

#[test]
fn overrides_change_the_text_that_places_refer_to() {
    let overrides = [
        "evaluation.draws=2",
        "variants.0.grid.amount=[0.25]",
        "data.pool=500",
        "fingerprints.0.selector=random",
        "evaluation.budgets.1=40",
        "models.path=/tmp/some where",
        "seed = 0x10",
    ];
    let suite = parse(VALID, &overrides).unwrap();
    assert_eq!((suite.evaluation.draws, suite.seed), (2, 16));
    assert_eq!(suite.variants[0].points().len(), 2);
    let pool = suite.pool.unwrap();
    assert_eq!((pool.value, &suite.text[pool.at]), (500, "500"));
    assert_eq!(suite.fingerprints[0].selector.as_ref().unwrap().plugin.value, "random");
    assert_eq!(suite.evaluation.budgets[0].value, 40);
    assert_eq!(suite.models.parameters[0].1.value, json!("/tmp/some where"));
}

#[test]
fn an_override_may_add_a_table_or_replace_one() {
    let suite = parse(&with(PRINT), &["evaluation.draws=3", "variants=[{plugin='half'}]"]).unwrap();
    assert_eq!((suite.evaluation.draws, suite.variants.len()), (3, 1));
    let suite = parse(VALID, &["variants=[]", "fingerprints.1={name='X',method='y'}"]).unwrap();
    assert_eq!(suite.variants.len(), 0);
    assert_eq!(suite.fingerprints[1].name.value, "X");
}

#[test]
fn an_override_that_makes_no_sense_is_named() {
    let cases = [
        ("evaluation.draws", "`--set evaluation.draws`: no `=`"),
        ("seed.x=1", "`seed` is not a table"),
        ("variants.5.plugin=half", "`variants` has 1 items"),
        ("variants.first.plugin=half", "must be the number of an item"),
        ("variants.0=3", "is a table"),
        ("=3", "is not a key"),
        ("a..b=3", "is not a key"),
        ("seed=", "neither TOML nor a bare word"),
        ("seed=[1", "neither TOML nor a bare word"),
        ("sead=1", "unknown key `sead`"),
    ];
    for (text, message) in cases {
        let error = parse(VALID, &[text]).unwrap_err();
        let found = &error.diagnostics;
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].message.contains(message), "{text}: {found:?}");
    }
}

/// Text, a part of the message, the marked text.
type Case = (String, &'static str, &'static str);

fn structural_cases() -> Vec<Case> {
    vec![
        (with(&format!("{PRINT}[evaluation\n")), "not TOML", ""),
        (with(&format!("{PRINT}x = = 2\n")), "not TOML", "="),
        (format!("draws = 3\n{HEAD}{PRINT}"), "unknown key `draws`", "draws"),
        (with_evaluation("drews = 3"), "unknown key `drews`", "drews"),
        (with_evaluation("draws = \"3\""), "`draws` is a string, must be a whole number", "\"3\""),
        (with_evaluation("draws = 0"), "`draws` can't be 0", "0"),
        (with_evaluation("draws = 2.5"), "`draws` is a fraction", "2.5"),
        (with_evaluation("budgets = []"), "`budgets` is empty", "[]"),
        (with_evaluation("budgets = 20"), "`budgets` is a whole number, must be a list", "20"),
        (with_evaluation("budgets = [10, 0]"), "`budgets` can't be 0", "0"),
        (with_evaluation("budgets = [10, -4]"), "`budgets` can't be -4", "-4"),
        (with_evaluation("budgets = [10, 10]"), "10 stands twice in `budgets`", "10"),
        (with_evaluation("false_positive_rate = 0"), "can't be 0", "0"),
        (with_evaluation("false_positive_rate = 1.0"), "can't be 1.0", "1.0"),
        (with_evaluation("false_positive_rate = nan"), "can't be nan", "nan"),
        (with_evaluation("false_positive_rate = []"), "is a list, must be a number", "[]"),
        (with_evaluation("max_accuracy_drop = 0.0"), "can't be 0.0", "0.0"),
        (with_evaluation("max_accuracy_drop = 1.5"), "can't be 1.5", "1.5"),
        (with_evaluation("primary_budget = 70"), "is not one of `budgets`", "70"),
        (with_evaluation("peers = 1.5"), "`peers` can't be 1.5", "1.5"),
        (with_evaluation("peers = \"al\""), "`peers` can't be `al`", "\"al\""),
        (with_evaluation("peers = true"), "`peers` is true or false", "true"),
        (with_evaluation("peers = [\"a\", 3]"), "`peers` is a whole number", "3"),
        (with_evaluation("peers = [\"a\", \"a\"]"), "`a` stands twice", "\"a\""),
        (with_evaluation("negatives = \"stranger\""), "can't be `stranger`", "\"stranger\""),
        (with_evaluation("protocol = \"poled\""), "can't be `poled`", "\"poled\""),
        (with_evaluation("task = \"detektion\""), "`task` can't be", "\"detektion\""),
        (with_evaluation("task = []"), "`task` is empty", "[]"),
        (with_evaluation("task = [\"detection\", \"detection\"]"), "twice", "\"detection\""),
        (with_evaluation("identification = {}"), "nobody asks for it", "{}"),
        (
            with_evaluation("task = \"identification\"\nidentification = { unknown = 1.0 }"),
            "`unknown` can't be 1.0",
            "1.0",
        ),
        (
            with_evaluation("task = [\"detection\", \"sequential\"]\nsequential.scores = [\"x\"]"),
            "`scores` can't be `x`",
            "\"x\"",
        ),
        (format!("{}[figures]\nperplexities = [1]\n", with(PRINT)), "can't be 1", "1"),
        (with_evaluation("rehearsals = [{}]"), "[[rehearsals]] has no `plugin`", "{}"),
    ]
}

fn part_cases() -> Vec<Case> {
    let print = |rest: &str| with(&format!("{PRINT}{rest}"));
    let second = with(&format!("{PRINT}{PRINT}"));
    let data = |rest: &str| {
        format!("name = \"s\"\n[models]\nsource = \"z\"\n{PRINT}[data]\nsource = \"d\"\n{rest}")
    };
    vec![
        (format!("seed = -1\n{HEAD}{PRINT}"), "`seed` can't be -1", "-1"),
        (format!("seed = 18446744073709551616\n{HEAD}{PRINT}"), "`seed`", "18446744073709551616"),
        (format!("seed = 1.0\n{HEAD}{PRINT}"), "`seed` is a fraction", "1.0"),
        (format!("{HEAD}{PRINT}").replace("\"s\"", "\"a/b\""), "results folder", "\"a/b\""),
        (format!("{HEAD}{PRINT}").replace("\"s\"", "\"..\""), "results folder", "\"..\""),
        (format!("{HEAD}{PRINT}").replace("\"s\"", "\"\""), "it is empty", "\"\""),
        (format!("{HEAD}{PRINT}").replace("name = \"s\"\n", ""), "a suite has no `name`", ""),
        (format!("name = \"s\"\n[models]\nsource = \"z\"\n{PRINT}"), "has no `data`", ""),
        (format!("name = \"s\"\n[data]\nsource = \"z\"\n{PRINT}"), "has no `models`", ""),
        (with(""), "has no `fingerprints`", ""),
        (format!("fingerprints = []\n{HEAD}"), "no fingerprint to judge", "[]"),
        (with("[fingerprints]\nname = \"F\"\n"), "must be a list of tables", "[fingerprints]"),
        (with("[[fingerprints]]\nname = \"F\"\n"), "has no `method`", "[[fingerprints]]"),
        (with("[[fingerprints]]\nmethod = \"m\"\n"), "has no `name`", "[[fingerprints]]"),
        (print("selector = 3"), "`selector` is a whole number", "3"),
        (print("selector = { wrong = 3 }"), "selector has no `plugin`", "{ wrong = 3 }"),
        (print("bank = 150"), "a bank of 150 can't serve the budget 200", "150"),
        (print("x = 2026-01-01"), "dates can't be parameters", "2026-01-01"),
        (print("x = [1, { y = inf }]"), "must be finite numbers", "inf"),
        (print("x = -nan"), "must be finite numbers", "-nan"),
        (print("x = 99999999999999999999"), "too large a number", "99999999999999999999"),
        (second, "two fingerprints are named `F`", "\"F\""),
        (
            with("[[fingerprints]]\nname = \"\\u001b[1m\"\nmethod = \"m\""),
            "control",
            "\"\\u001b[1m\"",
        ),
        (data("pool = 150"), "a budget of 200 exceeds the pool of 150", "150"),
        (data("pool = 0"), "`pool` can't be 0", "0"),
        (
            data("pool = 60\n[evaluation]\nbudgets = [50, 70]"),
            "a budget of 70 exceeds the pool of 60",
            "70",
        ),
        (print("[[variants]]\ngrid = {}"), "[[variants]] has no `plugin`", "[[variants]]"),
        (print("[[variants]]\nplugin = \"p\"\ngrid = 3"), "grid", "3"),
        (print("[[variants]]\nplugin = \"p\"\ngrid = { a = 3 }"), "`a` is a whole number", "3"),
        (print("[[variants]]\nplugin = \"p\"\ngrid = { a = [] }"), "has no value of `a`", "[]"),
        (print("[[variants]]\nplugin = \"p\"\ngrid = { a = [1, 1] }"), "stands twice", "1"),
        (print("[[variants]]\nplugin = \"p\"\na = 1\ngrid = { a = [1] }"), "and beside it", "a"),
        (print("[variants]\nplugin = \"p\""), "must be a list of tables", "[variants]"),
    ]
}

#[test]
fn each_mistake_is_marked_where_it_stands() {
    for (text, message, marked) in structural_cases().into_iter().chain(part_cases()) {
        let error = parse(&text, &[]).unwrap_err();
        let [found] = error.diagnostics.as_slice() else {
            panic!("one mistake expected in\n{text}\n{:?}", error.diagnostics)
        };
        assert!(found.message.contains(message), "{message}\n{text}\n{found:?}");
        assert_eq!(&error.text[found.at.clone()], marked, "{message}\n{text}\n{found:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "name = \"a b\"\nsead = 1\n[data]\nsource = 3\npool = -1\n[[fingerprints]]\nname = \"\"\n\
                [evaluation]\ndraws = 0\nbudget = [1]\n";
    let error = parse(text, &["x"]).unwrap_err();
    let marked: Vec<&str> =
        error.diagnostics.iter().map(|found| &error.text[found.at.clone()]).collect();
    let expected =
        ["", "", "\"a b\"", "sead", "3", "-1", "[[fingerprints]]", "\"\"", "0", "budget"];
    assert_eq!(marked, expected);
    assert_eq!(error.to_string(), "suite.toml: 10 mistakes in the suite");
}

#[test]
fn the_nearest_valid_name_is_offered() {
    let help = |text: &str| parse(text, &[]).unwrap_err().diagnostics[0].help.clone().unwrap();
    assert_eq!(help(&with_evaluation("drews = 3")), "did you mean `draws`?");
    assert_eq!(
        help(&with_evaluation("false-positive-rate = 0.1")),
        "did you mean `false_positive_rate`?"
    );
    assert_eq!(help(&with_evaluation("negatives = \"x\"")), "known here: `all`, `strangers`");
    assert_eq!(help(&with_evaluation("task = \"detecton\"")), "did you mean `detection`?");
    assert_eq!(nearest("prun", &["half", "prune"]), Some("prune"));
    assert_eq!(nearest("zzz", &["half", "prune"]), None);
}

#[test]
fn sequential_tests_have_no_fingerprints_and_the_other_tasks_need_some() {
    let alone = with("[evaluation]\ntask = \"sequential\"\n");
    assert_eq!(parse(&alone, &[]).unwrap().evaluation.tasks, [Task::Sequential]);
    let error = parse(&with_evaluation("task = \"sequential\""), &[]).unwrap_err();
    assert_eq!(error.diagnostics[0].message, "sequential tests have no fingerprints");
    let both = with_evaluation("task = [\"identification\", \"sequential\"]");
    let suite = parse(&both, &[]).unwrap();
    assert!(suite.asks(Task::Identification) && !suite.asks(Task::Detection));
}

#[test]
fn paths_start_at_the_suite_unless_they_were_given_from_outside() {
    let text = with(PRINT).replace("source = \"d\"", "source = \"d\"\npath = \"images\"");
    let path = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        let suite = Suite::parse(Path::new("suites/suite.toml"), &text, &overrides).unwrap();
        let (_, value) = &suite.data.parameters[0];
        let value =
            Located { value: value.value.as_str().unwrap().to_owned(), at: value.at.clone() };
        suite.resolve(&value)
    };
    assert_eq!(path(&[]), Path::new("suites/images"));
    assert_eq!(path(&["seed=3"]), Path::new("suites/images"));
    assert_eq!(path(&["data.path=elsewhere", "seed=3"]), Path::new("elsewhere"));
    assert_eq!(path(&["data={source=\"d\",path=\"here\"}"]), Path::new("here"));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let error = Suite::read(Path::new("no/such/suite.toml"), &[]).unwrap_err();
    assert!(error.diagnostics[0].message.starts_with("cannot read the suite: No such file"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.toml");
    std::fs::write(&path, b"name = \"\xe9\"").unwrap();
    let error = Suite::read(&path, &[]).unwrap_err();
    assert!(error.diagnostics[0].message.contains("UTF-8"), "{error:?}");
    std::fs::write(&path, VALID).unwrap();
    assert_eq!(Suite::read(&path, &["seed=3".to_owned()]).unwrap().seed, 3);
}

#[test]
fn a_grid_too_large_to_hold_is_refused() {
    let list: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let list = list.join(",");
    let grid = format!("{{ a = [{list}], b = [{list}], c = [{list}] }}");
    let text = with(&format!("{PRINT}[[variants]]\nplugin = \"p\"\ngrid = {grid}"));
    let error = parse(&text, &[]).unwrap_err();
    assert!(error.diagnostics[0].message.contains("more than 10000 points"));
    // Each grid is small enough, and all together are not.
    let grid = format!("{{ a = [{list}], b = [{list}] }}");
    let table = format!("[[variants]]\nplugin = \"p\"\ngrid = {grid}\n");
    assert!(parse(&with(&format!("{PRINT}{table}")), &[]).is_ok());
    let error = parse(&with(&format!("{PRINT}{table}{table}")), &[]).unwrap_err();
    assert_eq!(error.diagnostics[0].message, "the grids have 20000 points together");
    assert!(error.partial.is_none(), "plugins of 20000 points would be built");
}

#[test]
fn numbers_that_would_fill_the_memory_or_take_for_ever_are_refused() {
    let many: Vec<String> = (1..=1001).map(|n| n.to_string()).collect();
    for (key, value, expected) in [
        ("draws", "100001".to_owned(), "`draws` can't be 100001"),
        ("draws", i64::MAX.to_string(), "`draws` can't be 9223372036854775807"),
        ("budgets", format!("[{}]", many.join(",")), "`budgets` has 1001 numbers"),
    ] {
        let error = parse(VALID, &[&format!("evaluation.{key}={value}")]).unwrap_err();
        assert!(error.diagnostics.iter().any(|m| m.message == expected), "{error:?}");
    }
    let error = parse(VALID, &["fingerprints.1.bank=1000001"]).unwrap_err();
    assert_eq!(error.diagnostics[0].message, "`bank` can't be 1000001");
}

#[test]
fn nesting_of_any_depth_is_a_mistake_and_not_the_end() {
    let deep = "a.".repeat(300_000);
    for text in [
        format!("{deep}a = 1\n{VALID}"),
        format!("{VALID}[{deep}a]\n"),
        format!("{VALID}[[{deep}a]]\n"),
        format!("x = {}{}\n{VALID}", "[".repeat(300_000), "]".repeat(300_000)),
        format!("x = {}\n{VALID}", "{ a = ".repeat(100_000)),
        format!("x = {{ {deep}a = 1 }}\n{VALID}"),
    ] {
        for overrides in [&[][..], &["seed=3"]] {
            let error = parse(&text, overrides).unwrap_err();
            assert!(!error.diagnostics.is_empty());
        }
    }
}

#[test]
fn libraries_of_plugins_are_paths_with_their_places() {
    let text = format!("plugins = [\"a.so\", \"b/c.so\"]\n{}", with(PRINT));
    let suite = Suite::parse(Path::new("suites/suite.toml"), &text, &[]).unwrap();
    let paths: Vec<_> = suite.plugins.iter().map(|plugin| suite.resolve(plugin)).collect();
    assert_eq!(paths, ["suites/a.so", "suites/b/c.so"].map(Path::new));
    assert_eq!(&text[suite.plugins[1].at.clone()], "\"b/c.so\"");
    let wrong = parse(&format!("plugins = \"a.so\"\n{}", with(PRINT)), &[]).unwrap_err();
    assert!(wrong.diagnostics[0].message.contains("plugins"), "{wrong:?}");
    let wrong = parse(&format!("plugins = [\"\", 3]\n{}", with(PRINT)), &[]).unwrap_err();
    assert_eq!(wrong.diagnostics.len(), 2, "{wrong:?}");
}

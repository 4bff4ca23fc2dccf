use std::{cell::RefCell, path::Path, process::Command};

use bertillon_measure::results::{
    BudgetResult, Figures, HistogramClass, HistogramFigure, MapFigure, ModelRow,
};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
    states::RawKind,
};
use serde_json::Value;

use super::*;
use crate::{fixture, json};

const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;<!--\u{2028}\u{202e}`${x}";

/// A tag's name and its attributes.
type Start = (String, Vec<(String, String)>);

/// Tags of a document, its text, and what is wrong with it.
#[derive(Default)]
struct Page {
    tags: RefCell<Vec<Start>>,
    open: RefCell<Vec<String>>,
    texts: RefCell<Vec<(String, String)>>,
    problems: RefCell<Vec<String>>,
}

const VOID: [&str; 5] = ["meta", "link", "br", "input", "img"];

impl TokenSink for Page {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => return self.tag(&tag, line),
            Token::ParseError(error) => {
                self.problems.borrow_mut().push(format!("line {line}: {error}"));
            }
            Token::CharacterTokens(text) => {
                let within = self.open.borrow().last().cloned().unwrap_or_default();
                self.texts.borrow_mut().push((within, text.to_string()));
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Page {
    fn read(text: &str) -> Self {
        let tokenizer = Tokenizer::new(
            Self::default(),
            TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() },
        );
        let queue = BufferQueue::default();
        queue.push_back(text.into());
        let _ = tokenizer.feed(&queue);
        tokenizer.end();
        tokenizer.sink
    }

    fn tag(&self, tag: &Tag, line: u64) -> TokenSinkResult<()> {
        let name = tag.name.to_string();
        if tag.kind == TagKind::EndTag {
            if self.open.borrow_mut().pop().as_ref() != Some(&name) {
                self.problems.borrow_mut().push(format!("line {line}: </{name}> closes nothing"));
            }
            return TokenSinkResult::Continue;
        }
        let attributes = tag.attrs.iter().map(|a| (a.name.local.to_string(), a.value.to_string()));
        self.tags.borrow_mut().push((name.clone(), attributes.collect()));
        if !tag.self_closing && !VOID.contains(&name.as_str()) {
            self.open.borrow_mut().push(name.clone());
        }
        match name.as_str() {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" if !self.open.borrow().contains(&"svg".to_owned()) => {
                TokenSinkResult::RawData(RawKind::Rcdata)
            }
            _ => TokenSinkResult::Continue,
        }
    }

    fn count(&self, name: &str) -> usize {
        self.tags.borrow().iter().filter(|(tag, _)| tag == name).count()
    }

    /// What stands in the scripts that hold data.
    fn data(&self) -> Vec<Value> {
        let mut scripts: Vec<String> = Vec::new();
        let texts = self.texts.borrow();
        let mut in_script = false;
        for (within, text) in texts.iter() {
            match (within == "script", in_script) {
                (true, true) => scripts.last_mut().unwrap().push_str(text),
                (true, false) => scripts.push(text.clone()),
                _ => {}
            }
            in_script = within == "script";
        }
        scripts
            .iter()
            .filter(|text| text.starts_with("{\"choices\""))
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    /// Names of all tags but those within drawings, whose legends have room for fewer long names in a line.
    fn outside_drawings(&self) -> Vec<String> {
        let drawn = ["svg", "desc", "rect", "text", "line", "polyline", "polygon", "circle"];
        let tags = self.tags.borrow();
        let names = tags.iter().map(|(name, _)| name.clone());
        names.filter(|name| !drawn.contains(&name.as_str())).collect()
    }

    fn check(&self) {
        assert_eq!(*self.problems.borrow(), [""; 0]);
        assert_eq!(*self.open.borrow(), [""; 0], "left open");
    }
}

/// Results as large as those of the paper's suite, with this many models.
fn large(models: usize) -> Results {
    let mut results = fixture::results();
    let families = 23;
    let model = |i: usize| ModelRow {
        name: format!(
            "randomized-smoothing/0.0{} of tf_efficientnet_b0_ns_{}",
            i / families,
            i % families
        ),
        family: format!("tf_efficientnet_b0_ns_{}", i % families),
        kind: if i < families { "vanilla" } else { "randomized-smoothing" }.to_owned(),
        detail: None,
        parameter: Some(format!("0.0{}", i / families)),
        group: "input".to_owned(),
        accuracy: Some(0.8),
        agreement: Some(0.9),
        kept: !i.is_multiple_of(9),
        changes: None,
        unchanged: false,
    };
    results.population.models = (0..models).map(model).collect();
    let kept = results.population.models.iter().filter(|model| model.kept).count();
    let first = results.fingerprints[0].clone();
    results.fingerprints = (0..6)
        .map(|i| {
            let mut f = first.clone();
            f.name = format!("Entropy (code) {i}");
            f
        })
        .collect();
    for fingerprint in &mut results.fingerprints {
        let at = fingerprint.budgets[0].clone();
        fingerprint.budgets = [20, 50, 100, 200].map(|budget| enlarged(&at, budget)).to_vec();
    }
    let points =
        (0..kept).map(|i| [(i as f64).sin() * 33.3, (i as f64).cos() * 33.3]).collect::<Vec<_>>();
    let map = |perplexity| MapFigure {
        selection: "the whole pool".to_owned(),
        images: 20_000,
        perplexity,
        kl: None,
        purity: None,
        silhouette: None,
        points: points.clone(),
    };
    let class = |class: &str| HistogramClass {
        class: class.to_owned(),
        pairs: 232_284,
        counts: vec![11_614; 20],
        infinite: 4,
        shares: vec![0.049_999; 20],
    };
    let histogram = |budget, selection: &str| HistogramFigure {
        selection: selection.to_owned(),
        budget,
        classes: ["same variation", "same vanilla", "different vanilla"].map(class).to_vec(),
    };
    let histograms =
        [20, 50, 100, 250, 1000].map(|l| ["random", "entropy"].map(|s| histogram(l, s)));
    results.figures = Some(Figures {
        maps: [10.0, 30.0, 50.0].map(map).to_vec(),
        histograms: histograms.concat(),
    });
    results
}

/// With 27 points of a curve and 40 kinds of variants.
fn enlarged(at: &BudgetResult, budget: usize) -> BudgetResult {
    let mut at = at.clone();
    at.budget = budget;
    at.roc = (0..27).map(|i| [f64::from(i) / 26.0, 0.5 + f64::from(i) / 52.0]).collect();
    let row = at.variations[1].clone();
    at.variations = (0..40)
        .map(|i| {
            let mut row = row.clone();
            row.detail = Some(["all", "conv", "last"][i % 3].to_owned());
            row.parameter = (i > 2).then(|| format!("0.{i}"));
            row.tpr_randomised.mean = 0.3 + budget as f64 / 500.0;
            row
        })
        .collect();
    at
}

/// Every string of the results with this behind it, but for those that are of bertillon itself.
fn spoiled(results: &Results, with: &str) -> Results {
    fn walk(key: &str, value: &mut Value, with: &str) {
        match value {
            Value::String(text)
                // `vanilla` is a word that decides what is counted, and no text is left out of the page.
                if !["parameter", "task", "protocol", "negatives"].contains(&key)
                    && text != "vanilla"
                    && !text.is_empty() =>
            {
                text.push_str(with);
            }
            Value::Array(values) => values.iter_mut().for_each(|value| walk(key, value, with)),
            Value::Object(object) => {
                object.iter_mut().for_each(|(key, value)| walk(key, value, with));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(results).unwrap();
    walk("", &mut value, with);
    serde_json::from_value(value).unwrap()
}

fn provenance(with: &str) -> Provenance {
    let word = |text: &str| format!("{text}{with}");
    Provenance {
        command: ["bertillon", "run", "a suite.toml"].map(word).into(),
        suite: word("name = \"small\"\n# a comment"),
        models: vec![["lenet-a", "00ff"].map(word)],
        plugins: vec![["prune", "{\"amount\":0.2}", "00ff"].map(word)],
        libraries: vec![["lib.so", "mine 0.1", "00ff"].map(word)],
        device: word("Cpu"),
        seconds: 3.7,
        finished_unix_s: 1_795_514_409,
        threads: 2,
        ..Provenance::default()
    }
}

#[test]
fn a_page_is_well_formed_with_all_and_with_nothing() {
    Page::read(&html(&fixture::results(), None)).check();
    Page::read(&html(&large(100), Some(&provenance("")))).check();
    let mut empty = fixture::results();
    empty.fingerprints.clear();
    empty.population.models.clear();
    empty.failures.clear();
    empty.warnings.clear();
    let page = html(&empty, None);
    Page::read(&page).check();
    assert!(page.contains("This run has no rates."));
}

#[test]
fn hostile_names_change_no_tag_and_are_shown_as_they_are() {
    let results = large(100);
    let harmless = Page::read(&html(&results, Some(&provenance(""))));
    let text = html(&spoiled(&results, HOSTILE), Some(&provenance(HOSTILE)));
    let hostile = Page::read(&text);
    hostile.check();
    let (found, expected) = (hostile.outside_drawings(), harmless.outside_drawings());
    let first = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    assert_eq!(first.map(|at| (&found[at - 5..=at], &expected[at - 5..=at])), None);
    assert_eq!(found.len(), expected.len());
    assert_eq!(hostile.count("img"), 0);
    let handlers =
        |(_, attributes): &Start| attributes.iter().any(|(name, _)| name.starts_with("on"));
    assert!(!hostile.tags.borrow().iter().any(handlers));
    assert_eq!(hostile.data().len(), FigureName::ALL.len());
    let shown: String = hostile
        .texts
        .borrow()
        .iter()
        .filter(|(within, _)| within == "td")
        .map(|(_, text)| text.as_str())
        .collect();
    assert!(
        shown
            .contains("</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;<!--")
    );
    assert!(!text.contains('\u{202e}'), "reorders what is read");
}

#[test]
fn the_policy_names_both_scripts_and_the_page_asks_for_nothing() {
    let page = Page::read(&html(&large(100), Some(&provenance(""))));
    let tags = page.tags.borrow();
    let policy = tags
        .iter()
        .find(|(name, attributes)| {
            name == "meta" && attributes.iter().any(|(_, value)| value == "Content-Security-Policy")
        })
        .and_then(|(_, attributes)| attributes.iter().find(|(name, _)| name == "content"))
        .map(|(_, policy)| policy.clone())
        .unwrap();
    // By `openssl dgst -sha256 -binary FILE | base64`, on an empty one.
    assert_eq!(digest(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert!(policy.contains(&digest(CHARTS)) && policy.contains(&digest(SCRIPT)));
    assert!(!policy.contains("eval") && policy.starts_with("default-src 'none'"));
    for (name, attributes) in tags.iter() {
        for (attribute, value) in attributes {
            let fetches = ["src", "href", "srcset", "poster", "data", "xlink:href"]
                .contains(&attribute.as_str());
            assert!(
                !fetches || value.starts_with('#') || value == "data:,",
                "<{name} {attribute}={value}>"
            );
        }
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn scripts_hold_nothing_that_ends_them() {
    for script in [CHARTS, SCRIPT] {
        assert!(!script.contains("</script") && !script.contains("<!--") && !script.contains('\r'));
    }
}

#[test]
fn the_paper_s_population_makes_a_page_below_two_megabytes_and_ten_thousand_models_one_below_four()
{
    let sizes = [781, 10_000].map(|models| html(&large(models), Some(&provenance(""))).len());
    assert!(sizes[0] < 2_000_000 && sizes[1] < 4_000_000, "{sizes:?}");
}

#[test]
fn the_answer_comes_first() {
    let mut results = fixture::results();
    results.suite = "demo".to_owned();
    insta::assert_snapshot!("answer", answer::answer(&results).into_string().replace("<p", "\n<p"));
}

#[test]
fn every_figure_has_its_drawing_and_its_data() {
    let page = Page::read(&html(&large(100), None));
    let figures = FigureName::ALL.len();
    assert_eq!([page.count("figure"), page.count("svg"), page.count("figcaption")], [figures; 3]);
    for data in page.data() {
        assert!(data["spec"]["description"].as_str().unwrap().len() > 20);
    }
}

#[test]
fn a_missing_provenance_is_told() {
    let page = html(&fixture::results(), None);
    assert!(page.contains("There is no provenance.json beside the results."));
    let page = html(&fixture::results(), Some(&provenance("")));
    assert!(
        page.contains("bertillon run &#39;a suite.toml&#39;")
            || page.contains("bertillon run 'a suite.toml'")
    );
    assert!(page.contains("2026-11-24T10:00:09Z"));
}

#[test]
fn the_page_works_in_a_browser() {
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/check-report.py"));
    let folder = tempfile::tempdir().unwrap();
    let mut small = large(40);
    small.fingerprints.truncate(3);
    let pages = [("plain", large(60)), ("hostile", spoiled(&small, HOSTILE))];
    let paths = pages.map(|(name, results)| {
        assert_eq!(serde_json::from_str::<Results>(&json(&results)).unwrap(), results);
        let path = folder.path().join(format!("{name}.html"));
        std::fs::write(&path, html(&results, Some(&provenance("")))).unwrap();
        path
    });
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).arg(script).args(&paths).output();
    let Ok(found) = found else {
        println!("skipped: no {python} here (set PYTHON)");
        return;
    };
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    match found.status.code() {
        Some(77) => println!("{said}"),
        code => assert_eq!(code, Some(0), "{said}{}", String::from_utf8_lossy(&found.stderr)),
    }
}

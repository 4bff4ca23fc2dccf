use bertillon_measure::results::{Checks, CopyCheck};

use super::*;
use crate::fixture;

fn audit() -> Audit {
    let finding = |rule, severity, subject: &str, message: &str| {
        Finding::new(rule, severity, [subject.to_owned()], message.to_owned())
    };
    let findings = vec![
        finding(Rule::UnchangedVariant, Severity::Warning, "half of a", "`half of a` is `a`"),
        finding(Rule::DuplicateModel, Severity::Error, "b", "`b` is `c`\u{1b}[31m")
            .because("models", "b, c"),
        finding(Rule::DoubtedLabel, Severity::Note, "image 7", "1 label is doubted"),
    ];
    Audit::new("made".to_owned(), vec!["3 models".to_owned()], vec!["images".to_owned()], findings)
}

#[test]
fn a_terminal_shows_the_gravest_first_and_counts() {
    let expected = "Audit of made\n  looked at  3 models\n  left out   images\n\nerror duplicate-model\n  Several models \
                    give the same answers: they are one.\n- `b` is `c`\\u{1b}[31m\n    models: b, c\n\nwarning \
                    unchanged-variant\n  A variant answers as its vanilla does: nothing changed.\n- `half of a` is \
                    `a`\n\nnote doubted-label\n  Hardly a vanilla agrees with a label: it may be wrong.\n- 1 label is \
                    doubted\n\n1 error, 1 warning, 1 note\n";
    assert_eq!(terminal(&audit(), None, Colour::Never), expected);
    for line in terminal(&audit(), Some(60), Colour::Never).lines() {
        assert!(line.chars().count() <= 60, "{line}");
    }
}

/// What GitHub asks of an upload: <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>.
#[test]
fn sarif_has_what_code_hosts_ask_for() {
    let sarif: Value = serde_json::from_str(&sarif(&audit(), "suites/made.toml")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["$schema"].as_str().unwrap().contains("sarif-2.1.0"));
    let runs = sarif["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert!(driver["name"].is_string());
    let rules = driver["rules"].as_array().unwrap();
    let text = |value: &Value| value["text"].as_str().is_some_and(|text| !text.is_empty());
    for rule in rules {
        assert!(rule["id"].is_string() && text(&rule["help"]), "{rule}");
        assert!(text(&rule["shortDescription"]) && text(&rule["fullDescription"]), "{rule}");
    }
    let results = runs[0]["results"].as_array().unwrap();
    let levels: Vec<&str> = results.iter().map(|r| r["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    for result in results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(text(&result["message"]), "{result}");
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "suites/made.toml");
        assert_eq!(location["region"]["startLine"], 1);
        assert!(result["partialFingerprints"]["subjects/v1"].is_string());
    }
    assert!(results[0]["message"]["text"].as_str().unwrap().ends_with("\nmodels: b, c"));
}

#[test]
fn json_has_every_finding_with_its_evidence() {
    let json: Value = serde_json::from_str(&json(&audit())).unwrap();
    let first = &json["findings"][0];
    assert_eq!((&first["rule"], &first["severity"]), (&json!("duplicate-model"), &json!("error")));
    assert_eq!(first["evidence"][0], json!({ "name": "models", "value": "b, c" }));
}

#[test]
fn every_rule_is_listed_once_under_the_name_it_is_serialised_by() {
    for (place, rule) in Rule::ALL.iter().enumerate() {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.id());
        assert_eq!(Rule::ALL.iter().position(|other| other == rule), Some(place));
    }
}

#[test]
fn a_run_tells_of_copies_failures_and_its_own_checks() {
    let mut results = fixture::results();
    let count = results.population.models.len();
    results.population.models[count - 1].agreement = Some(1.0);
    results.checks = Some(Checks {
        copies: vec![CopyCheck {
            fingerprint: "Entropy".to_owned(),
            budget: 100,
            compared: 120,
            farther: 3,
            worst: None,
            unchecked: None,
        }],
        ..Checks::default()
    });
    let audit = of_run(&results, None);
    let rules: Vec<&str> = audit.findings.iter().map(|finding| finding.rule.id()).collect();
    let expected = [
        "unchanged-variant",
        "missing-model",
        "missing-model",
        "failed-check",
        "unchanged-variant",
    ];
    assert_eq!(rules, expected, "{:?}", audit.findings);
    assert!(audit.findings[0].message.contains("`lenet-a` answer all 2000 images"));
    assert!(audit.left_out.iter().any(|left_out| left_out.contains("pairs.parquet")));
}

use super::*;

fn detection() -> Results {
    Results {
        schema: SCHEMA,
        suite: "small".to_owned(),
        seed: 1,
        evaluation: Evaluation {
            task: "detection".to_owned(),
            protocol: "pooled".to_owned(),
            negatives: "all".to_owned(),
            false_positive_rate: 0.05,
            max_accuracy_drop: 0.15,
            primary_budget: 100,
            draws: 1,
            pool: 10,
        },
        population: Population {
            vanillas: 0,
            variants: 0,
            kept: 0,
            positives: 0,
            negatives: 0,
            models: Vec::new(),
        },
        images: None,
        fingerprints: Vec::new(),
        identification: Vec::new(),
        sequential: Vec::new(),
        figures: None,
        pairs: None,
        checks: None,
        published: None,
        failures: Vec::new(),
        warnings: Vec::new(),
    }
}

fn figures() -> Figures {
    let map = MapFigure {
        selection: "all images".to_owned(),
        images: 10,
        perplexity: 30.0,
        kl: None,
        purity: Some(0.5),
        silhouette: None,
        points: vec![[0.1, -2.0]],
    };
    Figures { maps: vec![map], histograms: Vec::new() }
}

#[test]
fn a_detection_names_no_other_task() {
    let text = serde_json::to_string(&detection()).unwrap();
    for key in ["identification", "sequential", "figures"] {
        assert!(!text.contains(key), "{key} in {text}");
    }
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), detection());
}

#[test]
fn what_could_not_be_told_is_null() {
    let results = Results { figures: Some(figures()), ..detection() };
    let text = serde_json::to_string(&results).unwrap();
    assert!(text.contains(r#""kl":null"#) && !text.contains("histograms"), "{text}");
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
}

use bertillon_measure::results::{Figures, HistogramClass, HistogramFigure, MapFigure};
use roxmltree::Document;
use serde_json::Value as Json;

use super::*;
use crate::fixture;

/// The fixture with a map and histograms at two budgets, and a kind of variant with two parameters.
fn results() -> Results {
    let mut results = fixture::results();
    for at in results.fingerprints.iter_mut().flat_map(|f| &mut f.budgets) {
        let mut second = at.variations[1].clone();
        second.parameter = Some("0.05".to_owned());
        second.positives = 7;
        at.variations.push(second);
        at.roc = vec![[0.0, 0.4], [0.001, 0.5], [0.05, 0.9], [1.0, 1.0]];
    }
    for (place, model) in results.population.models.iter_mut().enumerate() {
        model.kept = true;
        model.family = format!("family <{}>", place % 2);
    }
    let points = (0..results.population.models.len()).map(|i| [i as f64, -2.0 * i as f64]);
    let map = |perplexity| MapFigure {
        selection: "the whole pool".to_owned(),
        images: 2000,
        perplexity,
        kl: Some(0.1),
        purity: Some(0.5),
        silhouette: Some(0.2),
        points: points.clone().collect(),
    };
    let class = |class: &str| HistogramClass {
        class: class.to_owned(),
        pairs: 10,
        counts: vec![6, 0, 2, 0],
        infinite: 2,
        shares: vec![0.6, 0.0, 0.2, 0.0],
    };
    let histogram = |selection: &str, budget| HistogramFigure {
        selection: selection.to_owned(),
        budget,
        classes: ["same variation", "same vanilla", "different vanilla"].map(class).to_vec(),
    };
    results.figures = Some(Figures {
        maps: vec![map(10.0), map(30.0), map(50.0)],
        histograms: ["random", "entropy"]
            .iter()
            .flat_map(|selection| [20, 100].map(|budget| histogram(selection, budget)))
            .collect(),
    });
    results
}

fn figure(name: FigureName) -> Figure {
    Figure::new(&results(), name).unwrap()
}

/// A row's texts, joined.
fn row(figure: &Figure, at: usize) -> String {
    figure.frame.texts(&figure.frame.rows[at]).collect::<Vec<_>>().join(" | ")
}

#[test]
fn every_figure_is_xml_with_a_title_and_the_same_each_time() {
    let results = results();
    for name in FigureName::ALL {
        let text = svg(&results, name).unwrap();
        assert_eq!(text, svg(&results, name).unwrap(), "{}", name.name());
        let document = Document::parse(&text).unwrap();
        let title = document
            .descendants()
            .find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title")));
        assert_eq!(title.and_then(|node| node.text()).unwrap(), figure(name).title);
        let coordinates = document
            .descendants()
            .flat_map(|node| node.attributes())
            .filter(|a| a.name() == "points");
        assert!(coordinates.into_iter().all(|a| !a.value().contains("NaN")), "{}", name.name());
    }
}

#[test]
fn names_with_markup_are_text_of_the_drawing() {
    let text = svg(&results(), FigureName::Tsne).unwrap();
    let document = Document::parse(&text).unwrap();
    let texts: Vec<&str> =
        document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    assert!(texts.contains(&"family <0>") && texts.contains(&"family <1>"), "{texts:?}");
}

#[test]
fn rates_and_their_bounds_are_those_of_the_results_in_percent() {
    assert_eq!(row(&figure(FigureName::Budget), 0), "FBI 30/70 | 100 | 78.3 | 76.6 | 80.9");
    assert_eq!(row(&figure(FigureName::Roc), 1), "FBI 30/70 | 100 | 0.1 | 50");
    assert_eq!(
        row(&figure(FigureName::Heatmap), 0),
        "vanilla | FBI 30/70 | 100 | 12 | 100 | 98.3 | 100"
    );
}

#[test]
fn without_intervals_bands_are_deviations() {
    let mut results = results();
    for at in results.fingerprints.iter_mut().flat_map(|f| &mut f.budgets) {
        at.tpr_randomised.ci95 = None;
    }
    let budget = Figure::new(&results, FigureName::Budget).unwrap();
    assert_eq!(row(&budget, 0), "FBI 30/70 | 100 | 78.3 | 77.7 | 78.9");
    assert!(budget.caption.contains("standard deviation"), "{}", budget.caption);
}

#[test]
fn strengths_ascend_and_kinds_with_one_are_left_out() {
    let strength = figure(FigureName::Strength);
    assert_eq!(strength.frame.distinct("variant"), ["prune/conv"]);
    let parameters: Vec<f64> = strength
        .frame
        .rows
        .iter()
        .filter_map(|row| strength.frame.number(row, "parameter"))
        .collect();
    assert_eq!(parameters, [[0.05; 6], [0.2; 6]].concat());
}

#[test]
fn infinite_distances_have_a_bin_of_their_own() {
    let histogram = figure(FigureName::Histogram);
    assert_eq!(row(&histogram, 0), "random | 20 | same variation | 0 | 0.25 | 6 | 60");
    assert_eq!(row(&histogram, 4), "random | 20 | same variation | ∞ | ∞ | 2 | 20");
    let shares = histogram.frame.rows.iter().filter_map(|row| histogram.frame.number(row, "share"));
    // Four histograms of three classes, each of which sums to 100 %.
    assert!((shares.sum::<f64>() - 1200.0).abs() < 1e-9);
}

#[test]
fn panels_hold_the_rows_of_their_choices() {
    let headings = |name| {
        figure(name)
            .panels()
            .into_iter()
            .map(|(heading, rows)| (heading, rows.len()))
            .collect::<Vec<_>>()
    };
    let expected = ["L = 20, random", "L = 20, entropy", "L = 100, random", "L = 100, entropy"];
    assert_eq!(headings(FigureName::Histogram), expected.map(|heading| (heading.to_owned(), 15)));
    assert_eq!(headings(FigureName::Roc), [(String::new(), 12)]);
    assert_eq!(headings(FigureName::Strength), [("prune/conv".to_owned(), 6)]);
    assert_eq!(headings(FigureName::Tsne), [(String::new(), 6)]);
}

#[test]
fn a_map_that_does_not_fit_the_models_is_not_drawn() {
    let mut results = results();
    results.figures.as_mut().unwrap().maps.iter_mut().for_each(|map| map.points.truncate(5));
    assert_eq!(Figure::new(&results, FigureName::Tsne), None);
}

#[test]
fn maps_of_many_models_say_how_many_are_drawn() {
    let mut results = results();
    let model = results.population.models[0].clone();
    results.population.models = vec![model; 10_000];
    let maps = &mut results.figures.as_mut().unwrap().maps;
    maps.iter_mut().for_each(|map| map.points = vec![[0.5, 0.5]; 10_000]);
    let map = Figure::new(&results, FigureName::Tsne).unwrap();
    assert_eq!(map.frame.rows.len(), 3 * distances::MOST_POINTS);
    assert!(map.caption.contains("Every 5th of 10,000 models"), "{}", map.caption);
    assert!(Document::parse(&map.svg().unwrap()).is_ok(), "all points in one place");
}

#[test]
fn a_figure_that_is_not_there_names_those_that_are() {
    let mut results = fixture::results();
    let message = |results: &Results, name| svg(results, name).unwrap_err().to_string();
    assert_eq!(
        message(&results, FigureName::Tsne),
        "these results hold no data for the figure `tsne`, which needs `perplexities` in the suite's [figures]; there is \
         budget, heatmap, roc"
    );
    results.fingerprints.clear();
    assert!(message(&results, FigureName::Roc).ends_with("there is no other figure"));
}

#[test]
fn specifications_name_columns_of_their_frame_and_nothing_of_the_suite_but_values() {
    fn walk(value: &Json, visit: &mut impl FnMut(&str, &Json)) {
        match value {
            Json::Object(object) => object.iter().for_each(|(key, value)| {
                visit(key, value);
                walk(value, visit);
            }),
            Json::Array(values) => values.iter().for_each(|value| walk(value, visit)),
            _ => {}
        }
    }
    for name in FigureName::ALL {
        let figure = figure(name);
        let keys: Vec<&str> = figure.frame.columns.iter().map(|column| column.key).collect();
        let data = vega::page_data(&figure);
        let mut fields = 0;
        walk(&data["spec"], &mut |key, value| match (key, value) {
            ("field", Json::String(field)) => {
                fields += 1;
                assert!(
                    keys.contains(&field.as_str()) || ["left", "right"].contains(&field.as_str()),
                    "{field}"
                );
            }
            ("calculate" | "labelExpr" | "test", Json::String(expression)) => {
                assert!(
                    !expression.contains("FBI") && !expression.contains("family <"),
                    "{expression}"
                );
            }
            _ => {}
        });
        assert!(fields > 2, "{}", name.name());
        for choice in &figure.choices {
            assert!(keys.contains(&choice.key), "{}", choice.key);
            if let Some(initial) = &choice.initial {
                assert!(figure.frame.distinct(choice.key).contains(initial), "{initial}");
            }
        }
    }
}

#[test]
fn decimals_are_no_longer_than_they_say() {
    let texts =
        [(0.05, 4), (100.0, 2), (78.3, 2), (1.0 / 3.0, 3), (20.0, 0)].map(|(v, n)| decimal(v, n));
    assert_eq!(texts, ["0.05", "100", "78.3", "0.333", "20"]);
}

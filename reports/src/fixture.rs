//! Results made by hand, with markup where a suite may put some.

use std::{path::Path, process::Command};

use bertillon_measure::results::{
    AgainstBest, BudgetResult, Companion, DrawResult, Enrolment, Evaluation, Failure,
    FingerprintResult, Fpr, ModelRow, Note, Population, Rate, Results, SCHEMA, Threshold,
    VariationResult,
};

pub(crate) fn results() -> Results {
    let mut results = Results {
        schema: SCHEMA,
        suite: "demo|<b>".to_owned(),
        seed: 2022,
        evaluation: Evaluation {
            task: "detection".to_owned(),
            protocol: "pooled".to_owned(),
            negatives: "all".to_owned(),
            false_positive_rate: 0.05,
            max_accuracy_drop: 0.15,
            primary_budget: 100,
            draws: 10,
            pool: 2000,
        },
        population: Population {
            vanillas: 12,
            variants: 1240,
            kept: 1231,
            positives: 1231,
            negatives: 13541,
            models: models(),
        },
        images: None,
        fingerprints: vec![
            fingerprint("FBI 30/70", "fbi", &["labels"], [0.783, 0.957], 0.0),
            fingerprint("Entropy", "fbi", &["labels", "peers"], [0.912, 0.968], 0.0),
            fingerprint(
                "IP-Guard | \u{1b}[31m`BP` *x*\n# y",
                "ip-guard",
                &["white box"],
                [0.581, 0.957],
                5000.0,
            ),
        ],
        published: None,
        identification: Vec::new(),
        sequential: Vec::new(),
        figures: None,
        pairs: None,
        checks: None,
        failures: vec![
            failure(
                "derive",
                "prune/conv/0.1 of lenet-a",
                Some("prune"),
                "out of memory | at 3 `GB`",
            ),
            failure("answer", "half of mlp-a", None, "3 of 640 logits are NaN"),
            failure(
                "derive",
                "prune/conv/0.2 of lenet-a",
                Some("prune"),
                "out of memory | at 3 `GB`",
            ),
        ],
        warnings: vec!["- 2 vanillas share\nan ancestry <script>".to_owned()],
    };
    compare(&mut results);
    results
}

/// Says what is the best; a difference up to two points is none, as far as anybody can tell.
fn compare(results: &mut Results) {
    let rates = |at: &BudgetResult| at.tpr_randomised.mean;
    for budget in 0..2 {
        let mut best = &results.fingerprints[0];
        for other in &results.fingerprints {
            if rates(&other.budgets[budget]) > rates(&best.budgets[budget]) {
                best = other;
            }
        }
        let (name, highest) = (best.name.clone(), rates(&best.budgets[budget]));
        for fingerprint in &mut results.fingerprints {
            let difference = rates(&fingerprint.budgets[budget]) - highest;
            let p =
                (fingerprint.name != name).then(|| if difference > -0.02 { 0.2 } else { 0.001 });
            fingerprint.budgets[budget].against_best = Some(AgainstBest {
                best: name.clone(),
                difference,
                ci95: p.map(|_| [difference - 0.01, difference + 0.01]),
                p,
                p_holm: p,
                tied_with_best: p.is_none_or(|p| p > 0.05),
            });
        }
    }
}

/// The same with names that break what does not expect them.
pub(crate) fn hostile() -> Results {
    let mut results = results();
    let names = [
        "\u{202e}txt.exe\u{2066} \u{1b}[2J\u{1b}]0;title\u{7} \u{9b}31m",
        "שלום עולם 100 مرحبا",
        "模型指纹识别方法比较,全角字符 ＆％",
    ];
    for (fingerprint, name) in results.fingerprints.iter_mut().zip(names) {
        fingerprint.name = name.to_owned();
    }
    let long = format!("{} \\end{{document}} \\input{{/etc/passwd}} $%&#_^~", "w".repeat(300));
    results.fingerprints[0].parameters = long.clone();
    results.suite = "a|b\n\\section{x} `c` <img src=x> [l](javascript:1) 👩‍👩‍👧 e\u{301} %".to_owned();
    for at in results.fingerprints.iter_mut().flat_map(|f| &mut f.budgets) {
        at.variations[0].kind = "ガウス雑音".to_owned();
        at.variations[2].kind = "\t=cmd|' /C calc'!A0".to_owned();
        at.variations[3].detail = Some(long.clone());
        at.variations[3].parameter = None;
    }
    results.warnings.push(long);
    results.warnings.push("\\\\[3pt] \\verb|x| --- ,, ''".to_owned());
    results
}

/// So many fingerprints, and kinds of variants at each budget.
pub(crate) fn large(fingerprints: usize, kinds: usize) -> Results {
    let mut results = results();
    let one = results.fingerprints[0].clone();
    results.fingerprints = (0..fingerprints)
        .map(|index| {
            let mut one = FingerprintResult { name: format!("Method {index}"), ..one.clone() };
            for at in &mut one.budgets {
                let row = at.variations[0].clone();
                at.variations = (0..kinds)
                    .map(|kind| VariationResult { kind: format!("kind {kind}"), ..row.clone() })
                    .collect();
            }
            one
        })
        .collect();
    results
}

/// So many models, a third of them unchanged, a third copies, a third failed each for a reason of its own.
pub(crate) fn many_models(count: usize) -> Results {
    let mut results = results();
    let one = results.population.models[5].clone();
    results.population.models = (0..count)
        .map(|index| ModelRow {
            name: format!("prune/{index} of family-{}", index % 100),
            family: format!("family-{}", index % 100),
            kind: format!("prune-{}", index % 70),
            unchanged: index % 3 == 0,
            kept: index % 3 == 1,
            agreement: (index % 3 == 1).then_some(1.0),
            ..one.clone()
        })
        .collect();
    results.failures = (0..count)
        .map(|index| {
            let reason =
                if index % 2 == 0 { "too large".to_owned() } else { format!("case {index}") };
            failure("derive", &format!("model {index}"), Some("prune"), &reason)
        })
        .collect();
    results
}

/// Runs one of this crate's Python scripts on a folder; says what is skipped where there is no pandas.
pub(crate) fn check_with_pandas(script: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let pandas = Command::new("python3").args(["-c", "import pandas"]).output();
    if !pandas.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3 with pandas");
        return;
    }
    let output = Command::new("python3").arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn fingerprint(
    name: &str,
    method: &str,
    knowledge: &[&str],
    means: [f64; 2],
    gradients: f64,
) -> FingerprintResult {
    let crafts = gradients > 0.0;
    let note = |name: &str, value| Note { name: name.to_owned(), value };
    FingerprintResult {
        name: name.to_owned(),
        method: method.to_owned(),
        parameters: if crafts { "attack.name = bp".to_owned() } else { String::new() },
        access: "top1".to_owned(),
        knowledge: knowledge.iter().map(|word| (*word).to_owned()).collect(),
        rehearsed: Vec::new(),
        positives: 1231,
        negatives: 13541,
        failed: if crafts { 24 } else { 0 },
        enrolment: Enrolment {
            forwards: gradients * 2.0,
            gradients,
            notes: match crafts {
                true => {
                    vec![note("converged, %", Some(98.5)), note("distortion, L2", Some(0.691_2))]
                }
                false => Vec::new(),
            },
        },
        budgets: vec![budget(100, means[0], crafts), budget(200, means[1], crafts)],
    }
}

fn budget(budget: usize, mean: f64, crafts: bool) -> BudgetResult {
    let three_digits = |share: f64| (1000.0 * share).round() / 1000.0;
    let rate = |mean: f64| Rate {
        mean: three_digits(mean),
        sd: Some(0.006),
        ci95: Some([mean - 0.017, mean + 0.026].map(|bound| three_digits(bound.clamp(0.0, 1.0)))),
    };
    let row = |kind: &str, detail: Option<&str>, parameter: Option<&str>, positives, mean: f64| {
        VariationResult {
            kind: kind.to_owned(),
            detail: detail.map(str::to_owned),
            parameter: parameter.map(str::to_owned),
            group: "weights".to_owned(),
            rehearsed: kind == "finetune" || (kind == "half" && crafts),
            positives,
            tpr: rate((mean - 0.01).max(0.0)),
            tpr_randomised: rate(mean),
            against_best: None,
        }
    };
    BudgetResult {
        budget,
        draws: 10,
        ddof: 1,
        tpr: rate(mean - 0.003),
        tpr_randomised: rate(mean),
        tpr_without_vanillas: Some(rate(mean - 0.01)),
        fpr: Fpr { target: 0.05, mean: 0.049_87, ci95: None },
        companion: Some(Companion {
            protocol: "leave-one-family-out".to_owned(),
            tpr: rate(mean - 0.009),
            tpr_randomised: rate(mean - 0.005),
            fpr: Fpr { target: 0.05, mean: 0.054_7, ci95: Some([0.041_2, 0.070_3]) },
        }),
        by_draw: vec![DrawResult { queries: "00ff".to_owned(), tpr: mean, tpr_randomised: mean }],
        threshold: Threshold { mean: Some(0.83) },
        auc: Some(0.981_2),
        roc: vec![[0.0, 0.5], [1.0, 1.0]],
        variations: vec![
            row("prune", Some("conv"), None, 330, mean),
            row("prune", Some("conv"), Some("0.2"), 110, mean),
            row("half", None, None, if crafts { 9 } else { 12 }, 1.0),
            row("jpeg", None, None, 4, if crafts { 0.0 } else { 0.75 }),
            row("finetune", Some("all"), None, 120, mean - 0.1),
            row("vanilla", None, None, 12, 1.0),
        ],
        overlap: Some(0.05),
        groups: Vec::new(),
        against: Vec::new(),
        against_best: None,
        hits: None,
    }
}

fn models() -> Vec<ModelRow> {
    let model = |kind: &str, detail: Option<&str>, parameter: Option<&str>, family: &str| {
        let parts = [Some(kind), detail, parameter];
        let variation: Vec<&str> = parts.into_iter().flatten().collect();
        ModelRow {
            name: format!("{} of {family}", variation.join("/")),
            family: family.to_owned(),
            kind: kind.to_owned(),
            detail: detail.map(str::to_owned),
            parameter: parameter.map(str::to_owned),
            group: "weights".to_owned(),
            accuracy: Some(0.9),
            agreement: Some(0.97),
            kept: true,
            changes: None,
            unchanged: false,
        }
    };
    let prune = |parameter, family| model("prune", Some("conv"), Some(parameter), family);
    vec![
        ModelRow { accuracy: None, kept: false, ..prune("0.1", "lenet-a") },
        ModelRow { accuracy: None, kept: false, ..prune("0.2", "lenet-a") },
        ModelRow { accuracy: Some(0.3), kept: false, ..prune("0.3", "lenet-a") },
        ModelRow { kept: false, unchanged: true, ..prune("0.3", "mlp-a") },
        ModelRow { accuracy: Some(0.4), kept: false, ..model("jpeg", None, Some("10"), "lenet-a") },
        model("jpeg", None, Some("90"), "lenet-a"),
    ]
}

fn failure(step: &str, subject: &str, plugin: Option<&str>, reason: &str) -> Failure {
    Failure {
        step: step.to_owned(),
        subject: subject.to_owned(),
        plugin: plugin.map(str::to_owned),
        reason: reason.to_owned(),
    }
}

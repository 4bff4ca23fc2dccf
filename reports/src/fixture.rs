//! Results made by hand, with markup where a suite may put some.

use bertillon_measure::results::{
    BudgetResult, Companion, DrawResult, Enrolment, Evaluation, Failure, FingerprintResult, Fpr,
    ModelRow, Note, Population, Rate, Results, SCHEMA, Threshold, VariationResult,
};

pub(crate) fn results() -> Results {
    Results {
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
    }
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

//! Reading what is judged: `task` and the tables of the tasks that have one.

use super::{
    Goal, IdentificationUse, IdentifyBy, Located, SequentialScore, SequentialUse, Task,
    section::{Item, Mistakes, Section},
    values,
};

/// The authors of FBI drop 5 of 35 families.
const DEFAULT_UNKNOWN: f64 = 1.0 / 7.0;

const TASKS: [(&str, Task); 3] = [
    ("detection", Task::Detection),
    ("identification", Task::Identification),
    ("sequential", Task::Sequential),
];

/// `task`: one word or several.
pub(super) fn tasks(item: &Item<'_>, mistakes: &mut Mistakes) -> Vec<Task> {
    words(item, "task", &TASKS, mistakes)
}

/// `[evaluation.identification]`.
pub(super) fn identification(
    item: Option<&Item<'_>>,
    tasks: &[Task],
    mistakes: &mut Mistakes,
) -> IdentificationUse {
    let section = section(item, Task::Identification, tasks, mistakes);
    let Some(mut section) = section else {
        return IdentificationUse { by: vec![IdentifyBy::Family], unknown: DEFAULT_UNKNOWN };
    };
    let by = section.take("by").map(|item| {
        let words = [("family", IdentifyBy::Family), ("variation", IdentifyBy::Variation)];
        self::words(item, "by", &words, mistakes)
    });
    let unknown = section.take("unknown").and_then(|item| {
        let inside = |share: f64| (0.0..1.0).contains(&share);
        values::number(item, "unknown", "[0, 1), a share of the families", inside, mistakes)
    });
    section.refuse_rest(mistakes);
    IdentificationUse {
        by: by.unwrap_or_else(|| vec![IdentifyBy::Family]),
        unknown: unknown.unwrap_or(DEFAULT_UNKNOWN),
    }
}

/// `[evaluation.sequential]`.
pub(super) fn sequential(
    item: Option<&Item<'_>>,
    tasks: &[Task],
    mistakes: &mut Mistakes,
) -> SequentialUse {
    let defaults = SequentialUse {
        goals: vec![Goal::Detection, Goal::Family],
        scores: vec![SequentialScore::Mean],
        top_k: vec![Located { value: 1, at: 0..0 }],
    };
    let Some(mut section) = section(item, Task::Sequential, tasks, mistakes) else {
        return defaults;
    };
    let goals = section.take("goals").map(|item| {
        let words = [
            ("detection", Goal::Detection),
            ("family", Goal::Family),
            ("variation", Goal::Variation),
            ("model", Goal::Model),
        ];
        self::words(item, "goals", &words, mistakes)
    });
    let scores = section.take("scores").map(|item| {
        let words = [
            ("mean", SequentialScore::Mean),
            ("worst", SequentialScore::Worst),
            ("best", SequentialScore::Best),
        ];
        self::words(item, "scores", &words, mistakes)
    });
    let top_k = section.take("top_k").map(|item| values::counts(item, "top_k", mistakes));
    section.refuse_rest(mistakes);
    SequentialUse {
        goals: goals.unwrap_or(defaults.goals),
        scores: scores.unwrap_or(defaults.scores),
        top_k: top_k.unwrap_or(defaults.top_k),
    }
}

/// The table of a task, which must be among those asked.
fn section<'a>(
    item: Option<&'a Item<'a>>,
    task: Task,
    tasks: &[Task],
    mistakes: &mut Mistakes,
) -> Option<Section<'a>> {
    let item = item?;
    if !tasks.contains(&task) {
        mistakes.add(
            item.span(),
            format!("`[evaluation.{}]` is set, and nobody asks for it", task.word()),
            "without effect",
            Some(format!("add `{}` to `task`, or remove the table", task.word())),
        );
    }
    Section::of(format!("[evaluation.{}]", task.word()), item, mistakes)
}

/// One of a few words, or a list of some of them without repetition.
fn words<T: Copy + PartialEq>(
    item: &Item<'_>,
    key: &str,
    words: &[(&str, T)],
    mistakes: &mut Mistakes,
) -> Vec<T> {
    let Some(items) = item.get_ref().as_array() else {
        return values::word(item, key, words, mistakes).into_iter().collect();
    };
    if items.is_empty() {
        mistakes.add(item.span(), format!("`{key}` is empty"), "name at least one", None);
    }
    let mut chosen: Vec<T> = Vec::new();
    for item in items {
        let Some(word) = values::word(item, key, words, mistakes) else {
            continue;
        };
        if chosen.contains(&word) {
            mistakes.add(item.span(), format!("given twice in `{key}`"), "again", None);
        }
        chosen.push(word);
    }
    chosen
}

//! The answers that the FBI paper's authors recorded, where they are at hand.

use std::collections::BTreeMap;

use super::*;

/// The published folder beside the repository.
fn published() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fbi-predictions");
    if !folder.is_dir() {
        println!("skipped: no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Labels of a file by the layout that all of these have: 128 bytes, then integers of 64 bits.
fn independent(path: &Path) -> Vec<u16> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[127], b'\n');
    let items = bytes[128..].chunks(8);
    items.map(|b| u16::try_from(u64::from_le_bytes(b.try_into().unwrap())).unwrap()).collect()
}

#[test]
fn the_papers_answers_are_781_models_in_23_families() {
    let Some(folder) = published() else { return };
    let parameters =
        Parameters { path: folder.clone(), layout: Some(Layout::Fbi), ..Parameters::default() };
    let collection = RecordedAnswers::configure(parameters).unwrap();
    assert_eq!(collection.vanillas().len(), 23);
    assert!(collection.vanillas().iter().all(|vanilla| vanilla.classes == 1000));
    let split = ImageSource::load(&collection, &ImageRequest::default()).unwrap();
    assert_eq!(split.pool.truth[..], independent(&folder.join("ground_truth.npy")));
    let scratch = tempfile::tempdir().unwrap();
    let recorded = collection.recorded(scratch.path()).unwrap().unwrap();
    let mut kinds = BTreeMap::new();
    for model in &recorded {
        let kind = model.variation.as_ref().map_or("vanilla", |variation| &variation.kind);
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let expected = [
        ("finetune", 46),
        ("half", 22),
        ("histogram", 23),
        ("jpeg", 161),
        ("posterize", 115),
        ("prune", 253),
        ("randomized-smoothing", 138),
        ("vanilla", 23),
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(recorded.len(), 781);
    for (model, (_, member)) in recorded.iter().zip(&collection.population.members) {
        assert!(
            model.answers.as_slice() == independent(&folder.join(&member.file)),
            "{}",
            member.file
        );
    }
    // Spot: the file's name and the model's are one.
    let position = |file: &str| {
        collection.population.members.iter().position(|(_, m)| m.file == file).unwrap()
    };
    let pruned = &recorded[position("PRUNE-dpn92-last-0.95.npy")];
    assert_eq!(collection.vanillas()[pruned.family].name, "dpn92");
    assert_eq!(pruned.variation.as_ref().unwrap().to_string(), "prune/last/0.95");
    drop(collection);
    // The pack tells the same.
    let parameters =
        Parameters { path: folder, layout: Some(Layout::Fbi), ..Parameters::default() };
    let again = RecordedAnswers::configure(parameters).unwrap();
    let packed = again.recorded(scratch.path()).unwrap().unwrap();
    let same = recorded
        .iter()
        .zip(&packed)
        .all(|(a, b)| a.answers == b.answers && a.variation == b.variation);
    assert!(same && packed.len() == 781);
}

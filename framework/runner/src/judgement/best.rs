//! Which fingerprints can't be told apart from the best: at each budget, and by kind of variant at the primary one.

use bertillon::{
    evaluation::{Contender, Replicated, against_best},
    results::{AgainstBest, FingerprintResult},
};

/// A rate's place among the results: fingerprint, budget, row of its replicates (0 over all, then by kind).
type Place = [usize; 3];

/// Compares the fingerprints of every table; `replicated` has an entry for each budget result, in order.
pub(super) fn compare(
    fingerprints: &mut [FingerprintResult],
    replicated: Vec<Vec<Replicated>>,
    primary: usize,
) {
    let mut replicated = replicated.into_iter();
    let replicated: Vec<Vec<Vec<Replicated>>> =
        fingerprints.iter().map(|f| replicated.by_ref().take(f.budgets.len()).collect()).collect();
    for table in tables(fingerprints, primary) {
        let contender = |&[fingerprint, budget, row]: &Place| {
            let result = &fingerprints[fingerprint];
            let at = &result.budgets[budget];
            let rate = match row.checked_sub(1) {
                None => &at.tpr_randomised,
                Some(kind) => &at.variations[kind].tpr_randomised,
            };
            let replicated = replicated[fingerprint][budget].get(row)?;
            Some(Contender { name: &result.name, rate: rate.mean, replicated })
        };
        let Some(contenders) = table.iter().map(contender).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let compared = against_best(&contenders);
        // Where nothing could be tested, for want of families, nobody is called the best either.
        if compared.iter().all(|compared| compared.p.is_none()) {
            continue;
        }
        for (place, compared) in table.iter().zip(compared) {
            *field(fingerprints, *place) = Some(compared);
        }
    }
}

/// The rates that stand in one column or row of a report each.
fn tables(fingerprints: &[FingerprintResult], primary: usize) -> Vec<Vec<Place>> {
    let mut tables: Vec<(Heading<'_>, Vec<Place>)> = Vec::new();
    let mut add = |heading, place| match tables.iter_mut().find(|(known, _)| *known == heading) {
        Some((_, places)) => places.push(place),
        None => tables.push((heading, vec![place])),
    };
    for (index, fingerprint) in fingerprints.iter().enumerate() {
        for (budget, at) in fingerprint.budgets.iter().enumerate() {
            add(Heading::Budget(at.budget), [index, budget, 0]);
            let kinds = at.variations.iter().take_while(|row| row.parameter.is_none());
            for (row, kind) in kinds.enumerate().filter(|_| at.budget == primary) {
                add(Heading::Kind(&kind.kind, kind.detail.as_deref()), [index, budget, row + 1]);
            }
        }
    }
    tables.into_iter().map(|(_, places)| places).collect()
}

/// What the rates of a table have in common.
#[derive(PartialEq)]
enum Heading<'a> {
    Budget(usize),
    Kind(&'a str, Option<&'a str>),
}

fn field(fingerprints: &mut [FingerprintResult], place: Place) -> &mut Option<AgainstBest> {
    let [fingerprint, budget, row] = place;
    let at = &mut fingerprints[fingerprint].budgets[budget];
    match row.checked_sub(1) {
        None => &mut at.against_best,
        Some(kind) => &mut at.variations[kind].against_best,
    }
}

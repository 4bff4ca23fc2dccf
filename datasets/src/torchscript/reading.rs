//! Single values of a manifest, read with their place.

use std::ops::Range;

use bertillon::suite::{
    section::{Item, Mistakes, Section},
    values,
};
use toml::de::DeValue;

/// A value and where it stands.
pub(super) type Placed<T> = (T, Range<usize>);

/// The value of `key`, read by `read`.
pub(super) fn take<'a, T>(
    section: &mut Section<'a>,
    key: &'static str,
    mistakes: &mut Mistakes,
    read: impl Fn(&'a Item<'a>, &str, &mut Mistakes) -> Option<T>,
) -> Option<T> {
    section.take(key).and_then(|item| read(item, key, mistakes))
}

/// `true` or `false`.
pub(super) fn flag(item: &Item<'_>, key: &str, mistakes: &mut Mistakes) -> Option<bool> {
    let found = item.get_ref().as_bool();
    found.or_else(|| values::wrong_type(item, key, "true or false", mistakes))
}

/// A number for all channels, or a list of one each.
pub(super) fn numbers(
    item: &Item<'_>,
    key: &str,
    mistakes: &mut Mistakes,
) -> Option<Placed<Vec<f64>>> {
    let any = |item: &Item<'_>, mistakes: &mut Mistakes| {
        values::number(item, key, "the finite numbers", |_| true, mistakes)
    };
    let found = match item.get_ref() {
        DeValue::Array(items) => {
            // Not `collect` into an option: every item is to be looked at.
            let numbers: Vec<_> = items.iter().map(|item| any(item, mistakes)).collect();
            numbers.into_iter().collect::<Option<Vec<_>>>()?
        }
        DeValue::Integer(_) | DeValue::Float(_) => vec![any(item, mistakes)?],
        _ => return values::wrong_type(item, key, "a number, or a list of them", mistakes),
    };
    Some((found, item.span()))
}

/// A list of just so many whole numbers of at least 1.
pub(super) fn sizes<const N: usize>(
    item: &Item<'_>,
    key: &str,
    form: &str,
    mistakes: &mut Mistakes,
) -> Option<Placed<[usize; N]>> {
    let items = values::list(item, key, mistakes)?;
    let sizes: Vec<_> = items.iter().map(|item| values::count(item, key, mistakes)).collect();
    let sizes: Vec<usize> =
        sizes.into_iter().map(|size| size.map(|size| size.value)).collect::<Option<_>>()?;
    let count = sizes.len();
    let sizes = <[usize; N]>::try_from(sizes).ok();
    if sizes.is_none() {
        let message = format!("`{key}` has {count} numbers, must be {form}");
        mistakes.add(item.span(), message, format!("must be {form}"), None);
    }
    sizes.map(|sizes| (sizes, item.span()))
}

//! `bertillon cache`.

use std::{path::PathBuf, time::Duration};

use bertillon_runner::Retention;
use clap::{Args, Subcommand, ValueHint};

use super::suite::cache_of;
use crate::{
    failure::{Failure, Outcome},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tells what it holds
    Stat(Place),
    /// Reads every object and compares it with its digest; ends with exit code 1 where one is damaged
    Verify {
        #[command(flatten)]
        place: Place,
        /// Removes damaged objects; whoever needs them computes them anew
        #[arg(long)]
        remove: bool,
    },
    /// Removes what was not used lately; what was used within the last hour always stays
    Gc {
        #[command(flatten)]
        place: Place,
        /// Removes what was not used for longer: `12h`, `30d`
        #[arg(long, value_name = "TIME", value_parser = age, required_unless_present = "max_size")]
        max_age: Option<Duration>,
        /// Removes what was not used longest until so much is left: `500MB`, `20GB`
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<u64>,
        /// Only tells what would go
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The cache [default: .bertillon/cache]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    match &arguments.action {
        Action::Stat(place) => stat(place),
        Action::Verify { place, remove } => verify(place, *remove),
        Action::Gc { place, max_age, max_size, dry_run } => {
            let retention =
                Retention { max_age: *max_age, max_bytes: *max_size, dry_run: *dry_run };
            gc(place, &retention)
        }
    }
}

fn stat(place: &Place) -> Result<Outcome, Failure> {
    let sizes = bertillon_runner::cache_sizes(&cache_of(place.cache.as_deref())?)?;
    let row =
        |name: &str, objects: u64, size: u64| [name.to_owned(), objects.to_string(), bytes(size)];
    let mut rows: Vec<[String; 3]> =
        sizes.kinds.iter().map(|kind| row(kind.name, kind.objects, kind.bytes)).collect();
    rows.push(row("all", sizes.objects(), sizes.bytes()));
    output::print(&output::table(["Kind", "Objects", "Size"], rows, 1))?;
    if let Some(unused) = sizes.unused_for {
        let time = output::duration(unused.as_secs_f64());
        output::print(&format!("the longest unused was used {time} ago\n"))?;
    }
    Ok(Outcome::Done)
}

fn verify(place: &Place, remove: bool) -> Result<Outcome, Failure> {
    let check = bertillon_runner::cache_check(&cache_of(place.cache.as_deref())?, remove)?;
    for (path, problem) in &check.damaged {
        output::print(&format!("{}: {problem}\n", path.display()))?;
    }
    let damaged = check.damaged.len();
    let removed = match (damaged, remove) {
        (0, _) => "",
        (_, true) => ", removed",
        (_, false) => ": --remove removes them, and whoever needs them computes them anew",
    };
    output::print(&format!(
        "{} intact, {damaged} damaged{removed}; {} packs, which are checked when they are loaded\n",
        output::counted(usize::try_from(check.intact).unwrap_or(usize::MAX), "object", "objects"),
        check.packs
    ))?;
    Ok(if damaged == 0 { Outcome::Done } else { Outcome::GateFailed })
}

fn gc(place: &Place, retention: &Retention) -> Result<Outcome, Failure> {
    let removal = bertillon_runner::cache_gc(&cache_of(place.cache.as_deref())?, retention)?;
    let verb = if retention.dry_run { "would go" } else { "removed" };
    let mut text = format!(
        "{} objects {verb} ({}), {} stay ({})",
        removal.removed,
        bytes(removal.removed_bytes),
        removal.kept,
        bytes(removal.kept_bytes)
    );
    if removal.in_use > 0 {
        text.push_str(&format!("; {} of these were used within the last hour", removal.in_use));
    }
    output::print(&format!("{text}\n"))?;
    Ok(Outcome::Done)
}

const UNITS: [(&str, u64); 4] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

fn bytes(size: u64) -> String {
    match UNITS.iter().find(|(_, unit)| size >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", size as f64 / *unit as f64),
        None => format!("{size} B"),
    }
}

/// A size in bytes, kB, MB, GB or TB of powers of 1,000.
fn size(text: &str) -> Result<u64, String> {
    let units = UNITS.iter().copied().chain([("B", 1), ("", 1)]);
    let parsed = units.into_iter().find_map(|(name, unit)| {
        let number = text.strip_suffix(name)?.trim().parse::<f64>().ok()?;
        let size = number * unit as f64;
        (number.is_finite() && (0.0..1e18).contains(&size)).then_some(size)
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e18")]
    parsed.map(|size| size as u64).ok_or_else(|| "use a size as `500MB` or `20GB`".to_owned())
}

/// A time in seconds, minutes, hours, days or weeks.
fn age(text: &str) -> Result<Duration, String> {
    const UNITS: [(char, f64); 5] =
        [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86400.0), ('w', 604_800.0)];
    let parsed = UNITS.iter().find_map(|&(name, unit)| {
        let number = text.strip_suffix(name)?.trim().parse::<f64>().ok()?;
        Duration::try_from_secs_f64(number * unit).ok()
    });
    parsed.ok_or_else(|| "use a time as `12h` or `30d` (s, m, h, d, w)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(size("500MB"), Ok(500_000_000));
        assert_eq!(size("1.5 GB"), Ok(1_500_000_000));
        assert_eq!(size("12"), Ok(12));
        assert!(["", "MB", "-1GB", "1XB", "inf", "NaN", "1e30TB"].iter().all(|t| size(t).is_err()));
        assert_eq!(age("12h"), Ok(Duration::from_secs(12 * 3600)));
        assert_eq!(age("0.5d"), Ok(Duration::from_secs(12 * 3600)));
        assert!(["", "12", "-1h", "1y", "1e30d", "NaNs"].iter().all(|t| age(t).is_err()));
        assert_eq!((bytes(999), bytes(1_250_000)), ("999 B".to_owned(), "1.2 MB".to_owned()));
    }
}

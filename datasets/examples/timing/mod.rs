//! Wall and processor time of work that is repeated.

use std::{
    fs,
    time::{Duration, Instant},
};

use bertillon::Result;

/// The least wall time and the least processor time of so many repetitions, in words.
pub(crate) fn least(times: usize, mut work: impl FnMut() -> Result<()>) -> Result<String> {
    let (mut wall, mut processor) = (Duration::MAX, Duration::MAX);
    for _ in 0..times {
        let (started, before) = (Instant::now(), processor_time());
        work()?;
        wall = wall.min(started.elapsed());
        processor = processor.min(processor_time().saturating_sub(before));
    }
    Ok(format!("{wall:.2?} wall, {processor:.2?} processor"))
}

/// Of all threads, as Linux counts it; zero elsewhere.
fn processor_time() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let ran = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    ran.sum()
}

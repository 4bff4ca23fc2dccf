//! A line of bars for a terminal.

/// From the lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Rates that differ by less than this fill no more than the line's height in proportion: noise looks like noise.
const LEAST_SPAN: f64 = 0.1;

/// The last `most` values, between their smallest and largest, or a tenth apart if that is more.
pub fn sparkline(values: &[f64], most: usize) -> String {
    let values = &values[values.len().saturating_sub(most)..];
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(LEAST_SPAN);
    // The middle of what is seen lies in the middle of the line.
    let bottom = (low + high - span) / 2.0;
    // What lies on a border by rounding belongs above it.
    let share = |value: f64| (value - bottom) / span + 1e-9;
    let bar = |value: f64| match value.is_finite() {
        true => {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number from 0 to 7")]
            #[expect(clippy::cast_sign_loss, reason = "a whole number from 0 to 7")]
            let step = (share(value) * 8.0).floor().clamp(0.0, 7.0) as usize;
            BARS[step]
        }
        false => ' ',
    };
    values.iter().copied().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_with_rates() {
        assert_eq!(sparkline(&[0.0, 0.5, 1.0], 10), "▁▅█");
        assert_eq!(sparkline(&[0.0, 0.5, 1.0], 2), "▁█", "the last two fill the height anew");
    }

    #[test]
    fn noise_stays_flat_and_nothing_is_empty() {
        assert_eq!(sparkline(&[0.900, 0.901, 0.899], 10), "▅▅▄");
        assert_eq!(sparkline(&[0.5], 10), "▅");
        assert_eq!(sparkline(&[], 10), "");
        assert_eq!(sparkline(&[0.5, f64::NAN], 10), "▅ ");
    }
}

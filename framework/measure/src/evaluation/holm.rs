//! Several tests at once.

/// Chances adjusted for their number: none that is below a level after this is a false alarm, but with that chance
/// at most for all together (Holm 1979, *A simple sequentially rejective multiple test procedure*).
pub(crate) fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]));
    let mut adjusted = vec![1.0; chances.len()];
    let mut least: f64 = 0.0;
    for (rank, &place) in order.iter().enumerate() {
        least = least.max(chances[place] * (chances.len() - rank) as f64);
        adjusted[place] = least.min(1.0);
    }
    adjusted
}

//! Several claims at once.

/// Adjusts p-values so that, with all claims whose adjusted p-value is at most α, the chance that any is false is at most α.
///
/// S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979). They
/// come back in the order given; what is no number counts as 1.
pub fn adjusted(p_values: &[f64]) -> Vec<f64> {
    let valid = |p: f64| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) };
    let mut order: Vec<(usize, f64)> = p_values.iter().map(|p| valid(*p)).enumerate().collect();
    order.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut largest = 0.0_f64;
    for (rank, (_, p)) in order.iter_mut().enumerate() {
        largest = largest.max((*p * (p_values.len() - rank) as f64).min(1.0));
        *p = largest;
    }
    order.sort_by_key(|(place, _)| *place);
    order.into_iter().map(|(_, p)| p).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_claims_nothing() {
        assert_eq!(adjusted(&[]), Vec::<f64>::new());
        assert_eq!(adjusted(&[f64::NAN, 0.01]), [1.0, 0.02]);
    }
}

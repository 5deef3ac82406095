//! How a cost grows.

/// Returns the exponent with which a time grows with a size: the slope of the logarithms of such
/// pairs, by least squares.
pub fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(size, time)| (size.ln(), time.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let above: f64 = logs.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    let below: f64 = logs.iter().map(|it| (it.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::exponent;

    #[test]
    fn the_exponent_of_a_line_is_one_and_of_a_flat_one_none() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(exponent(&[(10.0, 5.0), (100.0, 50.0), (1000.0, 500.0)]), 1.0));
        assert!(close(exponent(&[(10.0, 5.0), (1000.0, 5.0)]), 0.0));
    }
}

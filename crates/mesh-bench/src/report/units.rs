//! Figures as text, and counts as figures.

/// Nanoseconds as microseconds.
pub fn micros(nanos: u64) -> f64 {
    ratio(nanos, 1_000)
}

/// One count by another.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a run stay far below 2^52"
)]
pub fn ratio(count: u64, by: u64) -> f64 {
    count as f64 / by as f64
}

/// A time in microseconds as text.
pub fn duration(micros: f64) -> String {
    match micros {
        0.0..1_000.0 => format!("{micros:.0} µs"),
        1_000.0..100_000.0 => format!("{:.2} ms", micros / 1e3),
        100_000.0..1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Bytes as text.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        0.0..1e3 => format!("{bytes:.0} bytes"),
        1e3..1e6 => format!("{:.1} KB", bytes / 1e3),
        1e6..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}

/// A number with commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a run are positive and small"
)]
pub fn round(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(
            [999.4, 1_234.0, 250_000.0, 2e6].map(duration),
            ["999 µs", "1.23 ms", "250 ms", "2.00 s"]
        );
        assert_eq!(
            [12.0, 4_200.0, 3.3e6, 2e9].map(bytes),
            ["12 bytes", "4.2 KB", "3.3 MB", "2.00 GB"]
        );
    }
}

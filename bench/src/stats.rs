//! Medians, spreads and ratios, and how they are written.

use std::time::Duration;

/// Measurements of one thing, in one unit.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    pub fn push_ms(&mut self, value: Duration) {
        self.push(value.as_secs_f64() * 1000.0);
    }

    pub fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            len if len % 2 == 1 => self.0[len / 2],
            len => (self.0[len / 2 - 1] + self.0[len / 2]) / 2.0,
        }
    }

    /// `12.3 (11.9–14.0)`: the median between the least and the most.
    pub fn spread(&self) -> String {
        match (self.0.first(), self.0.last()) {
            (Some(least), Some(most)) if least != most => {
                format!("{} ({}–{})", number(self.median()), number(*least), number(*most))
            }
            _ => number(self.median()),
        }
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sample = Self::default();
        values.into_iter().for_each(|value| sample.push(value));
        sample
    }
}

/// Three digits that matter; thousands with a thin gap.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "—".into(),
        0.0 => "0".into(),
        size if size < 1.0 => format!("{value:.2}"),
        size if size < 10.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| std::str::from_utf8(group).unwrap_or_default())
                .collect();
            format!("{sign}{}", groups.join(","))
        }
    }
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// How many times as much as `ours`.
pub fn ratio(theirs: f64, ours: f64) -> String {
    match theirs / ours {
        ratio if !ratio.is_finite() => "—".into(),
        ratio if ratio >= 100.0 => format!("×{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("×{ratio:.1}"),
        ratio => format!("×{ratio:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, expected) in
            [(0.0, "0"), (0.123, "0.12"), (9.96, "10.0"), (123.4, "123"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(number(value), expected);
        }
        assert_eq!(ratio(30.0, 20.0), "×1.50");
        assert_eq!([3.0, 1.0, 2.0].into_iter().collect::<Sample>().spread(), "2.0 (1.0–3.0)");
    }
}

//! Timestamps in milliseconds. All come from the server's clock (docs/compatibility.md, must keep 5).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A time of the server's clock, in milliseconds since the Unix epoch. `Display` has the
/// API's form `2026-11-21T04:40:35.740Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// `seconds` seconds after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// Parses an ISO 8601 time with an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        Some(Self(at.as_millisecond()))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: the unit of the liveness rules.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// `seconds` later.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0 + seconds as i64 * 1000)
    }

    /// `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// `millis` milliseconds later, or earlier if negative.
    #[must_use]
    pub const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The next millisecond.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A step of the server's clock: it went from one time to another at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The clock's time before.
    pub from: Timestamp,
    /// The clock's time after.
    pub to: Timestamp,
}

impl ClockStep {
    /// A step by `millis` milliseconds, back if negative.
    pub const fn new(from: Timestamp, millis: i64) -> Self {
        let to = from.shifted(millis);
        Self { from, to }
    }

    /// Its size in milliseconds; negative for a step back.
    pub const fn millis(self) -> i64 {
        self.to.0 - self.from.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant =
            jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{instant:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_displayed_in_utc_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_766_915_894_726).to_string(),
            "2025-12-28T09:58:14.726Z"
        );
        assert_eq!(
            Timestamp::from_seconds(1_766_915_894).to_string(),
            "2025-12-28T09:58:14.000Z"
        );
    }

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(Timestamp::from_millis(1999).seconds(), 1);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
    }
}

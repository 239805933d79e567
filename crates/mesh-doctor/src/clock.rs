//! The difference between two clocks.

use jiff::Timestamp;

/// Milliseconds of a second.
const MILLIS: f64 = 1000.0;

/// By how many seconds the server's clock is ahead, asked between two times of this one.
pub fn ahead(server: Timestamp, before: Timestamp, after: Timestamp) -> f64 {
    let middle = i64::midpoint(before.as_millisecond(), after.as_millisecond());
    let far = i64::from(i32::MAX);
    let millis = (server.as_millisecond() - middle).clamp(-far, far);
    f64::from(i32::try_from(millis).unwrap_or(i32::MAX)) / MILLIS
}

/// This device's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule is the server's: its tests move the clock"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

//! AppSync's scalar for dates with times.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::model::time::Timestamp;

const EXPECTED: &str =
    "an ISO 8601 date and time with an offset is wanted, such as 2026-11-21T04:40:35.740Z";

/// An ISO 8601 date and time with an offset, kept as it was sent.
#[derive(Clone, Debug)]
pub struct AwsDateTime(pub String);

/// An ISO 8601 date and time with an offset, such as `2026-11-21T04:40:35.740Z`.
#[Scalar(name = "AWSDateTime")]
impl ScalarType for AwsDateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if is_date_time(&text) => Ok(Self(text)),
            Value::String(_) => Err(InputValueError::custom(EXPECTED)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// AWS requires the extended format, `T` between date and time, and an offset.
fn is_date_time(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T')
        && !text.contains('[')
        && text.parse::<jiff::Timestamp>().is_ok()
}

impl<'de> Deserialize<'de> for AwsDateTime {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let text = String::deserialize(value)?;
        if is_date_time(&text) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(EXPECTED))
        }
    }
}

impl From<Timestamp> for AwsDateTime {
    fn from(at: Timestamp) -> Self {
        Self(at.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_needs_an_offset() {
        for valid in [
            "2026-11-21T04:40:35.740Z",
            "2026-11-21T04:40:35+09:00",
            "2026-11-21T04:40:35.123456-05:30",
        ] {
            assert!(is_date_time(valid), "{valid}");
        }
        for invalid in [
            "",
            "2026-11-21",
            "2026-11-21T04:40:35",
            "2026-11-21 04:40:35Z",
            "yesterday",
            "1234567890",
            "2026-13-01T00:00:00Z",
            "2026-11-21T04:40:35+09:00[Asia/Tokyo]",
        ] {
            assert!(!is_date_time(invalid), "{invalid}");
        }
    }
}

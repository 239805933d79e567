//! The id of a request: in its response, and in the lines that it writes into the log.
//!
//! It is a random UUID. A client, or a proxy in front, may choose it by `x-request-id`, and then gets
//! that header back; it must be a UUID, so that nothing else comes into the log by it.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// What AppSync sends with each response.
pub const AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestId {
    id: Uuid,
    is_chosen: bool,
}

impl RequestId {
    /// The id that the headers choose, or a random one from the thread's own generator (`uuid`'s
    /// fast-rng): two ids do not show how many requests came between them.
    pub fn of(headers: &HeaderMap) -> Self {
        let chosen = headers.get(REQUEST_ID).and_then(uuid_in);
        Self {
            id: chosen.unwrap_or_else(Uuid::new_v4),
            is_chosen: chosen.is_some(),
        }
    }

    /// The id for the log.
    pub fn id(self) -> Uuid {
        self.id
    }

    /// Puts it into the headers of the response.
    pub fn answer(self, headers: &mut HeaderMap) {
        let mut text = Uuid::encode_buffer();
        let text = self.id.hyphenated().encode_lower(&mut text);
        let value = HeaderValue::from_str(text).expect("a UUID is visible ASCII");
        if self.is_chosen {
            headers.insert(REQUEST_ID, value.clone());
        }
        headers.insert(AMZN_REQUEST_ID, value);
    }
}

/// A UUID in one of its two common forms.
fn uuid_in(value: &HeaderValue) -> Option<Uuid> {
    let value = value.as_bytes();
    let is_common = [36, 32].contains(&value.len());
    is_common.then(|| Uuid::try_parse_ascii(value).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(chosen: &str) -> (Option<String>, String) {
        let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(chosen).unwrap())]);
        let mut response = HeaderMap::new();
        RequestId::of(&headers).answer(&mut response);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        (
            response.get(REQUEST_ID).map(text),
            text(&response[AMZN_REQUEST_ID]),
        )
    }

    #[test]
    fn a_uuid_is_taken_over_and_nothing_else() {
        let id = "3fa2b1c4-0000-4000-8000-0123456789ab";
        for given in [id.to_owned(), id.to_uppercase(), id.replace('-', "")] {
            assert_eq!(answered(&given), (Some(id.into()), id.into()), "{given}");
        }
        for given in [
            "",
            "kitten",
            "urn:uuid:3fa2b1c4-0000-4000-8000-0123456789ab",
            "{3fa2b1c400004000800001234567890ab}",
        ] {
            let (returned, id) = answered(given);
            assert_eq!((returned, id.len()), (None, 36), "{given}");
        }
    }
}

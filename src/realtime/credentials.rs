//! Where a WebSocket client sends its API key (docs/protocols.md, Credentials).

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The name of the header, and of the member in its JSON forms.
pub const API_KEY: &str = "x-api-key";
/// The prefix of credentials that are offered as a subprotocol.
pub const HEADER_PROTOCOL: &str = "header-";

/// The key in a JSON object of headers, whose names may have any case.
pub fn key_in(headers: &Map<String, Value>) -> Option<&str> {
    headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(API_KEY))
        .and_then(|(_, value)| value.as_str())
}

/// The key in the `header` parameter of a query string.
pub fn key_in_query(query: &str) -> Option<String> {
    let header = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("header="))?;
    // Clients send standard base64 unescaped: a `+` is a plus, not a space.
    key_in_base64(&percent_decode_str(header).decode_utf8().ok()?)
}

/// The key among the offered subprotocols.
pub fn key_in_protocols<'a>(mut offered: impl Iterator<Item = &'a str>) -> Option<String> {
    key_in_base64(offered.find_map(|protocol| protocol.strip_prefix(HEADER_PROTOCOL))?)
}

/// Standard or URL-safe alphabet, with or without padding.
fn key_in_base64(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    let text = if text.contains(['-', '_']) {
        Cow::Owned(text.replace('-', "+").replace('_', "/"))
    } else {
        Cow::Borrowed(text)
    };
    // Some encoders leave stray bits in the last character: the second decoder ignores them.
    let bytes = BASE64_NOPAD
        .decode(text.as_bytes())
        .or_else(|_| BASE64URL_NOPAD.decode(text.as_bytes()))
        .ok()?;
    key_in(&serde_json::from_slice(&bytes).ok()?).map(Into::into)
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL_NOPAD};

    use super::*;

    // `~`, `?` and `>` become `+` and `/` in base64.
    const HEADER: &str =
        r#"{"host":"127.0.0.1:4000","x-amz-date":"~~~???>>>","X-Api-Key":"da2-key"}"#;

    #[test]
    fn the_key_is_read_from_raw_and_escaped_and_unpadded_base64() {
        let base64 = BASE64.encode(HEADER.as_bytes());
        assert!(base64.contains('+') || base64.contains('/'));
        let escaped = base64
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        for header in [&*base64, base64.trim_end_matches('='), &*escaped] {
            assert_eq!(
                key_in_query(&format!("header={header}&payload=e30=")).as_deref(),
                Some("da2-key")
            );
        }
    }

    #[test]
    fn the_key_is_read_from_the_subprotocol() {
        let protocol = format!("header-{}", BASE64URL_NOPAD.encode(HEADER.as_bytes()));
        let offered = ["graphql-ws", &protocol];
        assert_eq!(
            key_in_protocols(offered.into_iter()).as_deref(),
            Some("da2-key")
        );
    }

    #[test]
    fn malformed_credentials_hold_no_key() {
        for query in [
            "",
            "header=",
            "header=%",
            "header=!!!",
            "header=e30=",
            "payload=e30=",
            "header=bnVsbA==",
        ] {
            assert_eq!(key_in_query(query), None, "{query}");
        }
        assert_eq!(
            key_in_protocols(["graphql-ws", "header-%%"].into_iter()),
            None
        );
    }
}

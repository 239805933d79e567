//! Where a WebSocket client sends its API key or token, and a join code (docs/protocols.md,
//! Credentials).

use std::borrow::Cow;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::auth::Credential;
use crate::model::join_code::JoinCode;

/// The name of the header of API keys, and of the member in its JSON forms.
pub const API_KEY: &str = "x-api-key";
/// The same for tokens.
pub const AUTHORIZATION: &str = "authorization";
/// The same for the join code of a group.
pub const JOIN_CODE: &str = "x-mesh-join-code";
/// The other name of the join code in the payload of `connection_init`.
const JOIN_CODE_MEMBER: &str = "joinCode";
/// The prefix of credentials that are offered as a subprotocol.
pub const HEADER_PROTOCOL: &str = "header-";

/// The credential in a JSON object of headers, whose names may have any case.
pub fn credential_in(headers: &Map<String, Value>) -> Option<Credential<'_>> {
    let key = header(headers, API_KEY).map(Credential::key);
    key.or_else(|| Credential::authorization(header(headers, AUTHORIZATION)?))
}

/// The join code in a JSON object of headers, or in the payload of `connection_init`. What is no
/// code is none.
pub fn join_code_in(headers: &Map<String, Value>) -> Option<JoinCode> {
    let code = header(headers, JOIN_CODE).or_else(|| header(headers, JOIN_CODE_MEMBER))?;
    JoinCode::parse(JOIN_CODE, code).ok()
}

fn header<'a>(headers: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let mut headers = headers.iter();
    let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str())
}

/// The headers in the `header` parameter of a query string.
pub fn headers_in_query(query: &str) -> Option<Map<String, Value>> {
    let header = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("header="))?;
    // Clients send standard base64 unescaped: a `+` is a plus, not a space.
    headers_in_base64(&percent_decode_str(header).decode_utf8().ok()?)
}

/// The headers among the offered subprotocols.
pub fn headers_in_protocols<'a>(
    mut offered: impl Iterator<Item = &'a str>,
) -> Option<Map<String, Value>> {
    headers_in_base64(offered.find_map(|protocol| protocol.strip_prefix(HEADER_PROTOCOL))?)
}

/// Standard or URL-safe alphabet, with or without padding.
fn headers_in_base64(text: &str) -> Option<Map<String, Value>> {
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
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL_NOPAD};
    use serde_json::json;

    use super::*;

    // `~`, `?` and `>` become `+` and `/` in base64.
    const HEADER: &str =
        r#"{"host":"127.0.0.1:4000","x-amz-date":"~~~???>>>","X-Api-Key":"da2-key"}"#;

    pub(super) fn credential_in_query(query: &str) -> Option<Credential<'static>> {
        Some(credential_in(&headers_in_query(query)?)?.into_owned())
    }

    pub(super) fn credential_in_protocols<'a>(
        offered: impl Iterator<Item = &'a str>,
    ) -> Option<Credential<'static>> {
        Some(credential_in(&headers_in_protocols(offered)?)?.into_owned())
    }

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
                credential_in_query(&format!("header={header}&payload=e30=")),
                Some(Credential::key("da2-key"))
            );
        }
    }

    #[test]
    fn the_key_is_read_from_the_subprotocol() {
        let protocol = format!("header-{}", BASE64URL_NOPAD.encode(HEADER.as_bytes()));
        let offered = ["graphql-ws", &protocol];
        assert_eq!(
            credential_in_protocols(offered.into_iter()),
            Some(Credential::key("da2-key"))
        );
    }

    #[test]
    fn a_token_is_read_where_there_is_no_key() {
        let read = |headers: &Value| {
            let found = credential_in(headers.as_object().unwrap());
            found.map(Credential::into_owned)
        };
        let token = Some(Credential::Token("a.b.c".into()));
        for text in ["a.b.c", "Bearer a.b.c"] {
            assert_eq!(read(&json!({"host": "h", "Authorization": text})), token);
        }
        let both = json!({"authorization": "a.b.c", "x-api-key": "da2-key"});
        assert_eq!(read(&both), Some(Credential::key("da2-key")));
        let signed = json!({"authorization": "AWS4-HMAC-SHA256 Credential=x"});
        assert_eq!(read(&signed), None);
    }

    #[test]
    fn a_join_code_is_read_by_either_name_and_what_is_none_is_ignored() {
        let read = |headers: Value| join_code_in(headers.as_object().unwrap());
        let code = JoinCode::parse("code", "01cdef").unwrap();
        assert_eq!(read(json!({"X-Mesh-Join-Code": "01CDEF"})), Some(code));
        assert_eq!(read(json!({"joinCode": "いしになくき"})), Some(code));
        for headers in [
            json!({}),
            json!({"joinCode": 123_456}),
            json!({"joinCode": "me"}),
        ] {
            assert_eq!(read(headers.clone()), None, "{headers}");
        }
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
            assert_eq!(credential_in_query(query), None, "{query}");
        }
        assert_eq!(
            credential_in_protocols(["graphql-ws", "header-%%"].into_iter()),
            None
        );
    }
}

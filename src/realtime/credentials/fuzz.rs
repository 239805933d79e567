//! Any credentials: a key that is found is found again in each form that clients send.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;
use crate::fuzz::{Fuzz, Outcome};
use crate::realtime::protocol::Offer;

const TOKENS: [&str; 20] = [
    "header=",
    "payload=e30=",
    "&",
    "=",
    "==",
    "%3D",
    "%2B",
    "%2F",
    "%",
    "+",
    "/",
    "-",
    "_",
    "header-",
    "graphql-ws",
    "graphql-transport-ws",
    ",",
    "eyJ4LWFwaS1rZXkiOiJkYTIta2V5In0",
    "e30",
    "bnVsbA",
];

/// Checks that the key is found in every form.
fn round_trip(key: &str) {
    let header = json!({"host": "h", "X-Api-Key": key}).to_string();
    let header = header.as_bytes();
    for base64 in [BASE64.encode(header), BASE64_NOPAD.encode(header)] {
        let escaped = utf8_percent_encode(&base64, NON_ALPHANUMERIC).to_string();
        for text in [&base64, &escaped] {
            let query = format!("payload=e30=&header={text}");
            assert_eq!(key_in_query(&query).as_deref(), Some(key), "{query}");
        }
    }
    for base64 in [BASE64URL.encode(header), BASE64URL_NOPAD.encode(header)] {
        let offered = [
            "graphql-ws".to_owned(),
            format!("{HEADER_PROTOCOL}{base64}"),
        ];
        let found = key_in_protocols(offered.iter().map(String::as_str));
        assert_eq!(found.as_deref(), Some(key), "{offered:?}");
    }
}

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    round_trip(&text);
    let offered = || text.split(',').map(str::trim);
    outcome.had(Offer::parse(offered()) == Offer::Unknown);
    for (kind, found) in [
        ("query", key_in_query(&text)),
        ("protocol", key_in_protocols(offered())),
    ] {
        if let Some(key) = found {
            outcome.passed(kind);
            outcome.had((kind, key.len().min(8)));
            round_trip(&key);
        }
    }
    outcome
}

#[test]
fn credentials() {
    let fuzz = Fuzz {
        target: "credentials",
        tokens: &TOKENS,
        kinds: &["query", "protocol"],
    };
    fuzz.run(target);
}

//! Any credentials: a key or token that is found is found again in each form that clients send.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::tests::{credential_in_protocols, credential_in_query};
use super::*;
use crate::fuzz::{Fuzz, Outcome};
use crate::realtime::protocol::Offer;

/// Checks that the credential is found in every form.
fn round_trip(credential: &Credential<'_>) {
    let header = match credential {
        Credential::Key(key) => json!({"host": "h", "X-Api-Key": key}),
        Credential::Token(token) => {
            json!({"host": "h", "authorization": format!("Bearer {token}")})
        }
    };
    let header = header.to_string();
    let header = header.as_bytes();
    for base64 in [BASE64.encode(header), BASE64_NOPAD.encode(header)] {
        let escaped = utf8_percent_encode(&base64, NON_ALPHANUMERIC).to_string();
        for text in [&base64, &escaped] {
            let query = format!("payload=e30=&header={text}");
            assert_eq!(
                credential_in_query(&query).as_ref(),
                Some(credential),
                "{query}"
            );
        }
    }
    for base64 in [BASE64URL.encode(header), BASE64URL_NOPAD.encode(header)] {
        let offered = [
            "graphql-ws".to_owned(),
            format!("{HEADER_PROTOCOL}{base64}"),
        ];
        let found = credential_in_protocols(offered.iter().map(String::as_str));
        assert_eq!(found.as_ref(), Some(credential), "{offered:?}");
    }
}

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    round_trip(&Credential::key(&*text));
    if let Some(token) = Credential::authorization(&text) {
        outcome.had("authorization");
        round_trip(&token);
    }
    let offered = || text.split(',').map(str::trim);
    outcome.had(Offer::parse(offered()) == Offer::Unknown);
    for (place, found) in [
        ("query", credential_in_query(&text)),
        ("protocol", credential_in_protocols(offered())),
    ] {
        let Some(credential) = found else { continue };
        outcome.passed(place);
        outcome.passed(match credential {
            Credential::Key(_) => "key",
            Credential::Token(_) => "token",
        });
        round_trip(&credential);
    }
    outcome
}

#[test]
fn credentials() {
    let fuzz = Fuzz {
        target: "credentials",
        tokens: "credentials",
        kinds: &["query", "protocol", "key", "token"],
    };
    fuzz.run(target);
}

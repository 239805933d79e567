use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Signer(Ed25519KeyPair);

impl Signer {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        let x = BASE64URL_NOPAD.encode(self.0.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(message.as_bytes());
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

fn verifier() -> TokenVerifier {
    let role = |text: &str| text.parse().unwrap();
    let rules = TokenRules {
        issuer: "https://sign-in.example".into(),
        audiences: vec!["mesh".into(), "editor".into()],
        algorithms: vec![Algorithm::EdDSA],
        leeway: 60,
        roles: vec![
            (role("cognito:groups=teachers"), Role::Teacher),
            (role("realm_access.roles=teacher"), Role::Teacher),
            (role("https://school.example/roles=staff"), Role::Teacher),
            (role("scope=mesh/operate"), Role::Operator),
        ],
    };
    TokenVerifier::new(rules, Duration::ZERO)
}

fn keys(jwks: &[Value]) -> SigningKeys {
    SigningKeys::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": "https://sign-in.example", "aud": "mesh",
        "exp": NOW.plus_seconds(600).seconds()});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "1"})
}

#[test]
fn claims_make_roles() {
    let (signer, verifier) = (Signer::new(), verifier());
    verifier.replace_keys(keys(&[signer.jwk("1")]));
    for (more, role) in [
        (json!({}), Role::Public),
        (
            json!({"cognito:groups": ["pupils", "teachers"]}),
            Role::Teacher,
        ),
        (json!({"cognito:groups": "teachers"}), Role::Teacher),
        (json!({"cognito:groups": ["teachers2"]}), Role::Public),
        (
            json!({"realm_access": {"roles": ["teacher"]}}),
            Role::Teacher,
        ),
        (
            json!({"https://school.example/roles": ["staff"]}),
            Role::Teacher,
        ),
        (
            json!({"scope": "openid mesh/operate", "cognito:groups": ["teachers"]}),
            Role::Operator,
        ),
        (json!({"cognito:groups": {"teachers": true}}), Role::Public),
    ] {
        let token = signer.token(&header(), &claims(&more));
        let allowed = verifier.verify(&token, NOW).unwrap();
        assert_eq!(allowed.role, role, "{more}");
    }
}

#[test]
fn issuer_audience_and_times_are_pinned() {
    let (signer, verifier) = (Signer::new(), verifier());
    verifier.replace_keys(keys(&[signer.jwk("1")]));
    let at = |seconds: i64| NOW.seconds() + seconds;
    for (more, fault) in [
        (
            json!({"iss": "https://sign-in.example/"}),
            Some(TokenFault::Issuer),
        ),
        (json!({"iss": null}), Some(TokenFault::Issuer)),
        (json!({"aud": "other"}), Some(TokenFault::Audience)),
        (json!({"aud": null}), Some(TokenFault::Audience)),
        // With an audience of its own, the client does not count.
        (
            json!({"aud": "other", "client_id": "mesh"}),
            Some(TokenFault::Audience),
        ),
        (json!({"aud": ["other", "editor"]}), None),
        (json!({"exp": at(-59)}), None),
        (json!({"exp": at(-60)}), Some(TokenFault::Over)),
        (
            json!({"exp": at(0).to_string()}),
            Some(TokenFault::Malformed),
        ),
        (json!({"exp": null}), Some(TokenFault::Malformed)),
        (json!({"exp": 1e300}), None),
        (json!({"exp": -1e300}), Some(TokenFault::Over)),
        (json!({"nbf": at(60)}), None),
        (json!({"nbf": at(61)}), Some(TokenFault::NotYet)),
        (json!({"nbf": "soon"}), Some(TokenFault::Malformed)),
    ] {
        let token = signer.token(&header(), &claims(&more));
        assert_eq!(verifier.verify(&token, NOW).err(), fault, "{more}");
    }
    let mut cognito = claims(&json!({"client_id": "editor", "token_use": "access"}));
    cognito.as_object_mut().unwrap().remove("aud");
    assert!(
        verifier
            .verify(&signer.token(&header(), &cognito), NOW)
            .is_ok()
    );
    cognito["client_id"] = json!("other");
    let other = verifier.verify(&signer.token(&header(), &cognito), NOW);
    assert_eq!(other, Err(TokenFault::Audience));
}

#[test]
fn a_remembered_token_ends_by_time_and_with_its_key() {
    let (signer, verifier) = (Signer::new(), verifier());
    verifier.replace_keys(keys(&[signer.jwk("1")]));
    let token = signer.token(&header(), &claims(&json!({})));
    for _ in 0..2 {
        assert!(verifier.verify(&token, NOW).is_ok());
    }
    let end = NOW.plus_seconds(660);
    assert_eq!(verifier.verify(&token, end), Err(TokenFault::Over));
    assert!(verifier.verify(&token, NOW).is_ok());
    assert!(!verifier.replace_keys(keys(&[signer.jwk("1")])), "the same");
    assert!(verifier.replace_keys(keys(&[Signer::new().jwk("1")])));
    assert_eq!(verifier.verify(&token, NOW), Err(TokenFault::Signature));
    assert!(verifier.replace_keys(keys(&[signer.jwk("2")])));
    assert_eq!(verifier.verify(&token, NOW), Err(TokenFault::UnknownKey));
}

#[test]
fn headers_choose_a_key_and_nothing_else() {
    let (signer, other, verifier) = (Signer::new(), Signer::new(), verifier());
    let token = signer.token(&header(), &claims(&json!({})));
    assert_eq!(verifier.verify(&token, NOW), Err(TokenFault::NoKeys));
    verifier.replace_keys(keys(&[signer.jwk("1")]));
    let check = |header: Value| {
        let token = signer.token(&header, &claims(&json!({})));
        verifier.verify(&token, NOW).err()
    };
    assert_eq!(check(json!({"alg": "EdDSA"})), None, "the only key");
    for (header, fault) in [
        (json!({"alg": "none"}), TokenFault::Malformed),
        (json!({"kid": "1"}), TokenFault::Malformed),
        (json!({"alg": "HS256", "kid": "1"}), TokenFault::Algorithm),
        (json!({"alg": "ES256", "kid": "1"}), TokenFault::Algorithm),
        (json!({"alg": "EdDSA", "kid": "9"}), TokenFault::UnknownKey),
        (
            json!({"alg": "EdDSA", "kid": "1", "crit": ["b64"], "b64": false}),
            TokenFault::Malformed,
        ),
        // Its own key, by itself or by an address, is not believed.
        (
            json!({"alg": "EdDSA", "kid": "9", "jwk": signer.jwk("9"), "jku": "https://evil.example"}),
            TokenFault::UnknownKey,
        ),
    ] {
        assert_eq!(check(header.clone()), Some(fault), "{header}");
    }
    verifier.replace_keys(keys(&[signer.jwk("1"), other.jwk("2")]));
    let ambiguous = signer.token(&json!({"alg": "EdDSA"}), &claims(&json!({})));
    assert_eq!(
        verifier.verify(&ambiguous, NOW),
        Err(TokenFault::UnknownKey)
    );
    let token = signer.token(&header(), &claims(&json!({})));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, body) = message.split_once('.').unwrap();
    let changed = BASE64URL_NOPAD.encode(
        claims(&json!({"scope": "mesh/operate"}))
            .to_string()
            .as_bytes(),
    );
    for (text, fault) in [
        (
            format!("{head}.{changed}.{signature}"),
            TokenFault::Signature,
        ),
        (format!("{head}.{body}."), TokenFault::Signature),
        (format!("{head}.{body}"), TokenFault::Malformed),
        (format!("{token}.{signature}"), TokenFault::Malformed),
        ("a".repeat(TOKEN_BYTES + 1), TokenFault::Malformed),
        ("..".into(), TokenFault::Malformed),
        (String::new(), TokenFault::Malformed),
    ] {
        assert_eq!(verifier.verify(&text, NOW), Err(fault), "{text:.40}");
    }
}

#[test]
fn a_key_set_leaves_out_what_is_no_public_signing_key() {
    let signer = Signer::new();
    let mut encryption = signer.jwk("enc");
    encryption["use"] = json!("enc");
    let secret = json!({"kty": "oct", "kid": "1", "k": "c2VjcmV0", "alg": "HS256"});
    let future = json!({"kty": "AKP", "kid": "1", "alg": "ML-DSA-44", "pub": "x"});
    let set = keys(&[
        encryption.clone(),
        secret.clone(),
        future,
        signer.jwk("1"),
        json!(7),
    ]);
    assert_eq!(set.len(), 1);
    for text in [
        json!({"keys": [encryption, secret]}).to_string(),
        json!({"keys": []}).to_string(),
        json!([]).to_string(),
        "<html>".into(),
        json!({"keys": vec![signer.jwk("1"); 101]}).to_string(),
    ] {
        assert!(SigningKeys::parse(text.as_bytes()).is_err(), "{text:.40}");
    }
}

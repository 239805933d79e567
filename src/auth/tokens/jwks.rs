//! A sign-in service's signing keys (JSON Web Key Set, RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys that a service has at a time; real ones have two to ten.
const MAX_KEYS: usize = 100;

/// The keys that tokens may be signed with.
#[derive(Debug, Default)]
pub struct SigningKeys(Vec<SigningKey>);

#[derive(Debug)]
struct SigningKey {
    jwk: Jwk,
    key: DecodingKey,
}

impl PartialEq for SigningKeys {
    fn eq(&self, other: &Self) -> bool {
        let jwks = |keys: &'_ Self| keys.0.iter().map(|key| key.jwk.clone()).collect::<Vec<_>>();
        jwks(self) == jwks(other)
    }
}

impl SigningKeys {
    /// Reads a key set. Keys of unknown kinds and for other uses are left out.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<Value>,
        }
        let set: KeySet =
            serde_json::from_slice(text).map_err(|_| "the answer is no key set".to_owned())?;
        if set.keys.len() > MAX_KEYS {
            return Err(format!("the key set has more than {MAX_KEYS} keys"));
        }
        let keys: Vec<_> = set.keys.into_iter().filter_map(SigningKey::read).collect();
        if keys.is_empty() {
            return Err("the key set has no key that tokens can be checked with".into());
        }
        Ok(Self(keys))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key for a token: that of its id, or the only one for its algorithm if it names none.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let named = |key: &&SigningKey| id.is_none() || key.jwk.common.key_id.as_deref() == id;
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.is_for(algorithm))
            .filter(named);
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(&first.key)
    }
}

impl SigningKey {
    fn read(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let is_for_signatures = matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        );
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let is_public = key.family() != AlgorithmFamily::Hmac;
        (is_for_signatures && is_public).then_some(Self { jwk, key })
    }

    /// Whether the key is one for this algorithm, by its kind and by what it says.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let said = self.jwk.common.key_algorithm;
        if said.is_some_and(|said| said.to_string().parse().ok() != Some(algorithm)) {
            return false;
        }
        match &self.jwk.algorithm {
            AlgorithmParameters::RSA(_) => self.key.family() == algorithm.family(),
            AlgorithmParameters::EllipticCurve(key) => match algorithm {
                Algorithm::ES256 => key.curve == EllipticCurve::P256,
                Algorithm::ES384 => key.curve == EllipticCurve::P384,
                _ => false,
            },
            AlgorithmParameters::OctetKeyPair(key) => {
                algorithm == Algorithm::EdDSA && key.curve == EllipticCurve::Ed25519
            }
            _ => false,
        }
    }
}

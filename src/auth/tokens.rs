//! Bearer tokens of one sign-in service (OpenID Connect): its issuer, audience, times and
//! algorithms are pinned by the settings, its signing keys are replaced while the server runs.
//! Nothing here connects to anything; `server/issuer.rs` fetches the keys.

mod claims;
mod jwks;
mod refresh;
mod ring_provider;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::auth::{Role, TokenFault};
use crate::model::time::Timestamp;

pub use claims::{ClaimRole, TokenRules};
pub use jwks::SigningKeys;
pub use refresh::{Refresh, RefreshPhase};
pub use ring_provider::algorithm;

/// The longest token that is read; those of sign-in services have a few thousand bytes.
const TOKEN_BYTES: usize = 16 * 1024;
/// Tokens whose signature is remembered as right: checking one costs as much as several calls.
const REMEMBERED: usize = 4096;

/// Checks tokens.
pub struct TokenVerifier {
    rules: TokenRules,
    keys: RwLock<Arc<SigningKeys>>,
    refresh: Refresh,
    /// How long a token with an unknown key waits for the next keys.
    wait: Duration,
    /// By the digest of a token: what it allows, and with which keys that was found.
    remembered: Cache<[u8; 32], (Verified, Arc<SigningKeys>)>,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What its callers may do.
    pub role: Role,
    /// From when on it is valid, leeway included.
    pub begins: Timestamp,
    /// From when on it is invalid, leeway included.
    pub ends: Timestamp,
}

impl Verified {
    fn at(self, now: Timestamp) -> Result<Self, TokenFault> {
        if now >= self.ends {
            Err(TokenFault::Over)
        } else if now < self.begins {
            Err(TokenFault::NotYet)
        } else {
            Ok(self)
        }
    }
}

impl TokenVerifier {
    /// A verifier that has no signing keys yet.
    pub fn new(rules: TokenRules, wait: Duration) -> Self {
        ring_provider::install();
        Self {
            rules,
            keys: RwLock::default(),
            refresh: Refresh::default(),
            wait,
            remembered: Cache::new(REMEMBERED),
        }
    }

    /// Whose tokens are accepted.
    pub fn issuer(&self) -> &str {
        &self.rules.issuer
    }

    /// Checks a token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, TokenFault> {
        if token.len() > TOKEN_BYTES {
            return Err(TokenFault::Malformed);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let keys = self.signing_keys();
        if let Some((verified, by)) = self.remembered.get(&digest)
            && Arc::ptr_eq(&by, &keys)
        {
            return verified.at(now);
        }
        let claims = self.signed_claims(token, &keys)?;
        let verified = self.rules.check(&claims)?.at(now)?;
        self.remembered.insert(digest, (verified, keys));
        Ok(verified)
    }

    /// The claims of a token that one of the keys signed.
    fn signed_claims(
        &self,
        token: &str,
        keys: &SigningKeys,
    ) -> Result<Map<String, Value>, TokenFault> {
        let header = decode_header(token).map_err(|_| TokenFault::Malformed)?;
        let algorithm = header.alg;
        // A token that says that it must not be read without knowing an extension (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(TokenFault::Malformed);
        }
        if !self.rules.algorithms.contains(&algorithm) {
            return Err(TokenFault::Algorithm);
        }
        if keys.is_empty() {
            return Err(TokenFault::NoKeys);
        }
        let key = keys.find(header.kid.as_deref(), algorithm);
        let key = key.ok_or(TokenFault::UnknownKey)?;
        let decoded = decode(token, key, &signature_only(algorithm));
        Ok(decoded.map_err(|_| TokenFault::Signature)?.claims)
    }

    fn signing_keys(&self) -> Arc<SigningKeys> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys)
    }

    /// Checks tokens by these keys from now on; returns whether they are others than before.
    pub fn replace_keys(&self, keys: SigningKeys) -> bool {
        let mut current = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if **current == keys {
            return false;
        }
        *current = Arc::new(keys);
        true
    }

    /// Waits until the keys were fetched again, if they may be now: an unknown key may be a new
    /// one. False if there is nothing to wait for.
    pub async fn refreshed(&self) -> bool {
        self.refresh.done(self.wait).await
    }

    /// When the keys are fetched; for who fetches them.
    pub fn refresh(&self) -> &Refresh {
        &self.refresh
    }
}

/// The claims are checked by the server's own clock and rules.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenVerifier({:?})", self.rules.issuer)
    }
}

#[cfg(test)]
mod tests;

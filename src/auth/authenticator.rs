//! Decides who calls. The keys may be replaced while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use crate::auth::keys::KeyDigest;
#[cfg(feature = "oidc")]
use crate::auth::tokens::TokenVerifier;
use crate::auth::{ApiKeys, Credential, KeyChanges, Role, TokenFault, Unauthorized};
use crate::model::time::Timestamp;

/// Checks credentials. Clones share their keys.
#[derive(Clone, Debug)]
pub struct Authenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Locked for one comparison with each key, and never over an await.
    keys: RwLock<ApiKeys>,
    #[cfg(feature = "oidc")]
    tokens: Option<Arc<TokenVerifier>>,
}

/// What a credential was found to allow, and how to see later whether it still does.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// What its callers may do.
    pub role: Role,
    proof: Proof,
}

#[derive(Clone, Copy, Debug)]
enum Proof {
    Key(KeyDigest),
    /// A token that is invalid from then on.
    #[cfg_attr(
        not(feature = "oidc"),
        expect(dead_code, reason = "in other builds there are tokens")
    )]
    Token(Timestamp),
}

impl Grant {
    /// Whether a token made it, which ends by itself, and not a key, which is removed.
    pub fn is_by_token(&self) -> bool {
        matches!(self.proof, Proof::Token(_))
    }
}

impl Authenticator {
    /// Accepts these keys.
    pub fn new(keys: ApiKeys) -> Self {
        Self(Arc::new(Inner {
            keys: RwLock::new(keys),
            #[cfg(feature = "oidc")]
            tokens: None,
        }))
    }

    /// Accepts these keys, and the tokens of a sign-in service.
    #[cfg(feature = "oidc")]
    pub fn with_tokens(keys: ApiKeys, tokens: Arc<TokenVerifier>) -> Self {
        Self(Arc::new(Inner {
            keys: RwLock::new(keys),
            tokens: Some(tokens),
        }))
    }

    /// What checks tokens, if they are accepted.
    #[cfg(feature = "oidc")]
    pub fn tokens(&self) -> Option<&Arc<TokenVerifier>> {
        self.0.tokens.as_ref()
    }

    /// Accepts other keys from now on.
    pub fn replace_keys(&self, keys: ApiKeys) -> KeyChanges {
        let mut current = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changes = current.changes(&keys);
        *current = keys;
        changes
    }

    /// The keys that have a name, for people.
    pub fn named_keys(&self) -> Vec<String> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.named().map(ToString::to_string).collect()
    }

    /// Checks what a request carries.
    pub fn check(
        &self,
        given: Option<&Credential<'_>>,
        now: Timestamp,
    ) -> Result<Grant, Unauthorized> {
        match given {
            Some(Credential::Key(key)) => self.check_digest(KeyDigest::of(key), now),
            Some(Credential::Token(token)) => self.check_token(token, now),
            None => Err(Unauthorized::NoKey),
        }
    }

    /// The same; a token with an unknown key waits until the keys were fetched again, if that
    /// may be done now.
    pub async fn authenticate(
        &self,
        given: Option<&Credential<'_>>,
        now: Timestamp,
    ) -> Result<Grant, Unauthorized> {
        let checked = self.check(given, now);
        match checked {
            Err(why) if why.wants_keys() && self.refreshed().await => self.check(given, now),
            checked => checked,
        }
    }

    /// Waits until the signing keys were fetched again, if they may be now. False if there is
    /// nothing to wait for.
    #[cfg_attr(
        not(feature = "oidc"),
        expect(clippy::unused_async, reason = "in other builds it waits for keys")
    )]
    pub async fn refreshed(&self) -> bool {
        #[cfg(feature = "oidc")]
        if let Some(tokens) = self.tokens() {
            return tokens.refreshed().await;
        }
        false
    }

    /// Checks whether a grant still holds, for a socket that was opened with it.
    pub fn recheck(&self, grant: &Grant, now: Timestamp) -> Result<Grant, Unauthorized> {
        match grant.proof {
            Proof::Key(digest) => self.check_digest(digest, now),
            Proof::Token(ends) if now < ends => Ok(*grant),
            Proof::Token(_) => Err(Unauthorized::WrongToken(TokenFault::Over)),
        }
    }

    #[cfg(feature = "oidc")]
    fn check_token(&self, token: &str, now: Timestamp) -> Result<Grant, Unauthorized> {
        let tokens = self.tokens().ok_or(Unauthorized::NoKey)?;
        let verified = tokens.verify(token, now);
        let verified = verified.map_err(Unauthorized::WrongToken)?;
        Ok(Grant {
            role: verified.role,
            proof: Proof::Token(verified.ends),
        })
    }

    #[cfg(not(feature = "oidc"))]
    #[expect(clippy::unused_self, reason = "in other builds it has a verifier")]
    fn check_token(&self, _: &str, _: Timestamp) -> Result<Grant, Unauthorized> {
        Err(Unauthorized::NoKey)
    }

    fn check_digest(&self, digest: KeyDigest, now: Timestamp) -> Result<Grant, Unauthorized> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.valid(digest, now).ok_or(Unauthorized::WrongKey)?;
        Ok(Grant {
            role: key.role,
            proof: Proof::Key(digest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    #[test]
    fn a_key_of_the_server_is_accepted_and_nothing_else() {
        let authenticator = Authenticator::new(ApiKeys::new(["da2-one"]));
        let check = |given: Option<Credential<'_>>| {
            let checked = authenticator.check(given.as_ref(), NOW);
            checked.map(|grant| grant.role)
        };
        assert_eq!(check(Some(Credential::key("da2-one"))), Ok(Role::Public));
        let wrong = Credential::key("da2-two");
        assert_eq!(check(Some(wrong)), Err(Unauthorized::WrongKey));
        assert_eq!(check(None), Err(Unauthorized::NoKey));
        let token = Credential::Token("da2-one".into());
        assert_eq!(check(Some(token)), Err(Unauthorized::NoKey));
    }

    #[test]
    fn a_grant_ends_with_its_key() {
        let authenticator = Authenticator::new(ApiKeys::new(["da2-one"]));
        let key = Credential::key("da2-one");
        let grant = authenticator.check(Some(&key), NOW).unwrap();
        assert!(authenticator.recheck(&grant, NOW).is_ok());
        let changes = authenticator.replace_keys(ApiKeys::new(["da2-two"]));
        assert_eq!((changes.added, changes.removed), (1, 1));
        assert_eq!(
            authenticator.recheck(&grant, NOW).unwrap_err(),
            Unauthorized::WrongKey
        );
    }
}

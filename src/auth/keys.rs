//! The server's API keys, compared in constant time.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::Unauthorized;

/// The server's API keys. Only digests are kept, so that no log or dump contains a key.
#[derive(Clone)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// The keys; empty ones are ignored.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys
            .into_iter()
            .map(str::trim)
            .filter(|key| !key.is_empty());
        Self(keys.map(|key| Sha256::digest(key).into()).collect())
    }

    /// Whether there is no key, so that every request is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks a request's key.
    pub fn check(&self, given: Option<&str>) -> Result<(), Unauthorized> {
        let given: [u8; 32] = Sha256::digest(given.ok_or(Unauthorized::NoKey)?.trim()).into();
        // All keys are compared, so that timing does not reveal a close match.
        let matches = self.0.iter().fold(subtle::Choice::from(0), |matches, key| {
            matches | key.ct_eq(&given)
        });
        if matches.into() {
            Ok(())
        } else {
            Err(Unauthorized::WrongKey)
        }
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_keys_is_accepted_and_nothing_else() {
        let keys = ApiKeys::new(["da2-one", " da2-two ", ""]);
        assert_eq!(keys.check(Some("da2-one")), Ok(()));
        assert_eq!(keys.check(Some("da2-two")), Ok(()));
        assert_eq!(keys.check(Some("da2-three")), Err(Unauthorized::WrongKey));
        assert_eq!(keys.check(Some("")), Err(Unauthorized::WrongKey));
        assert_eq!(keys.check(None), Err(Unauthorized::NoKey));
        assert!(ApiKeys::new(["", " "]).is_empty());
    }

    #[test]
    fn debug_output_contains_no_key() {
        assert_eq!(format!("{:?}", ApiKeys::new(["da2-one"])), "ApiKeys(1)");
    }
}

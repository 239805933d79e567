//! Who may call: one of the stage's API keys, compared in constant time.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Who calls, as far as the resolvers need it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// The caller's network address, if it is known (decision D2).
    pub address: Option<IpAddr>,
}

/// The stage's API keys. Only digests are held: neither a log nor a dump shows a key.
#[derive(Clone)]
pub struct ApiKeys(Vec<[u8; 32]>);

/// Why a caller is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// There was no key.
    NoKey,
    /// There was a key, but none of ours.
    WrongKey,
}

impl Unauthorized {
    /// The `errorType` of AppSync.
    pub const KIND: &'static str = "UnauthorizedException";

    /// AppSync's sentence.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoKey => "Valid authorization header not provided.",
            Self::WrongKey => "You are not authorized to make this call.",
        }
    }
}

impl ApiKeys {
    /// The keys, empty ones left out.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys
            .into_iter()
            .map(str::trim)
            .filter(|key| !key.is_empty());
        Self(keys.map(|key| Sha256::digest(key).into()).collect())
    }

    /// Whether there is no key at all, so that nobody may call.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets a caller in who shows one of the keys.
    pub fn check(&self, shown: Option<&str>) -> Result<(), Unauthorized> {
        let shown: [u8; 32] = Sha256::digest(shown.ok_or(Unauthorized::NoKey)?.trim()).into();
        // All keys are compared, so that time does not tell which one nearly fits.
        let fits = self.0.iter().fold(subtle::Choice::from(0), |fits, key| {
            fits | key.ct_eq(&shown)
        });
        if fits.into() {
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
    fn any_of_the_keys_opens_and_nothing_else_does() {
        let keys = ApiKeys::new(["da2-one", " da2-two ", ""]);
        assert_eq!(keys.check(Some("da2-one")), Ok(()));
        assert_eq!(keys.check(Some("da2-two")), Ok(()));
        assert_eq!(keys.check(Some("da2-three")), Err(Unauthorized::WrongKey));
        assert_eq!(keys.check(Some("")), Err(Unauthorized::WrongKey));
        assert_eq!(keys.check(None), Err(Unauthorized::NoKey));
        assert!(ApiKeys::new(["", " "]).is_empty());
    }

    #[test]
    fn keys_do_not_show_when_printed() {
        assert_eq!(format!("{:?}", ApiKeys::new(["da2-one"])), "ApiKeys(1)");
    }
}

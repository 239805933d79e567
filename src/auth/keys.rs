//! API keys. Only their digests are kept, so that no log or dump contains one.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::auth::Role;
use crate::model::time::Timestamp;

/// The SHA-256 of a key, in words: each comparison is four instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDigest([u64; 4]);

impl KeyDigest {
    /// The digest of a key as a client sends it.
    pub fn of(key: &str) -> Self {
        Self::from_bytes(Sha256::digest(key.trim()).into())
    }

    /// A digest in hexadecimal, as `sha256sum` prints it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }

    fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut digest = [0; 4];
        for (word, bytes) in digest.iter_mut().zip(words) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Self(digest)
    }

    fn ct_eq(&self, other: &Self) -> Choice {
        self.0[..].ct_eq(&other.0[..])
    }
}

/// One of the server's keys.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its name in the key file; none for those of `MESH_API_KEYS`.
    pub name: Option<Arc<str>>,
    /// What its callers may do.
    pub role: Role,
    /// From when on it is invalid.
    pub expires: Option<Timestamp>,
    pub(super) digest: KeyDigest,
}

impl ApiKey {
    fn unnamed(key: &str) -> Self {
        Self {
            name: None,
            role: Role::Public,
            expires: None,
            digest: KeyDigest::of(key),
        }
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Its name, role and end.
impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("unnamed");
        write!(f, "{name}, {}", self.role)?;
        self.expires
            .map_or(Ok(()), |expires| write!(f, ", until {expires}"))
    }
}

/// How many keys are new, and how many are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChanges {
    /// Keys that were not there before.
    pub added: usize,
    /// Keys that are not there any more.
    pub removed: usize,
}

/// The server's API keys.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<ApiKey>);

impl ApiKeys {
    /// Unnamed public keys; empty ones are ignored.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys
            .into_iter()
            .map(str::trim)
            .filter(|key| !key.is_empty());
        Self(keys.map(ApiKey::unnamed).collect())
    }

    /// Adds named keys, which count instead of an equal unnamed one.
    #[must_use]
    pub fn with(mut self, named: Vec<ApiKey>) -> Self {
        self.0.extend(named);
        self
    }

    /// Whether there is no key, so that every request is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` is one of them, valid or not.
    pub fn contains(&self, key: &str) -> bool {
        self.find(KeyDigest::of(key)).is_some()
    }

    /// What changes when `self` is replaced by `other`.
    pub fn changes(&self, other: &Self) -> KeyChanges {
        let is_in = |key: &ApiKey, keys: &Self| {
            keys.0
                .iter()
                .any(|it| it.name == key.name && it.digest == key.digest)
        };
        KeyChanges {
            added: other.0.iter().filter(|key| !is_in(key, self)).count(),
            removed: self.0.iter().filter(|key| !is_in(key, other)).count(),
        }
    }

    /// The keys that have a name.
    pub fn named(&self) -> impl Iterator<Item = &ApiKey> {
        self.0.iter().filter(|key| key.name.is_some())
    }

    /// The valid key of a digest.
    pub(super) fn valid(&self, digest: KeyDigest, now: Timestamp) -> Option<&ApiKey> {
        self.find(digest).filter(|key| key.is_valid(now))
    }

    /// All keys are compared, so that timing does not reveal a close match.
    fn find(&self, digest: KeyDigest) -> Option<&ApiKey> {
        let mut found = 0;
        for (place, key) in (1_u64..).zip(&self.0) {
            found = subtle::ConditionallySelectable::conditional_select(
                &found,
                &place,
                key.digest.ct_eq(&digest),
            );
        }
        let place = usize::try_from(found).ok()?.checked_sub(1)?;
        self.0.get(place)
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.0.len())
    }
}

/// Whether a key or secret is short, or one letter again and again after the prefix that
/// AppSync's keys have.
pub fn is_weak(text: &str, least: usize) -> bool {
    let mut letters = text.strip_prefix("da2-").unwrap_or(text).chars();
    let first = letters.next();
    text.len() < least || letters.all(|letter| Some(letter) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn named(key: &str, role: Role, expires: Option<Timestamp>) -> ApiKey {
        ApiKey {
            name: Some("a-name".into()),
            role,
            expires,
            digest: KeyDigest::of(key),
        }
    }

    #[test]
    fn any_of_the_keys_is_found_and_nothing_else() {
        let keys = ApiKeys::new(["da2-one", " da2-two ", ""]);
        for key in ["da2-one", "da2-two", " da2-two "] {
            assert!(keys.valid(KeyDigest::of(key), NOW).is_some(), "{key}");
        }
        for key in ["da2-three", "", "da2-on"] {
            assert!(keys.valid(KeyDigest::of(key), NOW).is_none(), "{key}");
        }
        assert!(ApiKeys::new(["", " "]).is_empty());
    }

    #[test]
    fn a_named_key_counts_instead_of_an_equal_unnamed_one_until_it_ends() {
        let end = NOW.plus_seconds(60);
        let keys = ApiKeys::new(["da2-one"]).with(vec![
            named("da2-one", Role::Teacher, Some(end)),
            named("da2-two", Role::Operator, None),
        ]);
        let role = |key, now| keys.valid(KeyDigest::of(key), now).map(|key| key.role);
        assert_eq!(role("da2-one", NOW), Some(Role::Teacher));
        assert_eq!(role("da2-two", end), Some(Role::Operator));
        assert_eq!(role("da2-one", end), None);
    }

    #[test]
    fn debug_output_contains_no_key() {
        assert_eq!(format!("{:?}", ApiKeys::new(["da2-one"])), "ApiKeys(1)");
    }
}

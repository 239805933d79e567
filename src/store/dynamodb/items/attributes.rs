//! Conversion of attribute values.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Value;
use thiserror::Error;

use crate::model::authority::TokenHash;
use crate::model::origin::Origin;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::keys::Item;

/// A damaged attribute or one of another version. Contains no value: values are children's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a record's attribute {0} cannot be read")]
pub struct Unreadable(pub &'static str);

/// A text.
pub fn text(text: impl Into<String>) -> Value {
    Value::S(text.into())
}

/// Bytes.
pub fn bytes(bytes: &[u8]) -> Value {
    Value::B(Blob::new(bytes))
}

/// A number.
pub fn number(n: i64) -> Value {
    Value::N(n.to_string())
}

/// A list.
pub fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::L(values.collect())
}

/// A map.
pub fn map(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::M(
        pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect::<HashMap<_, _>>(),
    )
}

/// Reads attributes by name.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a Item);

impl<'a> Reader<'a> {
    /// A text.
    pub fn text(self, name: &'static str) -> Result<&'a str, Unreadable> {
        self.maybe_text(name)?.ok_or(Unreadable(name))
    }

    /// A text that may be missing.
    pub fn maybe_text(self, name: &'static str) -> Result<Option<&'a str>, Unreadable> {
        self.maybe(name, |value| value.as_s().ok().map(String::as_str))
    }

    /// A number.
    pub fn number<T: FromStr>(self, name: &'static str) -> Result<T, Unreadable> {
        self.maybe_number(name)?.ok_or(Unreadable(name))
    }

    /// A number that may be missing.
    pub fn maybe_number<T: FromStr>(self, name: &'static str) -> Result<Option<T>, Unreadable> {
        self.maybe(name, |value| value.as_n().ok()?.parse().ok())
    }

    /// A boolean.
    pub fn flag(self, name: &'static str) -> Result<bool, Unreadable> {
        self.maybe_flag(name)?.ok_or(Unreadable(name))
    }

    /// A boolean that may be missing.
    pub fn maybe_flag(self, name: &'static str) -> Result<Option<bool>, Unreadable> {
        self.maybe(name, |value| value.as_bool().ok().copied())
    }

    /// Bytes.
    pub fn bytes(self, name: &'static str) -> Result<&'a [u8], Unreadable> {
        self.maybe_bytes(name)?.ok_or(Unreadable(name))
    }

    /// Bytes that may be missing.
    pub fn maybe_bytes(self, name: &'static str) -> Result<Option<&'a [u8]>, Unreadable> {
        self.maybe(name, |value| value.as_b().ok().map(AsRef::as_ref))
    }

    /// A token's digest, if there is one.
    pub fn token(self, name: &'static str) -> Result<Option<TokenHash>, Unreadable> {
        self.maybe(name, |value| {
            TokenHash::from_bytes(value.as_b().ok()?.as_ref())
        })
    }

    /// A set of texts; a missing one is empty.
    pub fn texts(self, name: &'static str) -> Result<Vec<String>, Unreadable> {
        let texts = self.maybe(name, |value| value.as_ss().ok())?;
        Ok(texts.cloned().unwrap_or_default())
    }

    /// The maps of a list; a missing list is empty.
    pub fn items(self, name: &'static str) -> Result<impl Iterator<Item = Reader<'a>>, Unreadable> {
        let values = self.maybe(name, |value| value.as_l().ok())?;
        let maps = values.into_iter().flatten().map(|value| value.as_m());
        let maps: Result<Vec<_>, _> = maps.collect();
        Ok(maps.map_err(|_| Unreadable(name))?.into_iter().map(Reader))
    }

    /// An ISO 8601 time.
    pub fn iso(self, name: &'static str) -> Result<Timestamp, Unreadable> {
        Timestamp::parse(self.text(name)?).ok_or(Unreadable(name))
    }

    /// Where something came from; may be missing.
    pub fn maybe_origin(self, name: &'static str) -> Result<Option<Origin>, Unreadable> {
        let origin = self.maybe_text(name)?.map(Origin::try_from);
        origin.transpose().map_err(|_| Unreadable(name))
    }

    /// Epoch seconds, which may have milliseconds.
    pub fn epoch(self, name: &'static str) -> Result<Timestamp, Unreadable> {
        let number = self.maybe(name, |value| value.as_n().ok())?;
        let number = number.ok_or(Unreadable(name))?;
        let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
        let millis = format!("{fraction:0<3.3}");
        let whole = format!("{seconds}{millis}");
        let millis = whole.parse().map_err(|_| Unreadable(name))?;
        Ok(Timestamp::from_millis(millis))
    }

    fn maybe<T>(
        self,
        name: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Unreadable> {
        match self.0.get(name) {
            None | Some(Value::Null(_)) => Ok(None),
            Some(value) => read(value).map(Some).ok_or(Unreadable(name)),
        }
    }
}

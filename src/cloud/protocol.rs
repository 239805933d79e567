//! The messages of the protocol, as JSON texts, several of them in lines of one text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cloud::close;
use crate::realtime::close::Close;

/// What the name of every cloud variable begins with. Other nodes know the variable without it.
const PREFIX: &str = "☁ ";
/// The longest name of a variable, in UTF-16 units, as the cloud server of TurboWarp takes it.
const MAX_NAME_UNITS: usize = 1024;
/// The longest value, in characters, as that server takes it.
const MAX_VALUE_CHARACTERS: usize = 100_000;
/// The longest project id, in UTF-16 units, as that server takes it.
const MAX_PROJECT_UNITS: usize = 999;
/// The longest user name that is read, in bytes. A longer one is no nickname either.
const MAX_USER_BYTES: usize = 256;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Its first message.
    Handshake(Handshake),
    /// A variable has a new value; also `create`.
    Set {
        /// The variable's name without its prefix.
        key: String,
        /// The value as text.
        value: String,
    },
    /// A variable has a new name.
    Rename {
        /// The old name without its prefix.
        from: String,
        /// The new one.
        to: String,
    },
    /// What changes nothing: a `delete`, or a value that no cloud variable may have.
    Ignored,
}

/// A client's first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The project, by its id or by a group's join code; empty if the client has none.
    pub project: String,
    /// The user's name.
    pub user: String,
}

/// The members of all messages.
#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    project_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    new_name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

impl ClientMessage {
    /// Parses one line of a client's text, or returns how its socket is to be closed.
    pub fn parse(line: &str) -> Result<Self, Close> {
        let raw: RawMessage<'_> = serde_json::from_str(line).map_err(|_| close::BAD_MESSAGE)?;
        match &*raw.method {
            "handshake" => Ok(Self::Handshake(Handshake::of(&raw)?)),
            "set" | "create" => {
                let key = key(raw.name)?;
                Ok(value(raw.value).map_or(Self::Ignored, |value| Self::Set { key, value }))
            }
            "rename" => Ok(Self::Rename {
                from: key(raw.name)?,
                to: key(raw.new_name)?,
            }),
            "delete" => Ok(Self::Ignored),
            _ => Err(close::BAD_MESSAGE),
        }
    }
}

impl Handshake {
    fn of(raw: &RawMessage<'_>) -> Result<Self, Close> {
        let project = text_or_number(raw.project_id).unwrap_or_default();
        if is_longer(&project, MAX_PROJECT_UNITS) {
            return Err(close::BAD_MESSAGE);
        }
        let user = text(raw.user).filter(|user| (1..=MAX_USER_BYTES).contains(&user.len()));
        let user = user.ok_or(close::NO_USER)?;
        Ok(Self { project, user })
    }
}

/// The message that a variable has a value. A key that has the prefix already gets no other.
pub fn set_message(key: &str, value: &str) -> String {
    let prefix = if key.starts_with(PREFIX) { "" } else { PREFIX };
    let name = serde_json::Value::from(format!("{prefix}{key}"));
    let value = serde_json::Value::from(value);
    format!(r#"{{"method":"set","name":{name},"value":{value}}}"#)
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// A text, or a number as it is written.
fn text_or_number(raw: Option<&RawValue>) -> Option<String> {
    let number = raw?.get();
    let is_number = number.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    is_number.then(|| number.to_owned()).or_else(|| text(raw))
}

fn is_longer(text: &str, units: usize) -> bool {
    text.len() > units && text.encode_utf16().count() > units
}

/// The key of a variable: its name without the prefix.
fn key(raw: Option<&RawValue>) -> Result<String, Close> {
    let name = text(raw).filter(|name| !is_longer(name, MAX_NAME_UNITS));
    let key = name.as_deref().and_then(|name| name.strip_prefix(PREFIX));
    let key = key.filter(|key| !key.is_empty());
    key.map(str::to_owned).ok_or(close::BAD_MESSAGE)
}

/// The value of a cloud variable: a number, or a text of digits. Any other is ignored, as by the
/// cloud servers of Scratch and TurboWarp.
fn value(raw: Option<&RawValue>) -> Option<String> {
    let written = text_or_number(raw)?;
    if written.len() > MAX_VALUE_CHARACTERS {
        return None;
    }
    let is_text = raw?.get().starts_with('"');
    let is_valid = if is_text {
        let digits = written.strip_prefix('-').unwrap_or(&written);
        let dots = digits.bytes().filter(|byte| *byte == b'.').count();
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        dots <= 1 && digits.bytes().all(is_digit) && !matches!(&*written, "." | "-")
    } else {
        written.parse::<f64>().is_ok_and(f64::is_finite)
    };
    is_valid.then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<ClientMessage, u16> {
        ClientMessage::parse(line).map_err(|close| close.code)
    }

    fn set(value: &str) -> Result<ClientMessage, u16> {
        parse(&format!(
            r#"{{"method":"set","name":"☁ a","value":{value}}}"#
        ))
    }

    fn to(value: &str) -> ClientMessage {
        let (key, value) = ("a".into(), value.into());
        ClientMessage::Set { key, value }
    }

    #[test]
    fn a_handshake_names_a_project_by_text_or_number_and_a_user() {
        for (line, project) in [
            (
                r#"{"method":"handshake","project_id":"0f3a1b","user":"u"}"#,
                "0f3a1b",
            ),
            (
                r#"{"method":"handshake","project_id":104,"user":"u"}"#,
                "104",
            ),
            (r#"{"method":"handshake","project_id":null,"user":"u"}"#, ""),
            (r#"{"method":"handshake","user":"u"}"#, ""),
        ] {
            let (project, user) = (project.into(), "u".into());
            let handshake = ClientMessage::Handshake(Handshake { project, user });
            assert_eq!(parse(line), Ok(handshake));
        }
        let long = "x".repeat(1000);
        for (rest, code) in [
            (format!(r#""project_id":"{long}","user":"u""#), 4000),
            (r#""project_id":"1""#.into(), 4002),
            (r#""project_id":"1","user":"""#.into(), 4002),
            (r#""project_id":"1","user":7"#.into(), 4002),
        ] {
            let line = format!(r#"{{"method":"handshake",{rest}}}"#);
            assert_eq!(parse(&line), Err(code), "{line}");
        }
    }

    #[test]
    fn values_are_numbers_and_texts_of_digits() {
        for (value, text) in [
            ("5", "5"),
            ("-0.25", "-0.25"),
            ("1e3", "1e3"),
            (r#""12""#, "12"),
            (r#""-1.5""#, "-1.5"),
            (r#""""#, ""),
            (r#""-.""#, "-."),
        ] {
            assert_eq!(set(value), Ok(to(text)), "{value}");
        }
        let long = format!("\"{}\"", "1".repeat(100_001));
        for ignored in [
            "null",
            "true",
            "[1]",
            "{}",
            "1e999",
            r#""abc""#,
            r#""1.2.3""#,
            r#""-""#,
            r#"".""#,
            r#""1e3""#,
            &long,
        ] {
            assert_eq!(set(ignored), Ok(ClientMessage::Ignored), "{ignored}");
        }
    }

    #[test]
    fn names_have_the_prefix_once_on_the_way_in_and_out() {
        let line = r#"{"method":"create","name":"☁ ☁ a","value":1}"#;
        let (key, value) = ("☁ a".into(), "1".into());
        assert_eq!(parse(line), Ok(ClientMessage::Set { key, value }));
        assert_eq!(
            set_message("a\"b", "x\n"),
            r#"{"method":"set","name":"☁ a\"b","value":"x\n"}"#
        );
        assert!(set_message("☁ a", "1").contains(r#""☁ a""#));
        for name in [r#""a""#, r#""☁ ""#, r#""☁""#, "1", "null"] {
            let line = format!(r#"{{"method":"set","name":{name},"value":1}}"#);
            assert_eq!(parse(&line), Err(4000), "{name}");
        }
    }

    #[test]
    fn a_rename_has_both_names_and_a_delete_changes_nothing() {
        let line = r#"{"method":"rename","name":"☁ a","new_name":"☁ b"}"#;
        let (from, to) = ("a".into(), "b".into());
        assert_eq!(parse(line), Ok(ClientMessage::Rename { from, to }));
        let line = r#"{"method":"delete","name":"☁ a"}"#;
        assert_eq!(parse(line), Ok(ClientMessage::Ignored));
        for line in [
            "",
            "{}",
            "[]",
            r#"{"method":"x"}"#,
            r#"{"method":1}"#,
            "\u{0}",
        ] {
            assert_eq!(parse(line), Err(4000), "{line}");
        }
    }
}

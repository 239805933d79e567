//! The file of named keys: a name, a role, the key or its digest, and maybe its end, a key a line.

use thiserror::Error;

use crate::auth::keys::{ApiKey, KeyDigest, is_weak};
use crate::model::time::Timestamp;

/// Before a digest in the place of a key.
const DIGEST: &str = "sha256:";
/// The longest name, in bytes.
const NAME_BYTES: usize = 64;
/// A last day counts to its end, in UTC.
const DAY_SECONDS: u32 = 24 * 60 * 60;

/// What is wrong in a key file, and where. It quotes nothing: what stands in a wrong place may
/// be a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct KeyFileError {
    /// The line's number.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// What a key file may contain.
#[derive(Clone, Copy, Debug)]
pub struct KeyFileRules {
    /// The shortest key, in bytes, where weak ones are refused.
    pub shortest: Option<usize>,
    /// The number of keys.
    pub keys: usize,
}

/// Reads the text of a key file.
pub fn parse(text: &str, rules: KeyFileRules) -> Result<Vec<ApiKey>, KeyFileError> {
    let mut keys: Vec<ApiKey> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, content) in (1..).zip(text.lines()) {
        let fields = content.split_whitespace();
        let mut fields = fields
            .take_while(|field| !field.starts_with('#'))
            .peekable();
        if fields.peek().is_none() {
            continue;
        }
        let refuse = |what: String| KeyFileError { line, what };
        let key = key(fields, rules).map_err(|what| refuse(what.into()))?;
        if keys.iter().any(|other| other.name == key.name) {
            return Err(refuse("an earlier line has this name".into()));
        }
        if keys.iter().any(|other| other.digest == key.digest) {
            return Err(refuse("an earlier line has this key".into()));
        }
        if keys.len() == rules.keys {
            let most = rules.keys;
            return Err(refuse(format!(
                "these are more than {most} keys: raise MESH_MAX_API_KEYS"
            )));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn key<'a>(
    mut fields: impl Iterator<Item = &'a str>,
    rules: KeyFileRules,
) -> Result<ApiKey, &'static str> {
    let (Some(name), Some(role), Some(key)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("a name, a role and a key belong here, and maybe the key's end");
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.len() > NAME_BYTES || !name.chars().all(is_plain) {
        return Err("the name has up to 64 letters, digits, dots, hyphens and underscores");
    }
    let role = role
        .parse()
        .map_err(|()| "the role is public, teacher or operator")?;
    let digest = match key.strip_prefix(DIGEST) {
        Some(hex) => KeyDigest::parse(hex).ok_or("64 hexadecimal digits follow sha256:")?,
        None if rules.shortest.is_some_and(|least| is_weak(key, least)) => {
            return Err(
                "in prod a key has at least 16 characters that are not all the same (for example \
                 the output of: openssl rand -hex 24)",
            );
        }
        None => KeyDigest::of(key),
    };
    let expires = fields.next().map(|text| {
        end(text).ok_or("the key's end is a day, 2027-03-31, or a time, 2027-03-31T18:00:00+09:00")
    });
    if fields.next().is_some() {
        return Err("nothing belongs behind the key's end");
    }
    Ok(ApiKey {
        name: Some(name.into()),
        role,
        expires: expires.transpose()?,
        digest,
    })
}

/// A time with its offset, or the end of a day in UTC.
fn end(text: &str) -> Option<Timestamp> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(text).or_else(|| Some(day()?.plus_seconds(DAY_SECONDS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;

    const RULES: KeyFileRules = KeyFileRules {
        shortest: None,
        keys: 3,
    };
    const STRICT: KeyFileRules = KeyFileRules {
        shortest: Some(16),
        keys: 3,
    };
    /// The digest of "secret".
    const DIGEST: &str = "sha256:2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B";

    #[test]
    fn a_key_file_has_keys_and_digests_with_roles_and_ends() {
        let text = format!(
            "\u{feff}# our keys\r\n\n  pupils public da2-a\r\nroom-2b\tteacher  {DIGEST} 2027-03-31 # Ms. Sato\n\
             ops operator da2#c 2027-03-31T18:00:00+09:00"
        );
        let keys = parse(&text, RULES).unwrap();
        let read: Vec<_> = keys
            .iter()
            .map(|key| {
                let end = key.expires.map(|end| end.to_string());
                (key.name.as_deref().unwrap(), key.role, end)
            })
            .collect();
        assert_eq!(
            read,
            [
                ("pupils", Role::Public, None),
                (
                    "room-2b",
                    Role::Teacher,
                    Some("2027-04-01T00:00:00.000Z".into())
                ),
                (
                    "ops",
                    Role::Operator,
                    Some("2027-03-31T09:00:00.000Z".into())
                ),
            ]
        );
        assert_eq!(keys[1].digest, KeyDigest::of("secret"));
    }

    #[test]
    fn a_wrong_line_is_named_and_not_quoted() {
        for (line, named) in [
            ("da2-secret", "a name, a role and a key"),
            ("da2-secret teacher", "a name, a role and a key"),
            ("da2-secret da2-secret da2-secret", "public, teacher"),
            ("name Teacher da2-secret", "public, teacher"),
            ("da2-secret/ teacher x", "letters"),
            ("name teacher sha256:da2-secret", "hexadecimal"),
            ("name teacher da2-secret tomorrow", "2027-03-31"),
            ("name teacher da2-secret 2027-02-30", "2027-03-31"),
            ("name teacher da2-secret 2027-01-01 x", "nothing belongs"),
            ("first public da2-secret", "this name"),
            ("name public first", "this key"),
        ] {
            let text = format!("first public first\n\n{line}\n");
            let error = parse(&text, RULES).unwrap_err();
            let said = error.to_string();
            assert!(
                said.starts_with("line 3: ") && said.contains(named),
                "{line}: {said}"
            );
            assert!(!said.contains("da2-secret"), "{said}");
        }
    }

    #[test]
    fn weak_keys_and_too_many_are_refused() {
        for key in ["da2-short", "aaaaaaaaaaaaaaaaaaaaaaaa", "sha256x"] {
            let line = format!("name public {key}");
            assert!(parse(&line, STRICT).is_err(), "{key}");
            assert!(parse(&line, RULES).is_ok(), "{key}");
        }
        let four = "a public 1\nb public 2\nc public 3\nd public 4";
        let error = parse(four, RULES).unwrap_err();
        assert_eq!(error.line, 4);
        assert!(error.what.contains("MESH_MAX_API_KEYS"), "{error}");
    }
}

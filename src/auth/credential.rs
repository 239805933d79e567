//! What a request carries to show who calls.

use std::borrow::Cow;

/// An API key or a bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The value of `x-api-key`.
    Key(Cow<'a, str>),
    /// The token of an `Authorization` header.
    Token(Cow<'a, str>),
}

impl<'a> Credential<'a> {
    /// An API key.
    pub fn key(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Key(text.into())
    }

    /// The token in an `Authorization` header: `Bearer` and the token, or the token alone, as
    /// AppSync's clients send it. Other schemes are none of ours: a proxy may need them.
    pub fn authorization(header: &'a str) -> Option<Self> {
        let header = header.trim();
        let token = match header.split_once(char::is_whitespace) {
            None => header,
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
        };
        let is_one = !token.is_empty() && !token.contains(char::is_whitespace);
        is_one.then(|| Self::Token(token.into()))
    }

    /// The one that counts where several are sent: a key before a token, and else the first.
    pub fn first_of(all: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let mut token = None;
        for one in all.into_iter().flatten() {
            match one {
                Self::Key(_) => return Some(one),
                Self::Token(_) => token = token.or(Some(one)),
            }
        }
        token
    }

    /// The same with a text of its own.
    pub fn into_owned(self) -> Credential<'static> {
        match self {
            Self::Key(text) => Credential::Key(text.into_owned().into()),
            Self::Token(text) => Credential::Token(text.into_owned().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_with_bearer_or_alone() {
        let token = Some(Credential::Token("a.b.c".into()));
        for header in ["a.b.c", "Bearer a.b.c", "bearer  a.b.c", " BEARER a.b.c "] {
            assert_eq!(Credential::authorization(header), token, "{header}");
        }
        for header in [
            "",
            " ",
            "Bearer a b",
            "Basic dXNlcg==",
            "AWS4-HMAC-SHA256 Credential=x, Signature=y",
        ] {
            assert_eq!(Credential::authorization(header), None, "{header}");
        }
    }

    #[test]
    fn a_key_counts_before_a_token() {
        let (key, token) = (Credential::key("k"), Credential::Token("t".into()));
        let first = |all: [Option<&Credential<'static>>; 3]| {
            Credential::first_of(all.map(Option::<&_>::cloned))
        };
        assert_eq!(first([Some(&token), None, Some(&key)]), Some(key.clone()));
        assert_eq!(first([None, Some(&token), None]), Some(token));
        assert_eq!(first([None, None, None]), None);
    }
}

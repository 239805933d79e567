//! What a token must say, and which claims make a role.

use std::str::FromStr;

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::auth::tokens::Verified;
use crate::auth::{Role, TokenFault};
use crate::model::time::Timestamp;

/// Which tokens are accepted.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// The sign-in service, exactly as its tokens name it.
    pub issuer: String,
    /// For whom tokens may be made.
    pub audiences: Vec<String>,
    /// How they may be signed.
    pub algorithms: Vec<Algorithm>,
    /// By how many seconds the service's clock may differ.
    pub leeway: u32,
    /// Which claims make a role.
    pub roles: Vec<(ClaimRole, Role)>,
}

/// A claim and the value that makes a role, such as `cognito:groups=teachers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRole {
    claim: String,
    value: String,
}

impl FromStr for ClaimRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((claim, value)) if !claim.is_empty() && !value.is_empty() => Ok(Self {
                claim: claim.into(),
                value: value.into(),
            }),
            _ => Err("it is a claim and its value, such as cognito:groups=teachers".into()),
        }
    }
}

impl ClaimRole {
    /// Whether the claim is the value, a list with it, or a text with it among its words (as
    /// `scope` is). A claim within another is written with a dot: `realm_access.roles`.
    fn holds(&self, claims: &Map<String, Value>) -> bool {
        let claim = claims.get(&self.claim).or_else(|| {
            let mut path = self.claim.split('.');
            let first = claims.get(path.next()?)?;
            path.try_fold(first, |value, name| value.get(name))
        });
        match claim {
            Some(Value::String(text)) => {
                *text == self.value || text.split(' ').any(|word| word == self.value)
            }
            Some(Value::Array(items)) => items.iter().any(|item| *item == *self.value),
            _ => false,
        }
    }
}

impl TokenRules {
    /// Checks the claims of a token whose signature is right.
    pub(super) fn check(&self, claims: &Map<String, Value>) -> Result<Verified, TokenFault> {
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.issuer) {
            return Err(TokenFault::Issuer);
        }
        if !self.is_for_us(claims) {
            return Err(TokenFault::Audience);
        }
        let leeway = i64::from(self.leeway) * 1000;
        let ends = time(claims, "exp").ok_or(TokenFault::Malformed)?;
        let begins = match claims.get("nbf") {
            Some(_) => time(claims, "nbf").ok_or(TokenFault::Malformed)?,
            None => Timestamp::from_millis(0),
        };
        let roles = self.roles.iter().filter(|(claim, _)| claim.holds(claims));
        Ok(Verified {
            role: roles.map(|(_, role)| *role).max().unwrap_or_default(),
            begins: begins.shifted(-leeway),
            ends: ends.shifted(leeway),
        })
    }

    /// Whether the token was made for this server. An access token of Cognito has no audience:
    /// it names the client that asked for it.
    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        let ours = |value: &Value| self.audiences.iter().any(|own| *value == **own);
        match claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(ours),
            Some(audience) => ours(audience),
            None => claims.get("client_id").is_some_and(ours),
        }
    }
}

/// A time in seconds, which may have a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Option<Timestamp> {
    let seconds = claims.get(name)?.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time beyond all times is the last one"
    )]
    Some(Timestamp::from_millis((seconds * 1000.0) as i64))
}

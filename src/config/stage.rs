//! The settings of a server or a function, checked as a whole.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

#[cfg(feature = "oidc")]
use crate::auth::tokens::TokenVerifier;
use crate::auth::{ApiKeys, Authenticator, Policy, is_weak};
use crate::config::ServeArgs;
use crate::config::keys::KeySource;
use crate::config::limits::{
    Lives, cloud, documents, history, http, limits, site, sockets, timings,
};
use crate::domains::DomainKey;
use crate::hub::HistoryLimits;
use crate::memory::{Memory, machine};
use crate::mesh::NextSince;
use crate::model::limits::Limits;
use crate::model::message::MESSAGE_BYTES;
use crate::model::rules::{InvalidTimings, Rules, Timings};
use crate::rate_limits::rates::Rates;
use crate::server::ServerSettings;
#[cfg(feature = "oidc")]
use crate::server::issuer::IssuerSettings;
use crate::server::origins::Origins;

/// The API key of a server that was given none. It is no secret: it is in this source.
pub const DEVELOPMENT_KEY: &str = "da2-mesh-development";
/// Public secrets; production refuses them.
const WELL_KNOWN_SECRETS: [&str; 4] = [
    "default-secret-key",
    "test-secret-key",
    "changeme",
    DEVELOPMENT_SECRET,
];
const DEVELOPMENT_SECRET: &str = "mesh-development-secret";
/// The shortest secret that production takes, in bytes.
const SECRET_BYTES: usize = 16;
/// The shortest API key that production takes, in bytes.
pub(super) const KEY_BYTES: usize = 16;
/// How much of the machine's memory the server means to use, in percent: what it counts
/// comes to less than what the process holds (docs/performance.md), and the system needs some.
const MEMORY_PERCENT: usize = 60;
/// The budget where the system's memory is unknown.
const UNKNOWN_MEMORY: usize = 1024 * 1024 * 1024;

/// One of the three environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// For tests.
    Stg,
    /// A second one for tests.
    Stg2,
    /// Production.
    Prod,
}

impl Stage {
    /// The name as settings spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stg => "stg",
            Self::Stg2 => "stg2",
            Self::Prod => "prod",
        }
    }

    /// The default times.
    pub fn timings(self) -> Timings {
        match self {
            Self::Stg | Self::Stg2 => Timings::STG,
            Self::Prod => Timings::PROD,
        }
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stg" => Ok(Self::Stg),
            "stg2" => Ok(Self::Stg2),
            "prod" | "production" => Ok(Self::Prod),
            _ => Err("the environments are stg, stg2 and prod".into()),
        }
    }
}

/// Why a server cannot run with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Times that cannot work together.
    #[error(transparent)]
    Timings(#[from] InvalidTimings),
    /// Production without a key of its own.
    #[error(
        "prod needs API keys of its own: set MESH_API_KEYS to one or more keys, separated by commas \
         (for example the output of: openssl rand -hex 24), or MESH_KEYS_FILE to a file of them"
    )]
    NoKeys,
    /// Production with a key that is easy to guess.
    #[error(
        "prod takes API keys of at least {KEY_BYTES} characters that are not all the same: set MESH_API_KEYS \
         to others (for example the output of: openssl rand -hex 24)"
    )]
    WeakKey,
    /// A key file that cannot be used.
    #[error("{0}")]
    KeyFile(String),
    /// Production without a secret of its own.
    #[error(
        "prod needs a secret of its own for createDomain: set MESH_SECRET_KEY to at least {SECRET_BYTES} \
         characters that are kept secret and are not all the same (for example the output of: openssl rand -hex 32)"
    )]
    NoSecret,
    /// A sign-in service that cannot be asked.
    #[cfg(feature = "oidc")]
    #[error("{0}")]
    Issuer(String),
    /// Responses that could not contain a group.
    #[error(
        "MESH_MAX_ANSWER_BYTES must be {MESSAGE_BYTES} or more above MESH_MAX_STATUS_BYTES_PER_GROUP: \
         a full group and one event must fit into an answer"
    )]
    ResponsesTooSmall,
    /// TLS without a certificate.
    #[error("--tls-listen needs --tls-cert and --tls-key, or --tls-self-signed DIR")]
    NoCertificate,
}

/// A server's settings, checked.
#[derive(Debug)]
pub struct StageSettings {
    /// The environment.
    pub stage: Stage,
    /// When something counts as alive.
    pub rules: Rules,
    /// How much is stored.
    pub limits: Limits,
    /// How much memory the process may hold.
    pub memory: Memory,
    /// What is kept for clients that come back and resume.
    pub history: HistoryLimits,
    /// How domains are derived.
    pub domains: DomainKey,
    /// Whom the server admits to its groups.
    pub policy: Policy,
    /// What recordEventsByNode answers as `nextSince`.
    pub next_since: NextSince,
    /// How often anybody may call; without, there are no rate limits.
    pub rates: Option<Rates>,
    /// How the server behaves.
    pub server: ServerSettings,
    /// Where the API keys come from.
    pub keys: KeySource,
    /// How long calls that publish wait after a start with living groups.
    pub start_hold: Duration,
    /// Whether domains come from the development secret, which is public.
    pub development_secret: bool,
}

impl StageSettings {
    /// Checks the settings as a whole.
    pub fn new(args: &ServeArgs) -> Result<Self, Unusable> {
        let keys = KeySource::new(args).read().map_err(Unusable::KeyFile)?;
        let own_keys = !keys.is_empty() || has_tokens(args);
        if args.stage == Stage::Prod && (!own_keys || keys.contains(DEVELOPMENT_KEY)) {
            return Err(Unusable::NoKeys);
        }
        let mut given = args.access.api_keys.iter().map(|key| key.trim());
        let weak = |key: &str| !key.is_empty() && is_weak(key, KEY_BYTES);
        if args.stage == Stage::Prod && given.any(weak) {
            return Err(Unusable::WeakKey);
        }
        Self::with(args, Lives::on_a_server(args), keys)
    }

    /// The same where AppSync checks the API keys, so that none is needed.
    pub fn behind_appsync(args: &ServeArgs) -> Result<Self, Unusable> {
        Self::with(args, Lives::behind_appsync(args), ApiKeys::default())
    }

    fn with(args: &ServeArgs, lives: Lives, keys: ApiKeys) -> Result<Self, Unusable> {
        let secret = args.access.secret_key.as_deref().unwrap_or_default();
        let own_secret = !is_weak(secret, SECRET_BYTES) && !WELL_KNOWN_SECRETS.contains(&secret);
        if args.stage == Stage::Prod && !own_secret {
            return Err(Unusable::NoSecret);
        }
        let certificate = args.tls.tls_cert.is_some() || args.tls.tls_self_signed.is_some();
        if args.tls.tls_listen.is_some() && !certificate {
            return Err(Unusable::NoCertificate);
        }
        let bounds = &args.bounds;
        let spare = bounds
            .max_answer_bytes
            .saturating_sub(bounds.max_status_bytes_per_group);
        if (spare as usize) < MESSAGE_BYTES {
            return Err(Unusable::ResponsesTooSmall);
        }
        let development = keys.is_empty() && args.access.keys.is_none() && !has_tokens(args);
        let keys = if development {
            ApiKeys::new([DEVELOPMENT_KEY])
        } else {
            keys
        };
        #[cfg(feature = "oidc")]
        let (authenticator, issuer) = with_tokens(args, keys)?;
        #[cfg(not(feature = "oidc"))]
        let authenticator = Authenticator::new(keys);
        let server = ServerSettings {
            authenticator,
            #[cfg(feature = "oidc")]
            issuer,
            development_key: development.then_some(DEVELOPMENT_KEY),
            pages: args.access.pages,
            public_key: public_key(args, development),
            authority: None,
            origins: Origins::new(&args.access.allowed_origins, &args.tls.tls_names),
            trusted_proxies: args.access.trusted_proxies.clone().into(),
            metrics: args.metrics_access(),
            graphiql: args.for_developers(args.access.graphiql),
            documents: documents(&args.bounds, args.for_developers(args.access.introspection)),
            sockets: sockets(&args.bounds),
            cloud: cloud(&args.bounds, args.access.cloud_open),
            http: http(&args.bounds),
        };
        Ok(Self {
            stage: args.stage,
            rules: Rules::new(timings(args, lives))?,
            limits: limits(&args.bounds),
            memory: Memory::new(args.bounds.max_memory.unwrap_or_else(usual_memory)),
            history: history(&args.bounds),
            start_hold: Duration::from_millis(args.bounds.start_hold.into()),
            development_secret: secret.is_empty() || secret == DEVELOPMENT_SECRET,
            domains: DomainKey::new(
                if secret.is_empty() {
                    DEVELOPMENT_SECRET
                } else {
                    secret
                }
                .as_bytes(),
            )
            .with_site(site(bounds)),
            policy: args.access.policy.into(),
            next_since: args.next_since.into(),
            rates: args.rates.rates(site(bounds)),
            server,
            keys: KeySource::new(args),
        })
    }
}

/// The key that pupils' pages get: the first of `MESH_API_KEYS`, or the development key.
fn public_key(args: &ServeArgs, development: bool) -> Option<Arc<str>> {
    let given = args.access.api_keys.iter().map(|key| key.trim());
    let first = given.into_iter().find(|key| !key.is_empty());
    first
        .or(development.then_some(DEVELOPMENT_KEY))
        .map(Arc::from)
}

/// Whether tokens of a sign-in service are accepted.
#[cfg(feature = "oidc")]
fn has_tokens(args: &ServeArgs) -> bool {
    args.oidc.oidc_issuer.is_some()
}

/// Whether tokens of a sign-in service are accepted.
#[cfg(not(feature = "oidc"))]
fn has_tokens(_: &ServeArgs) -> bool {
    false
}

/// Accepts keys, and tokens if the settings name their issuer.
#[cfg(feature = "oidc")]
fn with_tokens(
    args: &ServeArgs,
    keys: ApiKeys,
) -> Result<(Authenticator, Option<IssuerSettings>), Unusable> {
    let Some((rules, issuer)) = args.oidc.settings().map_err(Unusable::Issuer)? else {
        return Ok((Authenticator::new(keys), None));
    };
    let verifier = Arc::new(TokenVerifier::new(rules, issuer.timeout));
    Ok((Authenticator::with_tokens(keys, verifier), Some(issuer)))
}

fn usual_memory() -> usize {
    machine::available().map_or(UNKNOWN_MEMORY, |bytes| bytes / 100 * MEMORY_PERCENT)
}

#[cfg(test)]
mod tests;

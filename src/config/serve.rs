//! The settings of `mesh-v2 serve` but for its limits, each with its line in `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use ipnet::IpNet;

use crate::auth::Policy;
use crate::config::address::{default_listen, listen_address, tls_name};
use crate::config::{BoundArgs, RateArgs, Stage};
use crate::mesh::NextSince;
use crate::server::metrics_access::MetricsAccess;
use crate::server::origins::Origin;
use crate::store::embedded::{Durability, Options};

/// Where groups, variables and events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// In a folder; survives restarts and `kill -9`.
    Embedded,
    /// In memory; forgotten when the process ends.
    Memory,
    /// On a DynamoDB table. Several servers may share it, but they do not pass messages to each
    /// other's subscribers.
    #[cfg(feature = "dynamodb")]
    #[value(name = "dynamodb")]
    DynamoDb,
}

/// Reads `--durability`; earlier names are refused by naming the new ones.
fn durability(text: &str) -> Result<Durability, String> {
    match text {
        "always" => Ok(Durability::Always),
        "everysec" => Ok(Durability::EverySecond),
        "no" => Ok(Durability::No),
        "power" => Err("it is called always now; everysec costs a second at most".into()),
        "process" => Err("it is called no now; everysec costs a second at most".into()),
        _ => Err("the choices are always, everysec and no".into()),
    }
}

/// What recordEventsByNode answers as nextSince.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NextSinceKind {
    /// An empty string: Smalruby's client keeps its own cursor and misses nothing.
    Empty,
    /// The cursor of the call's last event: Smalruby's client takes it for its own and loses
    /// what others recorded since its last poll.
    Cursor,
}

impl From<NextSinceKind> for NextSince {
    fn from(kind: NextSinceKind) -> Self {
        match kind {
            NextSinceKind::Empty => Self::Empty,
            NextSinceKind::Cursor => Self::Cursor,
        }
    }
}

/// Whom the server admits to its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyKind {
    /// Any caller with a key, to every group.
    Open,
    /// A caller, to the groups of its own network.
    Own,
    /// A caller that knows a group's id; groups and nodes need a token.
    Token,
}

impl From<PolicyKind> for Policy {
    fn from(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::Open => Self::Open,
            PolicyKind::Own => Self::Own,
            PolicyKind::Token => Self::Token,
        }
    }
}

/// Settings of a server.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Read settings from this file instead of .env
    #[arg(long, env = "MESH_ENV_FILE", value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// The environment: stg, stg2 or prod; chooses the default times
    #[arg(long, env = "STAGE", default_value = "stg", value_name = "STAGE")]
    pub stage: Stage,

    /// Where plain HTTP is served: an address and a port, or a port alone: 4000 (this
    /// machine), :4000 (every interface); port 0 takes a free one. Without it, the port of PORT on
    /// every interface, if a hosting platform sets that
    #[arg(
        long,
        env = "MESH_LISTEN",
        default_value = default_listen(),
        value_name = "ADDR",
        value_parser = listen_address
    )]
    pub listen: SocketAddr,

    /// Where /metrics is served, with /healthz and /readyz: without a key, and then nowhere else;
    /// choose an address that only the monitor reaches, such as 127.0.0.1:9464 [default: beside the
    /// API, for this machine and for callers with a key, in prod an operator's]
    #[arg(long, env = "MESH_METRICS_LISTEN", value_name = "ADDR", value_parser = listen_address)]
    pub metrics_listen: Option<SocketAddr>,

    /// What recordEventsByNode answers as nextSince
    #[arg(
        long,
        env = "MESH_NEXT_SINCE",
        value_enum,
        default_value = "empty",
        value_name = "FORM"
    )]
    pub next_since: NextSinceKind,

    /// What is logged: error, warn, info, debug, or a tracing filter
    #[arg(long, env = "MESH_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// Keys (all the rest by heading).
    #[command(flatten)]
    pub access: AccessArgs,

    /// Tokens.
    #[cfg(feature = "oidc")]
    #[command(flatten)]
    pub oidc: crate::config::oidc::OidcArgs,

    /// Traces.
    #[cfg(feature = "otel")]
    #[command(flatten)]
    pub otlp: crate::config::otlp::OtlpArgs,

    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Pages of the school's own.
    #[command(flatten)]
    pub public: PublicArgs,

    /// Store.
    #[command(flatten)]
    pub store: StoreArgs,

    /// DynamoDB.
    #[cfg(feature = "dynamodb")]
    #[command(flatten)]
    pub dynamodb: crate::config::dynamodb::DynamoDbArgs,

    /// Times.
    #[command(flatten)]
    pub times: TimeArgs,

    /// Rate limits.
    #[command(flatten)]
    pub rates: RateArgs,

    /// Bounds.
    #[command(flatten)]
    pub bounds: BoundArgs,
}

/// Who may call.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// API keys, separated by commas; needed in prod
    #[arg(
        long,
        env = "MESH_API_KEYS",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "KEYS"
    )]
    pub api_keys: Vec<String>,

    /// A file of named API keys with a role: on each line a name, public, teacher or operator, the
    /// key or sha256: and its digest, and maybe the key's last day; read again when it changes
    #[arg(long, env = "MESH_KEYS_FILE", value_name = "FILE")]
    pub keys: Option<PathBuf>,

    /// The lines of such a file themselves, for containers that have their secrets as variables
    #[arg(
        long,
        env = "MESH_NAMED_KEYS",
        hide_env_values = true,
        conflicts_with = "keys",
        value_name = "LINES"
    )]
    pub named_keys: Option<String>,

    /// Whether the pages for teachers and pupils and the blocks for Scratch editors are served; they get the first of the API keys
    #[arg(
        long,
        env = "MESH_PAGES",
        default_value = "true",
        action = ArgAction::Set,
        value_name = "BOOL"
    )]
    pub pages: bool,

    /// Whether browsers get the GraphiQL page at /graphql [default: true; false in prod]
    #[arg(
        long,
        env = "MESH_GRAPHIQL",
        action = ArgAction::Set,
        value_name = "BOOL"
    )]
    pub graphiql: Option<bool>,

    /// Whether queries may ask for the schema (`__schema`, `__type`); `mesh-v2 schema` prints it
    /// anywhere [default: true; false in prod]
    #[arg(
        long,
        env = "MESH_INTROSPECTION",
        action = ArgAction::Set,
        value_name = "BOOL"
    )]
    pub introspection: Option<bool>,

    /// Whom the server admits to its groups: open, own or token (docs/threat-model.md)
    ///
    /// With open, any caller with a key can act in every group, as in the original service. With own,
    /// a caller acts only in its own network's domain and in domains that were typed, and sees no
    /// others: recommended for a school. With token, groups and nodes need tokens, and only who
    /// knows a group's id can act in it: for clients that send tokens.
    #[arg(
        long,
        env = "MESH_POLICY",
        value_enum,
        default_value = "open",
        value_name = "POLICY"
    )]
    pub policy: PolicyKind,

    /// Whether cloud variables of any project id are shared at /cloud, in a group of their own for
    /// each; without it, a join code is needed. Anyone who reaches the server may then make groups
    #[arg(long, env = "MESH_CLOUD_OPEN")]
    pub cloud_open: bool,

    /// The secret from which createDomain derives domains; needed in prod
    #[arg(
        long,
        env = "MESH_SECRET_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub secret_key: Option<String>,

    /// Networks of proxies whose X-Forwarded-For is trusted, such as 10.0.0.0/8
    #[arg(
        long,
        env = "MESH_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "CIDRS"
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// Behind AppSync alone: addresses that AWS appends to X-Forwarded-For after the client's when
    /// the request comes by the API's custom domain (docs/deployment.md)
    #[arg(
        long,
        env = "MESH_APPSYNC_HOPS",
        default_value = "1",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u8).range(0..=8)
    )]
    pub appsync_hops: u8,

    /// The only pages that may call, by their origin, separated by commas, such as
    /// <https://editor.example>; other clients send none and are not affected [default: all]
    #[arg(
        long,
        env = "MESH_ALLOWED_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGINS"
    )]
    pub allowed_origins: Vec<Origin>,
}

/// Serving over TLS beside plain HTTP.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the flags"
)]
pub struct TlsArgs {
    /// Where HTTPS is served as well
    #[arg(long, env = "MESH_TLS_LISTEN", value_name = "ADDR", value_parser = listen_address)]
    pub tls_listen: Option<SocketAddr>,

    /// The certificate chain, PEM
    #[arg(long, env = "MESH_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's key, PEM
    #[arg(long, env = "MESH_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Make ca.pem, cert.pem and key.pem for localhost, 127.0.0.1, `::1` and the names of
    /// --tls-names in this folder if they are missing; clients must trust ca.pem
    ///
    /// They are made anew when a name is missing in them, or when they end within 30 days: then
    /// clients must trust the new ca.pem.
    #[arg(
        long,
        env = "MESH_TLS_SELF_SIGNED",
        conflicts_with = "tls_cert",
        value_name = "DIR"
    )]
    pub tls_self_signed: Option<PathBuf>,

    /// Names and addresses by which clients reach this machine, for the certificate of
    /// --tls-self-signed, separated by commas, such as school.local,192.168.1.10
    #[arg(
        long,
        env = "MESH_TLS_NAMES",
        value_delimiter = ',',
        value_parser = tls_name,
        requires = "tls_self_signed",
        value_name = "NAMES"
    )]
    pub tls_names: Vec<String>,
}

/// A folder of pages beside the API.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pages")]
pub struct PublicArgs {
    /// Serve this folder's files, with the API at the same origin, on a port of its own
    ///
    /// For a built editor, packaged projects or pages of the school: they reach the API at /graphql of their
    /// own address, so no browser asks for permission. Anyone who reaches the port can read the
    /// folder, but for names that begin with a dot.
    #[arg(long, env = "MESH_PUBLIC", value_name = "DIR")]
    pub public: Option<PathBuf>,

    /// Where that folder is served [default: the address of --listen with the next port]
    #[arg(
        long,
        env = "MESH_PUBLIC_LISTEN",
        requires = "public",
        value_name = "ADDR",
        value_parser = listen_address
    )]
    pub public_listen: Option<SocketAddr>,
}

impl ServeArgs {
    /// Who may read the counters on the listeners of the API.
    pub fn metrics_access(&self) -> MetricsAccess {
        match (self.metrics_listen, self.stage) {
            (Some(_), _) => MetricsAccess::OwnListener,
            (None, Stage::Prod) => MetricsAccess::Operators,
            (None, Stage::Stg | Stage::Stg2) => MetricsAccess::AnyKey,
        }
    }

    /// A setting of what only developers use: off in prod unless it is set.
    pub fn for_developers(&self, set: Option<bool>) -> bool {
        set.unwrap_or(self.stage != Stage::Prod)
    }

    /// Where the folder of pages is served, if there is one.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public.public.as_ref()?;
        let next = || {
            let port = match self.listen.port() {
                0 => 0,
                port => port.checked_add(1).unwrap_or(port - 1),
            };
            SocketAddr::new(self.listen.ip(), port)
        };
        Some(self.public.public_listen.unwrap_or_else(next))
    }
}

/// Where everything is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Where groups, variables and events are kept
    #[arg(
        long,
        env = "MESH_STORE",
        value_enum,
        default_value = "embedded",
        value_name = "STORE"
    )]
    pub store: StoreKind,

    /// The embedded store's folder
    #[arg(long, env = "MESH_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,

    /// When the embedded store syncs its journal to the disk: always, everysec or no
    ///
    /// What was answered survives the end of the server, by kill -9 too, with each of them.
    /// A power cut costs nothing with always: each answer waits for the disk (5,000 syncs a
    /// second at most). With everysec it costs the last second, or two where a sync takes a
    /// second: one sync a second. With no it costs what the system has not written yet, often
    /// half a minute.
    #[arg(
        long,
        env = "MESH_DURABILITY",
        value_parser = durability,
        default_value = "everysec",
        value_name = "WHEN"
    )]
    pub durability: Durability,

    /// Seconds within which the names and values of an ended group are gone from the disk
    #[arg(
        long,
        env = "MESH_ERASE_AFTER",
        default_value = "600",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(2..=86_400)
    )]
    pub erase_after: u32,

    /// Seconds that a call waits for the disk before it fails
    #[arg(
        long,
        env = "MESH_DISK_TIMEOUT_SECONDS",
        default_value = "10",
        value_name = "S",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub disk_timeout: u32,
}

impl StoreArgs {
    /// How the embedded store keeps changes.
    pub fn embedded(&self) -> Options {
        Options {
            durability: self.durability,
            erase_after: Duration::from_secs(self.erase_after.into()),
            disk_timeout: Duration::from_secs(self.disk_timeout.into()),
        }
    }
}

/// The environment's times, in seconds (stg / prod).
#[derive(Debug, Args)]
#[command(next_help_heading = "Times, in seconds [default: stg / prod]")]
pub struct TimeArgs {
    /// How often a host sends its heartbeat [15 / 60]
    #[arg(long, env = "MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", value_name = "S")]
    pub host_heartbeat_interval: Option<u32>,
    /// How long a group lives without it [60 / 150]
    #[arg(long, env = "MESH_HOST_HEARTBEAT_TTL_SECONDS", value_name = "S")]
    pub host_heartbeat_ttl: Option<u32>,
    /// How often a member sends its heartbeat [15 / 120]
    #[arg(long, env = "MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS", value_name = "S")]
    pub member_heartbeat_interval: Option<u32>,
    /// How long a member and its variables count without it [60 / 600]
    #[arg(long, env = "MESH_MEMBER_HEARTBEAT_TTL_SECONDS", value_name = "S")]
    pub member_heartbeat_ttl: Option<u32>,
    /// The life of a group whose host asks for none, as no editor does: longer than a lesson
    /// [300 / 2100]
    #[arg(long, env = "MESH_DEFAULT_CONNECTION_TIME_SECONDS", value_name = "S")]
    pub default_connection_time: Option<u32>,
    /// The longest life that a host may ask for [300 / 6000; behind AppSync the same as the
    /// other]
    #[arg(long, env = "MESH_MAX_CONNECTION_TIME_SECONDS", value_name = "S")]
    pub max_connection_time: Option<u32>,
    /// How long an event can be polled [10 / 10]
    #[arg(long, env = "MESH_EVENT_TTL_SECONDS", value_name = "S")]
    pub event_ttl: Option<u32>,
    /// How often members of a polling group poll [2 / 2]
    #[arg(long, env = "MESH_POLLING_INTERVAL_SECONDS", value_name = "S")]
    pub polling_interval: Option<u32>,
}

//! Every knob of the program, typed, with its line in `--help`. Flags win over the
//! environment, the environment over the `.env` file. Only the mains see this.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::mesh::NextSince;
use crate::store::embedded::Durability;

pub use stage::{Stage, StageSettings, Unusable};

/// The file that is read without `--env-file`, if it is there.
const ENV_FILE: &str = ".env";

/// Realtime group messaging for Scratch-style classrooms.
///
/// Without a command, serves a stage. Every flag has an environment variable; flags win
/// over the environment, and the environment over the .env file in the working folder
/// (a link from .env to .env.stg or .env.production chooses a stage).
#[derive(Debug, Parser)]
#[command(
    name = "mesh-v2",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; serves when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a stage (the default).
    Serve(Box<ServeArgs>),
    /// Print the effective settings, without secrets, and say what is wrong with them.
    Check(Box<ServeArgs>),
    /// Print the GraphQL schema.
    Schema,
    /// Make, show or delete the stage's DynamoDB table.
    #[cfg(feature = "dynamodb")]
    #[command(subcommand)]
    Table(dynamodb::TableCommand),
    /// Look at a group.
    #[cfg(feature = "dynamodb")]
    #[command(subcommand)]
    Group(dynamodb::GroupCommand),
    /// Measure a stage: groups of subscribers, publishers and pollers, and what they hear.
    ///
    /// Every message carries its sender, its number and its time, so that loss, duplicates,
    /// reordering and messages of other groups are counted, and the time to each listener is
    /// known. Exits with code 1 when anything of that happened, or when nothing was heard.
    #[cfg(feature = "bench")]
    Bench(Box<mesh_bench::BenchArgs>),
}

/// How the server keeps what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// In a folder; survives restarts and `kill -9`.
    Embedded,
    /// In memory; forgotten when the process ends.
    Memory,
    /// On a DynamoDB table. Several servers may share it, but they do not tell each other's
    /// subscribers.
    #[cfg(feature = "dynamodb")]
    #[value(name = "dynamodb")]
    DynamoDb,
}

/// What an acknowledged call survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityKind {
    /// A power cut: each answer waits for the disk.
    Power,
    /// The end of the server, by `kill -9` too, and answers sooner. A power cut may cost
    /// what came in the last half minute or so.
    Process,
}

impl From<DurabilityKind> for Durability {
    fn from(kind: DurabilityKind) -> Self {
        match kind {
            DurabilityKind::Power => Self::Power,
            DurabilityKind::Process => Self::Process,
        }
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

/// Settings of a server.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Read settings from this file instead of .env
    #[arg(long, env = "MESH_ENV_FILE", value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// The stage: stg, stg2 or prod; chooses the default times
    #[arg(long, env = "STAGE", default_value = "stg", value_name = "STAGE")]
    pub stage: Stage,

    /// Where plain HTTP is served; port 0 takes a free one
    #[arg(
        long,
        env = "MESH_LISTEN",
        default_value = "127.0.0.1:4000",
        value_name = "ADDR"
    )]
    pub listen: SocketAddr,

    /// Keys (all the rest by heading).
    #[command(flatten)]
    pub access: AccessArgs,

    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Store.
    #[command(flatten)]
    pub store: StoreArgs,

    /// DynamoDB.
    #[cfg(feature = "dynamodb")]
    #[command(flatten)]
    pub dynamodb: dynamodb::DynamoDbArgs,

    /// Times.
    #[command(flatten)]
    pub times: TimeArgs,

    /// Bounds.
    #[command(flatten)]
    pub bounds: BoundArgs,

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
}

/// Who may call.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// API keys, separated by commas; needed in stage prod
    #[arg(
        long,
        env = "MESH_API_KEYS",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "KEYS"
    )]
    pub api_keys: Vec<String>,

    /// The secret from which createDomain derives domains; needed in stage prod
    #[arg(
        long,
        env = "MESH_SECRET_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub secret_key: Option<String>,

    /// Networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8
    #[arg(
        long,
        env = "MESH_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "CIDRS"
    )]
    pub trusted_proxies: Vec<IpNet>,
}

/// Serving over TLS beside plain HTTP.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Where HTTPS is served as well
    #[arg(long, env = "MESH_TLS_LISTEN", value_name = "ADDR")]
    pub tls_listen: Option<SocketAddr>,

    /// The certificate chain, PEM
    #[arg(long, env = "MESH_TLS_CERT", requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's key, PEM
    #[arg(long, env = "MESH_TLS_KEY", requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Make ca.pem, cert.pem and key.pem for localhost, 127.0.0.1 and `::1` in this folder
    /// if they are missing; clients must trust ca.pem
    #[arg(
        long,
        env = "MESH_TLS_SELF_SIGNED",
        conflicts_with = "tls_cert",
        value_name = "DIR"
    )]
    pub tls_self_signed: Option<PathBuf>,
}

/// Where everything is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// How the server keeps what it is told
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

    /// What the embedded store's acknowledged calls survive
    #[arg(
        long,
        env = "MESH_DURABILITY",
        value_enum,
        default_value = "power",
        value_name = "WHAT"
    )]
    pub durability: DurabilityKind,
}

/// The stage's times, in seconds (stg / prod).
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
    /// How long a member and its variables are told without it [60 / 600]
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

macro_rules! bounds {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:literal, $env:literal, $range:expr;)*) => {
        /// How much of anything the server takes or holds.
        #[derive(Debug, Args)]
        #[command(next_help_heading = "Bounds")]
        pub struct BoundArgs {
            /// Bytes of memory that the server means to use, such as 800M or 2G; new groups
            /// are refused from 70 % of it on, new nodes from 80 %, new data from 90 %
            /// [default: 60 % of the machine's memory or of its control group's limit]
            #[arg(long, env = "MESH_MAX_MEMORY", value_name = "BYTES", value_parser = memory)]
            pub max_memory: Option<usize>,

            $($(#[$doc])*
            #[arg(long, env = $env, default_value = $default, value_name = "N", hide_short_help = true,
                value_parser = clap::value_parser!($type).range($range))]
            pub $field: $type,)*
        }

        impl BoundArgs {
            /// Every bound by its variable, for `mesh-v2 check`.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$(($env, u64::from(self.$field)),)*]
            }
        }
    };
}

/// The least memory that a server can work in.
const LEAST_MEMORY: usize = 32 * 1024 * 1024;

/// A number of bytes; K, M and G count 1,024 each.
fn memory(text: &str) -> Result<usize, String> {
    let upper = text.trim().to_ascii_uppercase();
    let short = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B'));
    let short = short.unwrap_or(&upper);
    let (number, unit) = match short.char_indices().next_back() {
        Some((at, 'K')) => (&short[..at], 1 << 10),
        Some((at, 'M')) => (&short[..at], 1 << 20),
        Some((at, 'G')) => (&short[..at], 1 << 30),
        _ => (short, 1),
    };
    let bytes: Option<usize> = number.trim().parse().ok();
    let bytes = bytes.and_then(|number| number.checked_mul(unit));
    match bytes {
        None => Err("it is a number of bytes, such as 838860800, 800M or 2G".into()),
        Some(few) if few < LEAST_MEMORY => Err("the server needs at least 32M".into()),
        Some(bytes) => Ok(bytes),
    }
}

bounds! {
    /// Connections at once, WebSockets included; more wait to be accepted
    max_connections: u32 = "25000", "MESH_MAX_CONNECTIONS", 1..;
    /// Bytes of a request's body
    max_body_bytes: u32 = "262144", "MESH_MAX_BODY_BYTES", 1024..;
    /// Bytes of a request's head
    max_head_bytes: u32 = "32768", "MESH_MAX_HEAD_BYTES", 8192..;
    /// Requests at once on one HTTP/2 connection
    max_streams: u32 = "100", "MESH_MAX_STREAMS", 1..;
    /// Bytes of one answer to a query or mutation; pages of events are shortened to fit
    max_answer_bytes: u32 = "5242880", "MESH_MAX_ANSWER_BYTES", 1_048_576..;
    /// Bytes of answers that one connection may leave unread before no more is run for it
    max_unread_bytes: u32 = "8388608", "MESH_MAX_UNREAD_BYTES", 65_536..;
    /// Seconds for a connection's first request, a request's body or a TLS handshake
    request_patience: u32 = "10", "MESH_REQUEST_PATIENCE_SECONDS", 1..;
    /// Seconds between looks at a connection, which is closed when nothing was asked since
    idle: u32 = "75", "MESH_IDLE_SECONDS", 1..;
    /// Seconds over which sockets are closed when the server stops; 0 where no other server
    /// can take over, 5 suits several behind a balancer once they share a bus
    drain: u32 = "0", "MESH_DRAIN_SECONDS", 0..;
    /// Milliseconds after a start with living groups for which reports, events and dissolves
    /// wait, so that clients are back to hear them
    start_hold: u32 = "1000", "MESH_START_HOLD_MILLISECONDS", 0..=60_000;
    /// Levels of selection sets in a document
    max_depth: u32 = "16", "MESH_MAX_DEPTH", 1..;
    /// Fields in a document
    max_complexity: u32 = "400", "MESH_MAX_COMPLEXITY", 1..;
    /// Aliases in a document
    max_aliases: u32 = "50", "MESH_MAX_ALIASES", 0..;
    /// Brackets within brackets in a document's text
    max_nesting: u32 = "64", "MESH_MAX_NESTING", 8..=128;
    /// Subscriptions of one WebSocket
    max_subscriptions: u32 = "100", "MESH_MAX_SUBSCRIPTIONS", 1..;
    /// Bytes of one WebSocket message from a client
    max_message_bytes: u32 = "262144", "MESH_MAX_MESSAGE_BYTES", 1024..;
    /// Bytes that may wait for a slow WebSocket before it is closed (code 1013); an answer
    /// to a query on it counts apart. Any one message fits into the least, 524288
    max_outbox_bytes: u32 = "1048576", "MESH_MAX_OUTBOX_BYTES", 524_288..;
    /// Bytes of the selections of one WebSocket's subscriptions
    max_selection_bytes: u32 = "524288", "MESH_MAX_SELECTION_BYTES", 16_384..;
    /// Seconds for a WebSocket to send `connection_init` (else code 4408)
    init_timeout: u32 = "15", "MESH_INIT_TIMEOUT_SECONDS", 1..;
    /// Seconds between two signs of life on a WebSocket; some clients leave after 30
    keep_alive: u32 = "20", "MESH_KEEP_ALIVE_SECONDS", 1..=25;
    /// Seconds that AppSync clients are told to wait for a sign of life (`connectionTimeoutMs`);
    /// some take less than 60 for 300
    connection_timeout: u32 = "90", "MESH_CONNECTION_TIMEOUT_SECONDS", 60..=300;
    /// Seconds after which a silent peer is given up: by pings, TCP keep-alive and user time-out
    peer_timeout: u32 = "180", "MESH_PEER_TIMEOUT_SECONDS", 60..=86_400;
    /// The same for WebSockets while less than a tenth of the connections is free
    short_peer_timeout: u32 = "60", "MESH_SHORT_PEER_TIMEOUT_SECONDS", 60..=86_400;
    /// Seconds in which a slow reader may come to the close code that ends its WebSocket
    close_timeout: u32 = "60", "MESH_CLOSE_TIMEOUT_SECONDS", 1..=600;
    /// Groups on the stage
    max_groups: u32 = "20000", "MESH_MAX_GROUPS", 1..;
    /// Groups in one domain
    max_groups_per_domain: u32 = "1000", "MESH_MAX_GROUPS_PER_DOMAIN", 1..;
    /// Nodes known to one group
    max_nodes_per_group: u32 = "1000", "MESH_MAX_NODES_PER_GROUP", 1..;
    /// Variables of one node
    max_keys_per_node: u32 = "1000", "MESH_MAX_KEYS_PER_NODE", 1..;
    /// Bytes of one node's variables
    max_status_bytes: u32 = "65536", "MESH_MAX_STATUS_BYTES", 1..;
    /// Bytes that the variables of a group's nodes take in an answer, names included; keep it
    /// well below what an answer may take
    max_status_bytes_per_group: u32 = "4194304", "MESH_MAX_STATUS_BYTES_PER_GROUP", 1024..;
    /// Events in one call; a call of more than 240 KB as it is published, some 900 usual
    /// events, is refused too
    max_events_per_call: u32 = "1000", "MESH_MAX_EVENTS_PER_CALL", 1..=100_000;
    /// Event calls that a group remembers within the event TTL
    max_calls_per_group: u32 = "20000", "MESH_MAX_CALLS_PER_GROUP", 1..;
    /// Bytes of events that a group holds within the event TTL
    max_event_bytes_per_group: u32 = "8388608", "MESH_MAX_EVENT_BYTES_PER_GROUP", 1024..;
    /// Ended groups that are remembered for a while, so that their members are told why
    max_ended_groups: u32 = "20000", "MESH_MAX_ENDED_GROUPS", 0..;
}

impl BoundArgs {
    /// A span of whole seconds.
    pub fn seconds(value: u32) -> Duration {
        Duration::from_secs(value.into())
    }
}

/// Reads the `.env` file before anything else looks at the environment: the one given
/// with `--env-file` or `MESH_ENV_FILE`, else `.env` if it is there. Must run before
/// threads start. Answers which file was read.
pub fn read_env_file() -> anyhow::Result<Option<PathBuf>> {
    use anyhow::Context as _;
    let mut args = std::env::args_os()
        .skip(1)
        .filter_map(|arg| arg.into_string().ok());
    let mut by_flag = None;
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--env-file") {
            Some("") => by_flag = args.next(),
            Some(rest) => by_flag = rest.strip_prefix('=').map(Into::into),
            None => {}
        }
    }
    let asked = by_flag.or_else(|| std::env::var("MESH_ENV_FILE").ok());
    let Some(file) = asked
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(ENV_FILE)).filter(|file| file.exists()))
    else {
        return Ok(None);
    };
    // Variables that are set already stay as they are.
    dotenvy::from_path(&file)
        .with_context(|| format!("cannot read the settings file {}", file.display()))?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn memory_is_bytes_or_a_number_with_a_unit() {
        for (text, bytes) in [
            ("33554432", 32 << 20),
            ("800M", 800 << 20),
            ("800 MiB", 800 << 20),
            ("2g", 2 << 30),
            ("65536kb", 64 << 20),
        ] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "1.5G",
            "-1",
            "all",
            "9999999999999G",
            "あ",
            "31M",
            "0",
        ] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_a_variable_and_a_sentence() {
        let serve = Cli::command();
        let settings = serve
            .get_arguments()
            .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
        for setting in settings {
            assert!(setting.get_env().is_some(), "{setting} has no variable");
            assert!(setting.get_help().is_some(), "{setting} has no sentence");
        }
    }
}

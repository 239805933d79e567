//! From settings to a stage that can run, or to what is wrong with them.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::auth::ApiKeys;
use crate::config::{BoundArgs, DurabilityKind, ServeArgs, StoreKind};
use crate::domains::DomainKey;
use crate::memory::{Memory, machine};
use crate::mesh::NextSince;
use crate::model::limits::Limits;
use crate::model::message::MESSAGE_BYTES;
use crate::model::rules::{InvalidTimings, Rules, Timings};
use crate::realtime::SocketLimits;
use crate::resolvers::DocumentLimits;
use crate::server::{HttpLimits, ServerSettings};

/// The key that opens a stage which was given none. It is no secret: it stands here.
pub const DEVELOPMENT_KEY: &str = "da2-mesh-development";
/// Secrets that everybody knows; production refuses them.
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
const KEY_BYTES: usize = 16;
/// How much of the machine's memory the server means to use, in percent: what it counts
/// comes to less than what the process holds (docs/performance.md), and the system needs some.
const MEMORY_PERCENT: usize = 60;
/// The budget where the system does not tell how much memory it has.
const UNKNOWN_MEMORY: usize = 1024 * 1024 * 1024;

/// One of the three deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// For trying things out.
    Stg,
    /// A second one.
    Stg2,
    /// The real one.
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

    fn timings(self) -> Timings {
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
            _ => Err("the stages are stg, stg2 and prod".into()),
        }
    }
}

/// Why a stage cannot run with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Times that cannot work together.
    #[error(transparent)]
    Timings(#[from] InvalidTimings),
    /// Production without a key of its own.
    #[error(
        "stage prod needs API keys of its own: set MESH_API_KEYS to one or more keys, separated by commas \
         (for example the output of: openssl rand -hex 24)"
    )]
    NoKeys,
    /// Production with a key that is guessed soon.
    #[error(
        "stage prod takes API keys of at least {KEY_BYTES} characters that are not all the same: set MESH_API_KEYS \
         to others (for example the output of: openssl rand -hex 24)"
    )]
    WeakKey,
    /// Production without a secret of its own.
    #[error(
        "stage prod needs a secret of its own for createDomain: set MESH_SECRET_KEY to at least {SECRET_BYTES} \
         characters that nobody knows and that are not all the same (for example the output of: openssl rand -hex 32)"
    )]
    NoSecret,
    /// Answers that could not hold a group.
    #[error(
        "MESH_MAX_ANSWER_BYTES must be {MESSAGE_BYTES} or more above MESH_MAX_STATUS_BYTES_PER_GROUP: \
         a full group and one event must fit into an answer"
    )]
    AnswersTooSmall,
    /// TLS without a certificate.
    #[error("--tls-listen needs --tls-cert and --tls-key, or --tls-self-signed DIR")]
    NoCertificate,
}

/// A stage's settings, checked.
#[derive(Debug)]
pub struct StageSettings {
    /// The stage.
    pub stage: Stage,
    /// When something counts as alive.
    pub rules: Rules,
    /// How much is stored.
    pub limits: Limits,
    /// How much memory the process may hold.
    pub memory: Memory,
    /// How domains are derived.
    pub domains: DomainKey,
    /// What recordEventsByNode answers as `nextSince`.
    pub next_since: NextSince,
    /// How the server behaves.
    pub server: ServerSettings,
    /// How long calls that publish wait after a start with living groups.
    pub start_hold: Duration,
    /// Whether domains come from the secret that everybody knows.
    pub development_secret: bool,
}

impl StageSettings {
    /// Checks the settings as a whole.
    pub fn new(args: &ServeArgs) -> Result<Self, Unusable> {
        let keys = keys(args);
        let own_keys = !keys.is_empty() && keys.check(Some(DEVELOPMENT_KEY)).is_err();
        if args.stage == Stage::Prod && !own_keys {
            return Err(Unusable::NoKeys);
        }
        let mut given = args.access.api_keys.iter().map(|key| key.trim());
        let weak = |key: &str| !key.is_empty() && is_weak(key, KEY_BYTES);
        if args.stage == Stage::Prod && given.any(weak) {
            return Err(Unusable::WeakKey);
        }
        Self::with(args, Lives::on_a_server(args))
    }

    /// The same where AppSync checks the API keys, so that none is needed.
    pub fn behind_appsync(args: &ServeArgs) -> Result<Self, Unusable> {
        Self::with(args, Lives::behind_appsync(args))
    }

    fn with(args: &ServeArgs, lives: Lives) -> Result<Self, Unusable> {
        let keys = keys(args);
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
        let room = bounds
            .max_answer_bytes
            .saturating_sub(bounds.max_status_bytes_per_group);
        if (room as usize) < MESSAGE_BYTES {
            return Err(Unusable::AnswersTooSmall);
        }
        let development = keys.is_empty();
        let server = ServerSettings {
            keys: if development {
                ApiKeys::new([DEVELOPMENT_KEY])
            } else {
                keys
            },
            development_key: development.then_some(DEVELOPMENT_KEY),
            trusted_proxies: args.access.trusted_proxies.clone().into(),
            documents: documents(&args.bounds),
            sockets: sockets(&args.bounds),
            http: http(&args.bounds),
        };
        Ok(Self {
            stage: args.stage,
            rules: Rules::new(timings(args, lives))?,
            limits: limits(&args.bounds),
            memory: Memory::new(args.bounds.max_memory.unwrap_or_else(usual_memory)),
            start_hold: Duration::from_millis(args.bounds.start_hold.into()),
            development_secret: secret.is_empty() || secret == DEVELOPMENT_SECRET,
            domains: DomainKey::new(
                if secret.is_empty() {
                    DEVELOPMENT_SECRET
                } else {
                    secret
                }
                .as_bytes(),
            ),
            next_since: args.next_since.into(),
            server,
        })
    }

    /// The effective settings as text, in the form of a `.env` file, without secrets.
    pub fn listing(&self, args: &ServeArgs) -> String {
        let times = self.rules.timings();
        let secret = args.access.secret_key.is_some();
        let keys = args.access.api_keys.len();
        let store = match args.store.store {
            StoreKind::Embedded => format!(
                "embedded\nMESH_DATA={}\nMESH_DURABILITY={}",
                args.store.data.display(),
                match args.store.durability {
                    DurabilityKind::Power => "power",
                    DurabilityKind::Process => "process",
                }
            ),
            StoreKind::Memory => "memory".into(),
            #[cfg(feature = "dynamodb")]
            StoreKind::DynamoDb => {
                let settings = args.dynamodb.settings(args.stage);
                let endpoint = settings.endpoint.unwrap_or_default();
                format!(
                    "dynamodb\nTABLE_NAME={}\nDYNAMODB_ENDPOINT={endpoint}",
                    settings.table
                )
            }
        };
        let mut text = format!(
            "STAGE={}\nMESH_LISTEN={}\nMESH_STORE={store}\nMESH_LOG={}\n# MESH_API_KEYS: {}\n# MESH_SECRET_KEY: {}\n",
            self.stage.name(),
            args.listen,
            args.log,
            if keys == 0 {
                "the development key".into()
            } else {
                format!("{keys} set")
            },
            if secret {
                "set"
            } else {
                "the development secret"
            },
        );
        if let Some(tls) = args.tls.tls_listen {
            let _ = writeln!(text, "MESH_TLS_LISTEN={tls}");
        }
        for (name, value) in [
            ("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", times.host_interval),
            ("MESH_HOST_HEARTBEAT_TTL_SECONDS", times.host_ttl),
            (
                "MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS",
                times.member_interval,
            ),
            ("MESH_MEMBER_HEARTBEAT_TTL_SECONDS", times.member_ttl),
            (
                "MESH_DEFAULT_CONNECTION_TIME_SECONDS",
                times.default_connection,
            ),
            ("MESH_MAX_CONNECTION_TIME_SECONDS", times.max_connection),
            ("MESH_EVENT_TTL_SECONDS", times.event_ttl),
            ("MESH_POLLING_INTERVAL_SECONDS", times.polling_interval),
        ] {
            let _ = writeln!(text, "{name}={value}");
        }
        let next_since = match self.next_since {
            NextSince::Empty => "empty",
            NextSince::Cursor => "cursor",
        };
        let _ = writeln!(text, "MESH_NEXT_SINCE={next_since}");
        let _ = writeln!(text, "MESH_MAX_MEMORY={}", self.memory.limit());
        for (name, value) in args.bounds.list() {
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }
}

fn keys(args: &ServeArgs) -> ApiKeys {
    ApiKeys::new(args.access.api_keys.iter().map(String::as_str))
}

/// Whether a key or secret is short, or one letter again and again after the prefix that
/// AppSync's keys have.
fn is_weak(text: &str, least: usize) -> bool {
    let mut letters = text.strip_prefix("da2-").unwrap_or(text).chars();
    let first = letters.next();
    text.len() < least || letters.all(|letter| Some(letter) == first)
}

fn usual_memory() -> usize {
    machine::available().map_or(UNKNOWN_MEMORY, |bytes| bytes / 100 * MEMORY_PERCENT)
}

/// How long groups live, in seconds.
#[derive(Clone, Copy, Debug)]
struct Lives {
    default: u32,
    max: u32,
}

impl Lives {
    /// A maximum that is set alone lowers the default with it, and never raises it.
    fn on_a_server(args: &ServeArgs) -> Self {
        let (given, of_stage) = (&args.times, args.stage.timings());
        let max = given.max_connection_time.unwrap_or(of_stage.max_connection);
        let default = given
            .default_connection_time
            .unwrap_or_else(|| of_stage.default_connection.min(max));
        Self { default, max }
    }

    /// Whatever is set alone is both, as it always was there.
    fn behind_appsync(args: &ServeArgs) -> Self {
        let given = &args.times;
        let default = given
            .default_connection_time
            .or(given.max_connection_time)
            .unwrap_or(args.stage.timings().default_connection);
        let max = given.max_connection_time.unwrap_or(default);
        Self { default, max }
    }
}

fn timings(args: &ServeArgs, lives: Lives) -> Timings {
    let (given, of_stage) = (&args.times, args.stage.timings());
    Timings {
        host_interval: given
            .host_heartbeat_interval
            .unwrap_or(of_stage.host_interval),
        host_ttl: given.host_heartbeat_ttl.unwrap_or(of_stage.host_ttl),
        member_interval: given
            .member_heartbeat_interval
            .unwrap_or(of_stage.member_interval),
        member_ttl: given.member_heartbeat_ttl.unwrap_or(of_stage.member_ttl),
        default_connection: lives.default,
        max_connection: lives.max,
        event_ttl: given.event_ttl.unwrap_or(of_stage.event_ttl),
        polling_interval: given.polling_interval.unwrap_or(of_stage.polling_interval),
    }
}

fn documents(bounds: &BoundArgs) -> DocumentLimits {
    DocumentLimits {
        depth: bounds.max_depth as usize,
        complexity: bounds.max_complexity as usize,
        aliases: bounds.max_aliases as usize,
        nesting: bounds.max_nesting as usize,
    }
}

fn sockets(bounds: &BoundArgs) -> SocketLimits {
    SocketLimits {
        operations: bounds.max_subscriptions as usize,
        message_bytes: bounds.max_message_bytes as usize,
        outbox_bytes: bounds.max_outbox_bytes as usize,
        init: BoundArgs::seconds(bounds.init_timeout),
        keep_alive: BoundArgs::seconds(bounds.keep_alive),
        selection_bytes: bounds.max_selection_bytes as usize,
        connection_timeout: BoundArgs::seconds(bounds.connection_timeout),
        peer_timeout: BoundArgs::seconds(bounds.peer_timeout),
        short_peer_timeout: BoundArgs::seconds(bounds.short_peer_timeout),
        close_timeout: BoundArgs::seconds(bounds.close_timeout),
    }
}

fn http(bounds: &BoundArgs) -> HttpLimits {
    HttpLimits {
        connections: bounds.max_connections as usize,
        body_bytes: bounds.max_body_bytes as usize,
        head_bytes: bounds.max_head_bytes as usize,
        streams: bounds.max_streams,
        unread_bytes: bounds.max_unread_bytes as usize,
        patience: BoundArgs::seconds(bounds.request_patience),
        idle: BoundArgs::seconds(bounds.idle),
        drain: BoundArgs::seconds(bounds.drain),
    }
}

fn limits(bounds: &BoundArgs) -> Limits {
    Limits {
        groups: bounds.max_groups as usize,
        groups_per_domain: bounds.max_groups_per_domain as usize,
        nodes_per_group: bounds.max_nodes_per_group as usize,
        keys_per_node: bounds.max_keys_per_node as usize,
        status_bytes: bounds.max_status_bytes as usize,
        status_bytes_per_group: bounds.max_status_bytes_per_group as usize,
        events_per_call: bounds.max_events_per_call as usize,
        calls_per_group: bounds.max_calls_per_group as usize,
        event_bytes_per_group: bounds.max_event_bytes_per_group as usize,
        ended_groups: bounds.max_ended_groups as usize,
        answer_bytes: bounds.max_answer_bytes as usize,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    fn args(flags: &[&str]) -> ServeArgs {
        Cli::try_parse_from(std::iter::once(&"mesh-v2").chain(flags))
            .unwrap()
            .serve
    }

    fn refused(flags: &[&str]) -> Unusable {
        StageSettings::new(&args(flags)).unwrap_err()
    }

    const KEY: &str = "--api-keys=da2-of-our-own-school";
    const SECRET: &str = "--secret-key=0123456789abcdef0123";

    #[test]
    fn production_needs_a_key_and_a_secret_of_its_own() {
        assert_eq!(refused(&["--stage=prod", SECRET]), Unusable::NoKeys);
        assert_eq!(
            refused(&["--stage=prod", SECRET, "--api-keys=da2-mesh-development"]),
            Unusable::NoKeys
        );
        assert_eq!(refused(&["--stage=production", KEY]), Unusable::NoSecret);
        for secret in [
            "--secret-key=",
            "--secret-key=default-secret-key",
            "--secret-key=short",
        ] {
            assert_eq!(refused(&["--stage=prod", KEY, secret]), Unusable::NoSecret);
        }
        assert!(StageSettings::new(&args(&["--stage=prod", KEY, SECRET])).is_ok());
    }

    #[test]
    fn production_takes_no_key_or_secret_that_is_guessed_soon() {
        for keys in [
            "--api-keys=da2-short",
            "--api-keys=aaaaaaaaaaaaaaaaaaaaaaaa",
            "--api-keys=da2-00000000000000000000",
            "--api-keys=da2-of-our-own-school,short",
        ] {
            assert_eq!(refused(&["--stage=prod", SECRET, keys]), Unusable::WeakKey);
            // For trying things out, any key will do.
            assert!(StageSettings::new(&args(&["--stage=stg", keys])).is_ok());
        }
        let repeated = [
            "--stage=prod",
            KEY,
            "--secret-key=0000000000000000000000000000",
        ];
        assert_eq!(refused(&repeated), Unusable::NoSecret);
        assert_eq!(
            StageSettings::behind_appsync(&args(&repeated)).unwrap_err(),
            Unusable::NoSecret
        );
    }

    #[test]
    fn the_memory_budget_is_a_share_of_the_machine_unless_it_is_set() {
        let limit = |flags: &[&str]| StageSettings::new(&args(flags)).unwrap().memory.limit();
        assert_eq!(limit(&["--max-memory=64M"]), 64 << 20);
        let machine = machine::available().unwrap_or(UNKNOWN_MEMORY);
        assert_eq!(limit(&[]), machine / 100 * MEMORY_PERCENT);
    }

    #[test]
    fn behind_appsync_production_needs_the_secret_alone() {
        let behind = |flags: &[&str]| StageSettings::behind_appsync(&args(flags));
        assert!(behind(&["--stage=prod", SECRET]).is_ok());
        assert_eq!(behind(&["--stage=prod"]).unwrap_err(), Unusable::NoSecret);
        assert!(behind(&[]).is_ok());
    }

    #[test]
    fn a_stage_brings_its_times_and_a_flag_changes_one() {
        let timings = |flags: &[&str]| *StageSettings::new(&args(flags)).unwrap().rules.timings();
        assert_eq!(timings(&[]), Timings::STG);
        assert_eq!(timings(&["--stage=prod", KEY, SECRET]), Timings::PROD);
        assert_eq!(
            timings(&["--event-ttl=20"]),
            Timings {
                event_ttl: 20,
                ..Timings::STG
            }
        );
    }

    #[test]
    fn a_life_and_the_longest_life_are_two_settings_and_on_appsync_one_may_stand_for_both() {
        let lives = |settings: Result<StageSettings, Unusable>| {
            let times = *settings.unwrap().rules.timings();
            (times.default_connection, times.max_connection)
        };
        let cases = [
            (&[][..], (2100, 6000), (2100, 2100)),
            (
                &["--default-connection-time=3300"],
                (3300, 6000),
                (3300, 3300),
            ),
            (&["--max-connection-time=1500"], (1500, 1500), (1500, 1500)),
            (&["--max-connection-time=9000"], (2100, 9000), (9000, 9000)),
            (
                &["--default-connection-time=60", "--max-connection-time=9000"],
                (60, 9000),
                (60, 9000),
            ),
        ];
        for (flags, on_a_server, behind_appsync) in cases {
            let args = args(&[&["--stage=prod", KEY, SECRET][..], flags].concat());
            assert_eq!(lives(StageSettings::new(&args)), on_a_server, "{flags:?}");
            let told = lives(StageSettings::behind_appsync(&args));
            assert_eq!(told, behind_appsync, "{flags:?}");
        }
    }

    #[test]
    fn a_ttl_within_its_interval_does_not_start() {
        assert!(matches!(
            refused(&["--host-heartbeat-ttl=15"]),
            Unusable::Timings(_)
        ));
        assert_eq!(
            refused(&["--tls-listen=127.0.0.1:4443"]),
            Unusable::NoCertificate
        );
        assert_eq!(
            refused(&["--max-answer-bytes=4400000"]),
            Unusable::AnswersTooSmall
        );
    }

    #[test]
    fn the_bounds_without_flags_are_the_defaults_of_their_rooms() {
        let settings = StageSettings::new(&args(&[])).unwrap();
        assert_eq!(settings.limits, Limits::default());
        let rooms = (
            DocumentLimits::default(),
            SocketLimits::default(),
            HttpLimits::default(),
        );
        let server = &settings.server;
        assert_eq!(
            format!("{:?}", (server.documents, server.sockets, server.http)),
            format!("{rooms:?}")
        );
    }

    #[test]
    fn the_listing_shows_no_secret() {
        let args = args(&[KEY, SECRET]);
        let text = StageSettings::new(&args).unwrap().listing(&args);
        assert!(
            text.contains("STAGE=stg") && text.contains("1 set"),
            "{text}"
        );
        assert!(
            !text.contains("of-our-own") && !text.contains("0123456789abcdef"),
            "{text}"
        );
    }
}

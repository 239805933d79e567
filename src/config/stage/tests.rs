use clap::Parser as _;

use super::*;
use crate::config::Cli;
use crate::realtime::SocketLimits;
use crate::resolvers::DocumentLimits;
use crate::server::HttpLimits;

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
        let timings = lives(StageSettings::behind_appsync(&args));
        assert_eq!(timings, behind_appsync, "{flags:?}");
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
        Unusable::ResponsesTooSmall
    );
}

#[test]
fn the_bounds_without_flags_are_the_defaults_of_their_modules() {
    let settings = StageSettings::new(&args(&[])).unwrap();
    assert_eq!(settings.limits, Limits::default());
    let defaults = (
        DocumentLimits::default(),
        SocketLimits::default(),
        HttpLimits::default(),
    );
    let server = &settings.server;
    assert_eq!(
        format!("{:?}", (server.documents, server.sockets, server.http)),
        format!("{defaults:?}")
    );
}

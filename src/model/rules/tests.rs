use std::time::Duration;

use super::*;
use crate::model::cursor::Since;
use crate::model::ids::GroupName;
use crate::model::lesson::LessonState;

fn group() -> Group {
    Group {
        token: None,
        join_code: None,
        key: GroupKey::parse("g", "d").unwrap(),
        name: GroupName::parse("name", "n").unwrap(),
        host: NodeId::parse("hostId", "h").unwrap(),
        created_at: Timestamp::from_seconds(1000),
        expires_at: Timestamp::from_seconds(1300),
        heartbeat_at: Timestamp::from_seconds(1000),
        delivery: Delivery::WebSocket,
        origin: None,
        lesson: LessonState::default(),
    }
}

fn rules() -> Rules {
    Rules::new(Timings::STG).unwrap()
}

fn millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_group_admits_until_the_second_of_its_host_ttl_has_passed() {
    assert!(rules().admit(&group(), millis(1_060_999)).is_ok());
    let error = rules().admit(&group(), millis(1_061_000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Group not found: g@d (heartbeat expired)"
    );
}

#[test]
fn a_group_admits_until_the_second_of_its_end_has_passed() {
    let group = Group {
        heartbeat_at: Timestamp::from_seconds(1299),
        ..group()
    };
    assert!(rules().admit(&group, millis(1_300_999)).is_ok());
    let error = rules().admit(&group, millis(1_301_000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Group expired: g@d (expiresAt: 1970-01-01T00:21:40.000Z)"
    );
}

#[test]
fn an_ended_group_is_refused_with_the_same_error_after_its_removal() {
    let tombstone = rules().tombstone(&group(), EndReason::HostSilent, millis(1_061_000));
    assert!(tombstone.until >= millis(1_061_000).plus_seconds(Timings::STG.host_ttl));
    for now in [1_061_000, 1_121_000] {
        let before = rules().admit(&group(), millis(now)).unwrap_err();
        let after = Rules::refuse_ended(&group().key, &tombstone, millis(now));
        assert_eq!(after, before);
    }
    let expired = Rules::refuse_ended(&group().key, &tombstone, tombstone.until.next());
    assert_eq!(expired.to_string(), "Group not found: g@d");
    let short = Group {
        expires_at: Timestamp::from_seconds(1070),
        ..group()
    };
    for reason in [
        EndReason::HostSilent,
        EndReason::TimeUp,
        EndReason::Replaced,
    ] {
        let tombstone = rules().tombstone(&short, reason, millis(1_071_000));
        let after = Rules::refuse_ended(&short.key, &tombstone, millis(1_071_000));
        assert_eq!(after, rules().admit(&short, millis(1_071_000)).unwrap_err());
    }
}

#[test]
fn listing_excludes_the_last_second_of_both_limits() {
    assert!(rules().lists(&group(), millis(1_059_999)));
    assert!(!rules().lists(&group(), millis(1_060_000)));
    let renewed = Group {
        heartbeat_at: Timestamp::from_seconds(1299),
        ..group()
    };
    assert!(rules().lists(&renewed, millis(1_299_999)));
    assert!(!rules().lists(&renewed, millis(1_300_000)));
}

#[test]
fn only_the_host_is_admitted_as_host() {
    let group = group();
    let live = || rules().admit(&group, millis(1_000_000)).unwrap();
    assert!(
        live()
            .hosted_by(&NodeId::parse("hostId", "h").unwrap())
            .is_ok()
    );
    assert_eq!(
        live()
            .hosted_by(&NodeId::parse("hostId", "x").unwrap())
            .unwrap_err()
            .as_str(),
        "h"
    );
}

#[test]
fn a_ttl_within_its_interval_is_refused_with_the_setting_to_change() {
    let refused = |timings| Rules::new(timings).unwrap_err().to_string();
    let host = refused(Timings {
        host_ttl: 15,
        ..Timings::STG
    });
    assert!(host.contains("MESH_HOST_HEARTBEAT_TTL_SECONDS"), "{host}");
    let member = refused(Timings {
        member_ttl: 1,
        ..Timings::STG
    });
    assert!(
        member.contains("MESH_MEMBER_HEARTBEAT_TTL_SECONDS"),
        "{member}"
    );
    let events = refused(Timings {
        event_ttl: 2,
        ..Timings::STG
    });
    assert!(events.contains("MESH_EVENT_TTL_SECONDS"), "{events}");
}

#[test]
fn a_lifetime_is_between_one_second_and_the_longest() {
    assert_eq!(rules().lifetime(None), Ok(300));
    assert_eq!(rules().lifetime(Some(1)), Ok(1));
    assert_eq!(rules().lifetime(Some(300)), Ok(300));
    for (requested, text) in [
        (0, "maxConnectionTimeSeconds must be at least 1"),
        (-5, "maxConnectionTimeSeconds must be at least 1"),
        (301, "maxConnectionTimeSeconds cannot exceed 300"),
    ] {
        assert_eq!(
            rules().lifetime(Some(requested)).unwrap_err().to_string(),
            text
        );
    }
}

#[test]
fn the_default_lifetime_may_be_shorter_than_the_longest() {
    let rules = Rules::new(Timings::PROD).unwrap();
    assert_eq!(rules.lifetime(None), Ok(2100));
    assert_eq!(rules.lifetime(Some(6000)), Ok(6000));
    assert_eq!(
        rules.lifetime(Some(6001)).unwrap_err().to_string(),
        "maxConnectionTimeSeconds cannot exceed 6000"
    );
}

#[test]
fn a_default_lifetime_beyond_the_longest_is_refused_with_both_settings() {
    let refused = Rules::new(Timings {
        default_connection: 301,
        ..Timings::STG
    });
    let refused = refused.unwrap_err().to_string();
    for setting in [
        "MESH_DEFAULT_CONNECTION_TIME_SECONDS",
        "MESH_MAX_CONNECTION_TIME_SECONDS",
    ] {
        assert!(refused.contains(setting), "{refused}");
    }
}

#[test]
fn a_since_in_the_future_counts_as_two_intervals_ago() {
    let now = Timestamp::from_seconds(1_800_000_000);
    let back = format!("EVENT#{}", Timestamp::from_seconds(1_800_000_000 - 4));
    for future in [
        "2999-01-01T00:00:00.000Z",
        "EVENT#2999-01-01T00:00:00.000Z#000000#000000",
        "zzz",
    ] {
        assert_eq!(exactly(future, None, now), back);
        assert_eq!(polled(future, None, now), back);
    }
}

#[test]
fn a_since_up_to_now_or_the_newest_event_is_kept() {
    let now = Timestamp::from_seconds(1_800_000_000);
    for past in [
        "",
        "2020-01-01T00:00:00.000Z",
        &now.to_string(),
        &format!("{now}#000009#000000"),
    ] {
        assert_eq!(exactly(past, None, now), format!("EVENT#{past}"));
    }
    let ahead = format!("EVENT#{}#000000#000001", now.plus_seconds(5));
    assert_eq!(exactly(&ahead, Some(&ahead), now), ahead);
    assert_eq!(polled(&ahead, Some(&ahead), now), ahead);
}

fn exactly(since: &str, newest: Option<&str>, now: Timestamp) -> String {
    rules().since(Since::Exactly(since), group().created_at, newest, now)
}

fn polled(since: &str, newest: Option<&str>, now: Timestamp) -> String {
    rules().since(Since::Polled(since), group().created_at, newest, now)
}

#[test]
fn a_polls_plain_time_counts_an_interval_earlier_and_cursors_are_kept() {
    let now = Timestamp::from_seconds(1_800_000_000);
    for (sent, counts) in [
        (now, now.minus(Duration::from_secs(2))),
        (millis(1_000_500), millis(1_000_000)),
        (millis(1_002_500), millis(1_000_500)),
        (millis(900_000), millis(900_000)),
    ] {
        assert_eq!(
            polled(&sent.to_string(), None, now),
            format!("EVENT#{counts}")
        );
        assert_eq!(
            exactly(&sent.to_string(), None, now),
            format!("EVENT#{sent}")
        );
    }
    let with_offset = "2026-11-21T13:40:37+09:00";
    assert_eq!(
        polled(with_offset, None, now),
        "EVENT#2026-11-21T04:40:35.000Z"
    );
    for kept in [
        "",
        "2026",
        "EVENT#2026-11-21T04:40:35.740Z",
        "EVENT#2026-11-21T04:40:35.740Z#000000#000001",
        "2026-11-21T04:40:35.740Z#000000#000001",
    ] {
        assert_eq!(polled(kept, None, now), exactly(kept, None, now));
    }
}

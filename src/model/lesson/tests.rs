use super::*;
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::GroupName;

const NOW: Timestamp = Timestamp::from_seconds(1000);

fn node(id: &str) -> NodeId {
    NodeId::parse("nodeId", id).unwrap()
}

fn token(text: &str) -> Option<TokenHash> {
    TokenHash::parse("hostToken", Some(&format!("{text} of sixteen bytes"))).unwrap()
}

fn group(lesson: LessonState) -> Group {
    Group {
        token: token("host's"),
        key: GroupKey::parse("g", "d").unwrap(),
        name: GroupName::parse("name", "n").unwrap(),
        host: node("h"),
        created_at: NOW,
        expires_at: NOW.plus_seconds(300),
        heartbeat_at: NOW,
        delivery: Delivery::WebSocket,
        origin: None,
        join_code: None,
        lesson,
    }
}

#[test]
fn a_pause_ends_by_itself_and_with_the_group() {
    let paused = |seconds| Control::Pause(seconds).changed(&group(LessonState::default()), NOW);
    let until = NOW.plus_seconds(10);
    assert_eq!(paused(10).paused_until(NOW), Some(until));
    assert_eq!(paused(10).paused_until(until), None);
    let longest = Some(NOW.plus_seconds(300));
    assert_eq!(paused(100_000).paused_until(NOW), longest);
    assert_eq!(paused(u32::MAX).paused_until(NOW), longest);
    let resumed = Control::Pause(0).changed(&group(paused(10)), NOW);
    assert!(resumed.is_default());
}

#[test]
fn only_the_host_with_its_token_sends_data_in_a_pause() {
    let paused = Control::Pause(10).changed(&group(LessonState::default()), NOW);
    let group = group(paused);
    let admit = |id, given| admit_data(&group, &node(id), given, true, NOW);
    let refused = Err(ClientError::Paused {
        retry_after_ms: 10_000,
    });
    assert_eq!(admit("h", token("host's")), Ok(()));
    for (id, given) in [
        ("h", None),
        ("h", token("other")),
        ("n", token("host's")),
        ("n", None),
    ] {
        assert_eq!(admit(id, given), refused, "{id}");
    }
}

#[test]
fn a_lock_keeps_unknown_nodes_out_and_no_others() {
    let locked = Control::Lock(true).changed(&group(LessonState::default()), NOW);
    let group = group(locked);
    for is_known in [true, false] {
        let expected = if is_known {
            Ok(())
        } else {
            Err(ClientError::Locked)
        };
        let joined = admit_join(&group, &node("n").into(), is_known);
        assert_eq!(joined, expected);
        assert_eq!(
            admit_data(&group, &node("n"), None, is_known, NOW),
            expected
        );
    }
    let host = Actor {
        token: token("host's"),
        ..node("h").into()
    };
    assert_eq!(admit_join(&group, &host, false), Ok(()));
}

#[test]
fn a_host_ttl_is_a_teachers_and_within_its_range() {
    assert_eq!(host_ttl(None, false), Ok(None));
    for asked in [10, 600] {
        assert_eq!(host_ttl(Some(asked), true), Ok(u32::try_from(asked).ok()));
        let refused = host_ttl(Some(asked), false);
        assert_eq!(refused, Err(ClientError::HostTtlNeedsTeacher));
    }
    for asked in [-1, 0, 9, 601, i32::MAX] {
        assert_eq!(
            host_ttl(Some(asked), true),
            Err(ClientError::InvalidHostTtl)
        );
    }
}

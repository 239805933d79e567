use super::*;
use crate::model::ids::{Domain, GroupId};

fn call(kind: EventKind, events: &[(&str, Option<&str>)]) -> EventCall {
    let event = |(name, key): &(&str, Option<&str>)| EventInput {
        name: (*name).into(),
        payload: Some(String::new()),
        fired_at: "2026-11-21T04:40:35.740Z".into(),
        order_key: key.map(Into::into),
    };
    EventCall {
        token: None,
        group: GroupKey {
            domain: Domain::parse("domain", "d").unwrap(),
            id: GroupId::parse("groupId", "g").unwrap(),
        },
        node: NodeId::parse("nodeId", "n").unwrap(),
        kind,
        events: Arc::new(events.iter().map(event).collect()),
    }
}

#[test]
fn recorded_events_are_sorted_by_order_key_then_position_and_fired_ones_as_sent() {
    let sent = [("c", Some("2")), ("a", Some("1")), ("b", Some("1"))];
    let names = |kind| {
        call(kind, &sent)
            .in_log_order()
            .iter()
            .map(|e| e.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(EventKind::Recorded), ["a", "b", "c"]);
    assert_eq!(names(EventKind::Fired), ["c", "a", "b"]);
}

#[test]
fn only_calls_whose_events_all_have_order_keys_have_a_fingerprint() {
    let with_keys = call(EventKind::Fired, &[("a", Some("1")), ("b", Some("1"))]);
    assert_eq!(with_keys.fingerprint(), with_keys.clone().fingerprint());
    assert_ne!(
        with_keys.fingerprint(),
        call(EventKind::Recorded, &[("a", Some("1")), ("b", Some("1"))]).fingerprint()
    );
    assert_ne!(
        with_keys.fingerprint(),
        call(EventKind::Fired, &[("a", Some("1"))]).fingerprint()
    );
    for unclear in [
        vec![],
        vec![("a", None)],
        vec![("a", Some("1")), ("b", Some(""))],
    ] {
        assert_eq!(call(EventKind::Fired, &unclear).fingerprint(), None);
    }
}

#[test]
fn an_empty_payload_is_published_as_none() {
    let batch = call(EventKind::Fired, &[("a", Some(""))]).batch(Timestamp::from_millis(5));
    assert_eq!(
        (
            batch.events[0].payload.as_ref(),
            batch.events[0].order_key.as_ref()
        ),
        (None, None)
    );
    assert_eq!(batch.events[0].timestamp, "2026-11-21T04:40:35.740Z");
}

//! Conversations, word by word.

use serde_json::json;

use super::*;

const KEY: &str = "da2-key";

fn session(protocol: Subprotocol, shown: Option<&str>) -> Session {
    let limits = SocketLimits {
        operations: 2,
        ..SocketLimits::default()
    };
    let offer = Offer::Known(protocol);
    Session::new(offer, ApiKeys::new([KEY]), limits, shown.map(Into::into))
}

fn open(protocol: Subprotocol) -> Session {
    let mut session = session(protocol, Some(KEY));
    session.hear(r#"{"type":"connection_init"}"#);
    assert!(session.is_open());
    session
}

/// What is said, run, stopped or closed, briefly.
fn told(acts: Vec<Action>) -> Vec<String> {
    let brief = |act| match act {
        Action::Answer(text) => {
            let value: Value = serde_json::from_slice(&text).unwrap();
            value["type"].as_str().unwrap().to_owned()
        }
        Action::Send(text) => {
            let value: Value = serde_json::from_str(&text).unwrap();
            let kind = value["type"].as_str().unwrap().to_owned();
            match value
                .pointer("/payload/errors/0/errorType")
                .and_then(Value::as_str)
            {
                Some(error) => format!("{kind} {error}"),
                None => kind,
            }
        }
        Action::Run { of, dialect, .. } => format!("run {} {dialect:?}", of.id),
        Action::Stop(id) => format!("forget {id}"),
        Action::Close(close) => format!("close {}", close.code),
    };
    acts.into_iter().map(brief).collect()
}

fn nth(id: &str, number: u64) -> Operation {
    Operation {
        id: id.into(),
        number,
    }
}

fn first(id: &str) -> Operation {
    nth(id, 1)
}

fn appsync_start(id: &str, key: &str) -> String {
    let data = json!({"query": "subscription { x }"}).to_string();
    json!({"id": id, "type": "start", "payload": {"data": data,
        "extensions": {"authorization": {"host": "h", "X-Api-Key": key}}}})
    .to_string()
}

fn legacy_start(id: &str) -> String {
    json!({"id": id, "type": "start", "payload": {"query": "subscription { x }", "variables": null}}).to_string()
}

fn subscribe(id: &str) -> String {
    json!({"id": id, "type": "subscribe", "payload": {"query": "subscription { x }"}}).to_string()
}

#[test]
fn an_acknowledgement_is_followed_by_a_sign_of_life_at_once() {
    let mut session = session(Subprotocol::GraphqlWs, Some(KEY));
    assert_eq!(
        told(session.hear(r#"{"type":"connection_init"}"#)),
        ["connection_ack", "ka"]
    );
}

#[test]
fn the_newer_protocol_has_no_sign_of_life_of_its_own() {
    let mut session = session(Subprotocol::GraphqlTransportWs, None);
    let init = json!({"type": "connection_init", "payload": {"X-API-Key": KEY}}).to_string();
    assert_eq!(told(session.hear(&init)), ["connection_ack"]);
    assert_eq!(session.keep_alive(), None);
}

#[test]
fn a_wrong_key_is_turned_away_only_after_connection_init() {
    let mut wrong = session(Subprotocol::GraphqlWs, Some("da2-wrong"));
    let turned_away = ["connection_error UnauthorizedException", "close 4401"];
    assert_eq!(
        told(wrong.hear(r#"{"type":"connection_init"}"#)),
        turned_away
    );
    let mut none = session(Subprotocol::GraphqlTransportWs, None);
    assert_eq!(
        told(none.hear(r#"{"type":"connection_init"}"#)),
        ["close 4401"]
    );
}

#[test]
fn what_comes_before_connection_init_is_ignored_or_refused() {
    let mut session = session(Subprotocol::GraphqlWs, Some(KEY));
    assert!(session.hear(&appsync_start("1", KEY)).is_empty());
    let mut session = self::session(Subprotocol::GraphqlTransportWs, Some(KEY));
    assert_eq!(told(session.hear(&subscribe("1"))), ["close 4401"]);
}

#[test]
fn each_start_tells_its_own_dialect() {
    let mut session = open(Subprotocol::GraphqlWs);
    assert_eq!(
        told(session.hear(&appsync_start("1", KEY))),
        ["run 1 AppSync"]
    );
    assert_eq!(told(session.hear(&legacy_start("2"))), ["run 2 Legacy"]);
    let mut session = open(Subprotocol::GraphqlTransportWs);
    assert_eq!(told(session.hear(&subscribe("3"))), ["run 3 Transport"]);
}

#[test]
fn a_start_with_a_wrong_key_is_refused_by_its_id() {
    let mut session = open(Subprotocol::GraphqlWs);
    assert_eq!(
        told(session.hear(&appsync_start("1", "da2-wrong"))),
        ["error UnauthorizedException"]
    );
    assert_eq!(session.dialect_of(&first("1")), None);
}

#[test]
fn an_id_in_use_is_refused_or_started_over() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.hear(&appsync_start("1", KEY));
    assert_eq!(
        told(session.hear(&appsync_start("1", KEY))),
        ["error DuplicatedOperationError"]
    );
    assert_eq!(session.dialect_of(&first("1")), Some(Dialect::AppSync));
    session.hear(&legacy_start("2"));
    assert_eq!(
        told(session.hear(&legacy_start("2"))),
        ["forget 2", "run 2 Legacy"]
    );
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.hear(&subscribe("1"));
    assert_eq!(told(session.hear(&subscribe("1"))), ["close 4409"]);
}

#[test]
fn one_operation_too_many_is_refused_by_its_id() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.hear(&appsync_start("1", KEY));
    session.hear(&appsync_start("2", KEY));
    assert_eq!(
        told(session.hear(&appsync_start("3", KEY))),
        ["error MaxSubscriptionsReachedError"]
    );
    session.hear(r#"{"type":"stop","id":"1"}"#);
    assert_eq!(
        told(session.hear(&appsync_start("3", KEY))),
        ["run 3 AppSync"]
    );
}

#[test]
fn stop_forgets_and_confirms_and_complete_only_forgets() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.hear(&appsync_start("1", KEY));
    assert_eq!(
        told(session.hear(r#"{"type":"stop","id":"1"}"#)),
        ["forget 1", "complete"]
    );
    assert!(session.hear(r#"{"type":"stop","id":"1"}"#).is_empty());
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.hear(&subscribe("1"));
    assert_eq!(
        told(session.hear(r#"{"type":"complete","id":"1"}"#)),
        ["forget 1"]
    );
}

#[test]
fn unknown_and_unreadable_messages_are_answered_and_the_connection_stays() {
    let mut session = open(Subprotocol::GraphqlWs);
    for text in [
        r#"{"type":"subscribe","id":"1"}"#,
        "meow",
        "[]",
        "{}",
        r#"{"type":7}"#,
    ] {
        assert_eq!(
            told(session.hear(text)),
            ["error UnsupportedOperation"],
            "{text}"
        );
    }
    for text in [
        r#"{"type":"start","id":"1"}"#,
        r#"{"type":"start","id":"1","payload":{"data":"{"}}"#,
        r#"{"type":"start","id":"","payload":{"query":"{ x }"}}"#,
    ] {
        assert_eq!(
            told(session.hear(text)),
            ["error BadRequestException"],
            "{text}"
        );
    }
}

#[test]
fn the_newer_protocol_closes_on_anything_it_does_not_know() {
    for text in [
        r#"{"type":"start","id":"1"}"#,
        "meow",
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{ x }"}}"#,
    ] {
        assert_eq!(
            told(open(Subprotocol::GraphqlTransportWs).hear(text)),
            ["close 4400"],
            "{text}"
        );
    }
    let again = r#"{"type":"connection_init"}"#;
    assert_eq!(
        told(open(Subprotocol::GraphqlTransportWs).hear(again)),
        ["close 4429"]
    );
    assert_eq!(
        told(open(Subprotocol::GraphqlTransportWs).hear(r#"{"type":"ping"}"#)),
        ["pong"]
    );
}

#[test]
fn an_answer_completes_its_operation() {
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.hear(&subscribe("1"));
    assert_eq!(
        told(session.answered(&first("1"), br#"{"type":"next"}"#.to_vec())),
        ["next", "complete"]
    );
    assert!(
        session
            .answered(&first("1"), br#"{"type":"next"}"#.to_vec())
            .is_empty()
    );
    session.hear(&subscribe("2"));
    assert_eq!(
        told(session.refused(&nth("2", 2), vec![json!({"message": "m"})])),
        ["error"]
    );
}

#[test]
fn an_answer_under_way_is_not_told_as_the_answer_of_a_new_operation_of_the_same_id() {
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.hear(&subscribe("1"));
    session.hear(r#"{"type":"complete","id":"1"}"#);
    session.hear(&subscribe("1"));
    assert!(
        session
            .answered(&nth("1", 1), br#"{"type":"next"}"#.to_vec())
            .is_empty()
    );
    assert_eq!(
        told(session.answered(&nth("1", 2), br#"{"type":"next"}"#.to_vec())),
        ["next", "complete"]
    );
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_once_the_client_says_something() {
    let limits = SocketLimits::default();
    let mut session = Session::new(Offer::Unknown, ApiKeys::new([KEY]), limits, None);
    let acts = session.hear(r#"{"type":"connection_init"}"#);
    let Action::Send(text) = &acts[0] else {
        panic!("{acts:?}")
    };
    let error = json!({"message": "SubProtocolNotSupportedError", "errorCode": 400});
    let said: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        said,
        json!({"type": "connection_error", "payload": {"errors": [error]}})
    );
    assert_eq!(told(acts), ["connection_error", "close 4406"]);
    assert!(!session.is_open());
}

#[test]
fn a_subscription_that_was_ended_makes_room_and_a_later_one_of_its_id_stays() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.hear(&appsync_start("1", KEY));
    assert!(session.ended(&first("1")));
    session.hear(&appsync_start("1", KEY));
    assert!(!session.ended(&first("1")));
    assert_eq!(session.dialect_of(&nth("1", 2)), Some(Dialect::AppSync));
}

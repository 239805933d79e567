//! Sessions, message by message.

use serde_json::json;

use super::*;
use crate::auth::ApiKeys;
use crate::realtime::position::PositionForm;

const KEY: &str = "da2-key";

fn authenticator() -> Authenticator {
    Authenticator::new(ApiKeys::new([KEY]))
}

fn session(protocol: Subprotocol, upgrade_key: Option<&'static str>) -> Session {
    session_with(protocol, upgrade_key, authenticator())
}

fn session_with(
    protocol: Subprotocol,
    upgrade_key: Option<&'static str>,
    authenticator: Authenticator,
) -> Session {
    let limits = SocketLimits {
        operations: 2,
        ..SocketLimits::default()
    };
    let offer = Offer::Known(protocol);
    Session::new(
        offer,
        authenticator,
        Clock::fixed(),
        limits,
        upgrade_key.map(Credential::key),
    )
}

fn open(protocol: Subprotocol) -> Session {
    let mut session = session(protocol, Some(KEY));
    session.on_message(r#"{"type":"connection_init"}"#);
    assert!(session.is_open());
    session
}

/// The actions in short.
fn summary(actions: Vec<Action>) -> Vec<String> {
    let summarize = |action| match action {
        Action::Respond(text) => {
            let value: Value = serde_json::from_slice(&text).unwrap();
            value["type"].as_str().unwrap().to_owned()
        }
        Action::Send(text) => {
            let value: Value = serde_json::from_str(&text).unwrap();
            let kind = value["type"].as_str().unwrap().to_owned();
            let error = value.pointer("/payload/errors/0/errorType");
            let error = error.or_else(|| value.pointer("/payload/0/errorType"));
            match error.and_then(Value::as_str) {
                Some(error) => format!("{kind} {error}"),
                None => kind,
            }
        }
        Action::Run {
            operation, dialect, ..
        } => format!("run {} {dialect:?}", operation.id),
        Action::Cancel(id) => format!("cancel {id}"),
        Action::FetchKeys => "fetch keys".into(),
        Action::WrongKey => "wrong key".into(),
        Action::Close(close) => format!("close {}", close.code),
    };
    actions.into_iter().map(summarize).collect()
}

fn nth(id: &str, number: u64) -> OperationKey {
    OperationKey {
        id: id.into(),
        number,
    }
}

fn first(id: &str) -> OperationKey {
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
fn an_acknowledgement_is_followed_by_a_keep_alive_at_once() {
    let mut session = session(Subprotocol::GraphqlWs, Some(KEY));
    assert_eq!(
        summary(session.on_message(r#"{"type":"connection_init"}"#)),
        ["connection_ack", "ka"]
    );
}

#[test]
fn the_newer_protocol_has_no_keep_alive_message() {
    let mut session = session(Subprotocol::GraphqlTransportWs, None);
    let init = json!({"type": "connection_init", "payload": {"X-API-Key": KEY}}).to_string();
    assert_eq!(summary(session.on_message(&init)), ["connection_ack"]);
    assert_eq!(session.keep_alive(), None);
}

#[test]
fn a_wrong_key_is_rejected_only_after_connection_init() {
    let mut wrong = session(Subprotocol::GraphqlWs, Some("da2-wrong"));
    let rejected = [
        "wrong key",
        "connection_error UnauthorizedException",
        "close 4401",
    ];
    assert_eq!(
        summary(wrong.on_message(r#"{"type":"connection_init"}"#)),
        rejected
    );
    let mut none = session(Subprotocol::GraphqlTransportWs, None);
    assert_eq!(
        summary(none.on_message(r#"{"type":"connection_init"}"#)),
        ["close 4401"]
    );
}

#[test]
fn messages_before_connection_init_are_ignored_or_rejected() {
    let mut session = session(Subprotocol::GraphqlWs, Some(KEY));
    assert!(session.on_message(&appsync_start("1", KEY)).is_empty());
    let mut session = self::session(Subprotocol::GraphqlTransportWs, Some(KEY));
    assert_eq!(summary(session.on_message(&subscribe("1"))), ["close 4401"]);
}

#[test]
fn each_start_shows_its_dialect() {
    let mut session = open(Subprotocol::GraphqlWs);
    assert_eq!(
        summary(session.on_message(&appsync_start("1", KEY))),
        ["run 1 AppSync"]
    );
    assert_eq!(
        summary(session.on_message(&legacy_start("2"))),
        ["run 2 Legacy"]
    );
    let mut session = open(Subprotocol::GraphqlTransportWs);
    assert_eq!(
        summary(session.on_message(&subscribe("3"))),
        ["run 3 Transport"]
    );
}

#[test]
fn a_start_with_a_wrong_key_is_rejected_by_its_id() {
    let mut session = open(Subprotocol::GraphqlWs);
    assert_eq!(
        summary(session.on_message(&appsync_start("1", "da2-wrong"))),
        ["wrong key", "error UnauthorizedException"]
    );
    assert_eq!(session.dialect_of(&first("1")), None);
}

#[test]
fn an_id_in_use_is_rejected_or_restarted() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.on_message(&appsync_start("1", KEY));
    assert_eq!(
        summary(session.on_message(&appsync_start("1", KEY))),
        ["error DuplicatedOperationError"]
    );
    assert_eq!(session.dialect_of(&first("1")), Some(Dialect::AppSync));
    session.on_message(&legacy_start("2"));
    assert_eq!(
        summary(session.on_message(&legacy_start("2"))),
        ["cancel 2", "run 2 Legacy"]
    );
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.on_message(&subscribe("1"));
    assert_eq!(summary(session.on_message(&subscribe("1"))), ["close 4409"]);
}

#[test]
fn one_operation_too_many_is_rejected_by_its_id() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.on_message(&appsync_start("1", KEY));
    session.on_message(&appsync_start("2", KEY));
    assert_eq!(
        summary(session.on_message(&appsync_start("3", KEY))),
        ["error MaxSubscriptionsReachedError"]
    );
    session.on_message(r#"{"type":"stop","id":"1"}"#);
    assert_eq!(
        summary(session.on_message(&appsync_start("3", KEY))),
        ["run 3 AppSync"]
    );
}

#[test]
fn stop_cancels_and_confirms_and_complete_only_cancels() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.on_message(&appsync_start("1", KEY));
    assert_eq!(
        summary(session.on_message(r#"{"type":"stop","id":"1"}"#)),
        ["cancel 1", "complete"]
    );
    assert!(session.on_message(r#"{"type":"stop","id":"1"}"#).is_empty());
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.on_message(&subscribe("1"));
    assert_eq!(
        summary(session.on_message(r#"{"type":"complete","id":"1"}"#)),
        ["cancel 1"]
    );
}

#[test]
fn unknown_and_unreadable_messages_get_an_error_and_the_connection_stays() {
    let mut session = open(Subprotocol::GraphqlWs);
    for text in [
        r#"{"type":"subscribe","id":"1"}"#,
        "meow",
        "[]",
        "{}",
        r#"{"type":7}"#,
    ] {
        assert_eq!(
            summary(session.on_message(text)),
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
            summary(session.on_message(text)),
            ["error BadRequestException"],
            "{text}"
        );
    }
}

#[test]
fn the_newer_protocol_closes_on_unknown_messages() {
    for text in [
        r#"{"type":"start","id":"1"}"#,
        "meow",
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{ x }"}}"#,
    ] {
        assert_eq!(
            summary(open(Subprotocol::GraphqlTransportWs).on_message(text)),
            ["close 4400"],
            "{text}"
        );
    }
    let again = r#"{"type":"connection_init"}"#;
    assert_eq!(
        summary(open(Subprotocol::GraphqlTransportWs).on_message(again)),
        ["close 4429"]
    );
    assert_eq!(
        summary(open(Subprotocol::GraphqlTransportWs).on_message(r#"{"type":"ping"}"#)),
        ["pong"]
    );
}

#[test]
fn a_response_completes_its_operation() {
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.on_message(&subscribe("1"));
    assert_eq!(
        summary(session.on_response(&first("1"), br#"{"type":"next"}"#.to_vec())),
        ["next", "complete"]
    );
    assert!(
        session
            .on_response(&first("1"), br#"{"type":"next"}"#.to_vec())
            .is_empty()
    );
    session.on_message(&subscribe("2"));
    assert_eq!(
        summary(session.on_rejected(&nth("2", 2), vec![json!({"message": "m"})])),
        ["error"]
    );
}

#[test]
fn a_late_response_does_not_complete_a_new_operation_of_the_same_id() {
    let mut session = open(Subprotocol::GraphqlTransportWs);
    session.on_message(&subscribe("1"));
    session.on_message(r#"{"type":"complete","id":"1"}"#);
    session.on_message(&subscribe("1"));
    assert!(
        session
            .on_response(&nth("1", 1), br#"{"type":"next"}"#.to_vec())
            .is_empty()
    );
    assert_eq!(
        summary(session.on_response(&nth("1", 2), br#"{"type":"next"}"#.to_vec())),
        ["next", "complete"]
    );
}

#[test]
fn an_unsupported_protocol_is_rejected_at_the_first_message() {
    let limits = SocketLimits::default();
    let offer = Offer::Unknown;
    let mut session = Session::new(offer, authenticator(), Clock::fixed(), limits, None);
    let actions = session.on_message(r#"{"type":"connection_init"}"#);
    let Action::Send(text) = &actions[0] else {
        panic!("{actions:?}")
    };
    let error = json!({"message": "SubProtocolNotSupportedError", "errorCode": 400});
    let sent: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        sent,
        json!({"type": "connection_error", "payload": {"errors": [error]}})
    );
    assert_eq!(summary(actions), ["connection_error", "close 4406"]);
    assert!(!session.is_open());
}

#[test]
fn an_ended_subscription_frees_its_id_and_a_later_one_of_that_id_stays() {
    let mut session = open(Subprotocol::GraphqlWs);
    session.on_message(&appsync_start("1", KEY));
    assert!(session.on_subscription_ended(&first("1")));
    session.on_message(&appsync_start("1", KEY));
    assert!(!session.on_subscription_ended(&first("1")));
    assert_eq!(session.dialect_of(&nth("1", 2)), Some(Dialect::AppSync));
}

#[test]
fn only_the_newer_protocol_has_positions() {
    let positions = |actions: Vec<Action>| match actions.as_slice() {
        [Action::Run { positions, .. }] => positions.clone(),
        other => panic!("{other:?}"),
    };
    let payload =
        |mesh: &Value| json!({"query": "subscription { x }", "extensions": {"mesh": mesh}});
    let subscribe = |id: &str, mesh: &Value| {
        json!({"id": id, "type": "subscribe", "payload": payload(mesh)}).to_string()
    };
    let mut session = open(Subprotocol::GraphqlTransportWs);
    assert_eq!(positions(session.on_message(&self::subscribe("1"))), None);
    let form = PositionForm::Extensions;
    let first = Some(PositionRequest { after: None, form });
    assert_eq!(
        positions(session.on_message(&subscribe("2", &json!({})))),
        first
    );
    let wrong = json!({"epoch": "e", "offset": -1});
    assert_eq!(
        summary(session.on_message(&subscribe("3", &wrong))),
        ["error ValidationError"]
    );
    assert_eq!(session.dialect_of(&nth("3", 3)), None);
    assert_eq!(
        summary(session.on_message(&subscribe("1", &wrong))),
        ["close 4409"]
    );
    let mut session = open(Subprotocol::GraphqlWs);
    let legacy = json!({"id": "1", "type": "start", "payload": payload(&wrong)}).to_string();
    assert_eq!(positions(session.on_message(&legacy)), None);
}

#[test]
fn a_removed_key_starts_nothing_more_and_the_socket_is_closed() {
    let authenticator = authenticator();
    let open = |protocol| {
        let mut session = session_with(protocol, Some(KEY), authenticator.clone());
        session.on_message(r#"{"type":"connection_init"}"#);
        assert!(session.is_open() && !session.is_revoked());
        session
    };
    let mut appsync = open(Subprotocol::GraphqlWs);
    let mut transport = open(Subprotocol::GraphqlTransportWs);
    let mut own_key = open(Subprotocol::GraphqlWs);
    authenticator.replace_keys(ApiKeys::new(["da2-new"]));
    let rejected = ["error UnauthorizedException", "close 4401"];
    let legacy = summary(appsync.on_message(&legacy_start("1")));
    assert_eq!(legacy, ["error", "close 4401"]);
    // The start's own key is right, and yet the connection was opened with the removed one.
    assert_eq!(
        summary(own_key.on_message(&appsync_start("1", "da2-new"))),
        rejected
    );
    assert_eq!(
        summary(transport.on_message(&subscribe("1"))),
        ["close 4401"]
    );
    assert!(appsync.is_revoked());
}

#[test]
fn the_connection_has_the_role_of_its_key() {
    let rules = crate::auth::KeyFileRules {
        shortest: None,
        keys: 1,
    };
    let named = crate::auth::parse_key_file("desk teacher da2-key", rules).unwrap();
    let authenticator = Authenticator::new(ApiKeys::default().with(named));
    let mut session = session_with(Subprotocol::GraphqlWs, Some(KEY), authenticator);
    assert_eq!(session.role(), Role::Public);
    session.on_message(r#"{"type":"connection_init"}"#);
    assert_eq!(session.role(), Role::Teacher);
}

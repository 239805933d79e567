//! A field's errors, and malformed events.

use serde_json::json;

use crate::lambda::MalformedEvent;
use crate::lambda::tests::{event, fixture};

#[tokio::test]
async fn an_error_has_the_type_and_message_of_the_servers() {
    let fixture = fixture();
    let id = fixture.create_group("teacher").await;
    fixture
        .mesh
        .clock
        .advance(std::time::Duration::from_secs(30));
    let cases = [
        (
            "renewHeartbeat",
            json!({"groupId": "nowhere", "domain": "d", "hostId": "h"}),
            "groupId: \"nowhere\", domain: \"d\", hostId: \"h\"",
            "GroupNotFound",
        ),
        (
            "renewHeartbeat",
            json!({"groupId": id, "domain": "d", "hostId": "kitten"}),
            &format!("groupId: \"{id}\", domain: \"d\", hostId: \"kitten\""),
            "Unauthorized",
        ),
        (
            "dissolveGroup",
            json!({"groupId": id, "domain": "d", "hostId": "kitten"}),
            &format!("groupId: \"{id}\", domain: \"d\", hostId: \"kitten\""),
            "Unauthorized",
        ),
        (
            "sendMemberHeartbeat",
            json!({"groupId": id, "domain": "d", "nodeId": "unknown"}),
            &format!("groupId: \"{id}\", domain: \"d\", nodeId: \"unknown\""),
            "NodeNotFound",
        ),
        (
            "leaveGroup",
            json!({"groupId": "", "domain": "d", "nodeId": "n"}),
            "groupId: \"\", domain: \"d\", nodeId: \"n\"",
            "ValidationError",
        ),
        (
            "createGroup",
            json!({"name": "n", "hostId": "h", "domain": "d", "useWebSocket": true, "maxConnectionTimeSeconds": 301}),
            "name: \"n\", hostId: \"h\", domain: \"d\", useWebSocket: true, maxConnectionTimeSeconds: 301",
            "ValidationError",
        ),
    ];
    for (field, arguments, literals, kind) in cases {
        let result = fixture.mutation(field, arguments).await;
        let document = format!("mutation {{ {field}({literals}) {{ __typename }} }}");
        assert_eq!(
            result,
            json!({"error": fixture.server_error(&document).await}),
            "{field}"
        );
        assert_eq!(result["error"]["type"], kind, "{field}");
    }
    let events = json!({"groupId": "nowhere", "domain": "d", "nodeId": "n", "events": []});
    let result = fixture.mutation("recordEventsByNode", events).await;
    assert_eq!(
        result,
        json!({"error": {"type": "GroupNotFound", "message": "Group not found"}})
    );
}

#[tokio::test]
async fn an_error_is_the_same_on_the_fast_path() {
    let fixture = fixture();
    let id = fixture.create_group("teacher").await;
    let report = |group: &str| json!({"groupId": group, "domain": "d", "nodeId": "n", "data": []});
    let before = fixture
        .mutation("reportDataByNode", report("nowhere"))
        .await;
    fixture.mutation("reportDataByNode", report(&id)).await;
    assert_eq!(
        fixture
            .mutation("reportDataByNode", report("nowhere"))
            .await,
        before
    );
    assert_eq!(before["error"]["type"], "GroupNotFound");
}

#[tokio::test]
async fn a_malformed_event_fails_the_call() {
    let fixture = fixture();
    for value in [
        json!(null),
        json!(1),
        json!("x"),
        json!({}),
        json!({"info": 3}),
        json!({"info": {"fieldName": "createGroup"}}),
    ] {
        let error = fixture.handler.handle(value.clone()).await.unwrap_err();
        assert!(
            matches!(error, MalformedEvent::NotAResolverEvent(_)),
            "{value}: {error:?}"
        );
    }
    for (parent, field) in [
        ("Query", "createGroup"),
        ("Mutation", "pollGroupData"),
        ("Query", "__schema"),
        ("Group", "id"),
    ] {
        let error = fixture
            .handler
            .handle(event(parent, field, &json!({})))
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{parent}.{field} is not answered here")),
            "{error}"
        );
    }
    for name in ["", "createGroup { id } #", "名前", &"x".repeat(129)] {
        let error = fixture
            .handler
            .handle(event("Mutation", name, &json!({})))
            .await
            .unwrap_err();
        assert_eq!(
            error,
            MalformedEvent::NotAResolverEvent("info.fieldName is no name")
        );
    }
    for arguments in [json!([]), json!("x"), json!(1)] {
        let error = fixture
            .handler
            .handle(event("Mutation", "createDomain", &arguments))
            .await
            .unwrap_err();
        assert_eq!(
            error,
            MalformedEvent::NotAResolverEvent("its arguments are no object")
        );
    }
    let more = json!({"nodeId": "n", "secret": "of a child"});
    let error = fixture
        .handler
        .handle(event("Query", "getNodeStatus", &more))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the event has an argument that getNodeStatus does not take"
    );
}

#[tokio::test]
async fn no_message_of_a_malformed_event_makes_a_client_disconnect() {
    for malformed in [
        MalformedEvent::NotAResolverEvent("info.fieldName is no name"),
        MalformedEvent::UnknownField {
            parent: "Query".into(),
            field: "f".into(),
        },
        MalformedEvent::UnknownArgument("f".into()),
        MalformedEvent::TooManyEvents,
    ] {
        let text = malformed.to_string().to_lowercase();
        for word in ["not found", "expired", "unauthorized", "503"] {
            assert!(!text.contains(word), "{text} says {word}");
        }
    }
}

#[tokio::test]
async fn the_schedules_event_ends_groups_and_no_other_event_does() {
    let fixture = fixture();
    fixture.create_group("teacher").await;
    fixture
        .mesh
        .clock
        .advance(std::time::Duration::from_secs(70));
    let mut with_context = event("Mutation", "createDomain", &json!({"reap": true}));
    with_context["reap"] = json!(true);
    for other in [
        json!({"reap": false}),
        json!({"reap": true, "more": 1}),
        with_context,
    ] {
        let refused = fixture.handler.handle(other.clone()).await;
        assert!(refused.is_err(), "{other}: {refused:?}");
    }
    for ended in [1, 0] {
        let reaped = fixture.handler.handle(json!({"reap": true})).await;
        assert_eq!(reaped, Ok(json!({"ended": ended})));
    }
}

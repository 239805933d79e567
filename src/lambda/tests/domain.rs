//! The address that createDomain uses.

use serde_json::{Value, json};

use crate::auth::Policy;
use crate::lambda::tests::{event, fixture, fixture_under};

/// Under the policy own, the stack asks the function before it accepts a subscription.
#[tokio::test]
async fn a_subscription_is_admitted_by_the_policy() {
    let fixture = fixture_under(Policy::Own);
    let own = fixture.mutation("createDomain", json!({})).await;
    for (domain, refused) in [(own.as_str().unwrap(), false), ("0123456789abcdef", true)] {
        let arguments = json!({"groupId": "g", "domain": domain});
        let event = event("Subscription", "onMessageInGroup", &arguments);
        let answered = fixture.handler.handle(event).await.unwrap();
        assert_eq!(
            answered["error"]["type"] == "Unauthorized",
            refused,
            "{answered}"
        );
        assert_eq!(answered.is_null(), !refused);
    }
}

#[tokio::test]
async fn a_join_code_in_the_headers_opens_its_group_under_own() {
    let fixture = fixture_under(Policy::Own);
    let own = fixture.mutation("createDomain", json!({})).await;
    let arguments = json!({"name": "class", "hostId": "h", "domain": own, "useWebSocket": true});
    let group = fixture.mutation("createGroup", arguments).await;
    let code = group["joinCode"].as_str().unwrap();
    let group = json!({"groupId": group["id"], "domain": own});
    for (parent, field) in [
        ("Subscription", "onMessageInGroup"),
        ("Query", "listNodesInGroup"),
    ] {
        for (sent, error) in [
            (json!(code), Value::Null),
            (json!(code.to_uppercase()), Value::Null),
            (json!("no code"), json!("Unauthorized")),
            (json!(["a", "b"]), json!("Unauthorized")),
            (Value::Null, json!("Unauthorized")),
        ] {
            let mut event = event(parent, field, &group);
            event["request"]["headers"]["x-forwarded-for"] = json!("198.51.100.1, 130.176.1.1");
            event["request"]["headers"]["x-mesh-join-code"] = sent.clone();
            let answered = fixture.handler.handle(event).await.unwrap();
            assert_eq!(answered["error"]["type"], error, "{sent}: {answered}");
        }
    }
}

#[tokio::test]
async fn d2_a_domain_belongs_to_the_address_that_appsync_gives() {
    let fixture = fixture();
    let domain = async |identity: Value, header: Value| {
        let mut event = event("Mutation", "createDomain", &json!({}));
        event["identity"] = identity;
        event["request"]["headers"]["x-forwarded-for"] = header;
        fixture.handler.handle(event).await.unwrap()
    };
    let of = |address: &str| json!(fixture.mesh.domains.domain_of(address.parse().ok()));
    let (seven, none) = (of("203.0.113.7"), of("no address"));
    let by_header = async |header: Value| domain(Value::Null, header).await;
    assert_eq!(by_header(json!("203.0.113.7, 130.176.1.1")).await, seven);
    assert_eq!(
        by_header(json!("198.51.100.1, 203.0.113.7, 130.176.1.1")).await,
        seven
    );
    assert_eq!(
        by_header(json!(["198.51.100.1", "203.0.113.7, 130.176.1.1"])).await,
        seven
    );
    assert_eq!(
        by_header(json!(["203.0.113.7", "130.176.1.1"])).await,
        seven
    );
    assert_eq!(by_header(json!("203.0.113.7")).await, seven);
    assert_eq!(
        by_header(json!("2001:db8:1:2::1, 130.176.1.1")).await,
        of("2001:db8:1:2:ffff::9"),
        "classmates share a /64 here too (D1)"
    );
    for malformed in [
        json!(""),
        json!(","),
        json!("unknown"),
        json!("bogus, 130.176.1.1"),
        json!([]),
        json!([7]),
        json!({}),
        json!(7),
        Value::Null,
    ] {
        assert_eq!(by_header(malformed.clone()).await, none, "{malformed}");
    }
    let header = json!("198.51.100.9, 130.176.1.1");
    let by_identity =
        async |source: Value| domain(json!({"sourceIp": source}), header.clone()).await;
    assert_eq!(by_identity(json!(["203.0.113.7"])).await, seven);
    assert_eq!(
        by_identity(json!(["198.51.100.1", "203.0.113.7"])).await,
        seven,
        "a client may set the addresses before the last"
    );
    assert_eq!(by_identity(json!(["bogus"])).await, none);
    for absent in [json!([]), Value::Null] {
        assert_eq!(
            by_identity(absent).await,
            of("198.51.100.9"),
            "without a list, the header is used"
        );
    }
    let mut bare = event("Mutation", "createDomain", &json!({}));
    bare.as_object_mut().unwrap().remove("request");
    assert_eq!(fixture.handler.handle(bare).await.unwrap(), none);
}

#[tokio::test]
async fn d2_behind_a_custom_domain_as_many_hops_are_skipped_as_the_settings_say() {
    const NAME: &str = "graphql.api.example";
    let domain = async |hops: usize, name: Value, header: &str| {
        let fixture = fixture();
        let handler = fixture.handler.with_domain_hops(hops);
        let mut event = event("Mutation", "createDomain", &json!({}));
        event["request"]["domainName"] = name;
        event["request"]["headers"]["x-forwarded-for"] = json!(header);
        handler.handle(event).await.unwrap()
    };
    let fixture = fixture();
    let of = |address: &str| json!(fixture.mesh.domains.domain_of(address.parse().ok()));
    let longer = "198.51.100.1, 203.0.113.7, 64.252.1.1, 130.176.1.1";
    for (hops, name, header, address) in [
        (2, json!(NAME), longer, "203.0.113.7"),
        (1, json!(NAME), longer, "64.252.1.1"),
        (0, json!(NAME), longer, "130.176.1.1"),
        (2, json!(NAME), "203.0.113.7, 130.176.1.1", "203.0.113.7"),
        (8, json!(NAME), "203.0.113.7", "203.0.113.7"),
        // AppSync's own address appends one entry, whatever the setting says: what is before the
        // client's address is forged.
        (
            2,
            Value::Null,
            "198.51.100.1, 203.0.113.7, 130.176.1.1",
            "203.0.113.7",
        ),
    ] {
        let answered = domain(hops, name, header).await;
        assert_eq!(answered, of(address), "{hops} hops of {header}");
    }
}

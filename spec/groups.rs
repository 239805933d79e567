//! Making and finding groups.

use serde_json::{Value, json};

use crate::support::people::{all, list, text};
use crate::support::{Setup, TestMesh};

/// Milliseconds since 1970 of a time as the stage tells it.
pub fn millis(time: &Value) -> i64 {
    let time: jiff::Timestamp = text(time).parse().expect("a time");
    time.as_millisecond()
}

/// Whether a time is in UTC with milliseconds.
pub fn has_milliseconds(time: &str) -> bool {
    time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.'
}

#[apply(case!)]
async fn creating_answers_the_whole_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let expected = json!({
        "id": group.id,
        "domain": mesh.domain,
        "fullId": format!("{}@{}", group.id, mesh.domain),
        "name": "class",
        "hostId": host.id,
        "expiresAt": group.record["expiresAt"],
        "heartbeatIntervalSeconds": 15,
        "useWebSocket": true,
        "pollingIntervalSeconds": null,
        "__typename": "Group",
    });
    assert_eq!(group.record, expected);
    let id = uuid::Uuid::parse_str(&group.id).expect("a UUID");
    assert_eq!(
        (id.get_version_num(), id.hyphenated().to_string()),
        (4, group.id)
    );
    assert!(has_milliseconds(&text(&group.record["expiresAt"])));
}

#[apply(case!)]
async fn a_polling_group_tells_how_often_to_poll() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates_polling("class").await;
    assert_eq!(group.record["useWebSocket"], false);
    assert_eq!(group.record["pollingIntervalSeconds"], 2);
}

#[apply(case!)]
async fn a_group_ends_after_the_time_its_host_asked_for() {
    let mesh = TestMesh::still().await;
    let ends = async |host: &str, seconds: Value| {
        let wish = json!({"maxConnectionTimeSeconds": seconds});
        millis(&mesh.host(host).wishes("class", wish).await.value()["expiresAt"])
    };
    let (minute, most) = (ends("a", json!(60)).await, ends("b", json!(300)).await);
    let without = ends("c", Value::Null).await;
    assert!(
        (240_000..250_000).contains(&(most - minute)),
        "{}",
        most - minute
    );
    assert!(
        (0..10_000).contains(&(without - most)),
        "{}",
        without - most
    );
}

#[apply(case!)]
async fn a_group_whose_host_asks_for_nothing_lives_the_default_and_others_longer() {
    let lives = |setup: &mut Setup| {
        setup.timings.default_connection = 120;
        setup.timings.host_ttl = 600;
    };
    let mesh = TestMesh::own(lives).await;
    let without = mesh.host("a").creates("class").await;
    let wish = json!({"maxConnectionTimeSeconds": 300});
    let asked = mesh.host("b").wishes("class", wish).await.value();
    let longer = millis(&asked["expiresAt"]) - millis(&without.record["expiresAt"]);
    assert!((180_000..190_000).contains(&longer), "{longer}");
    let beyond = mesh
        .host("c")
        .wishes("class", json!({"maxConnectionTimeSeconds": 301}))
        .await;
    beyond.is_refused(
        "ValidationError",
        "maxConnectionTimeSeconds cannot exceed 300",
    );
    mesh.passes_seconds(122).await;
    let (kind, said) = without.node("kitten").beats().await.refusal();
    assert_eq!(kind, "GroupNotFound", "{said}");
}

#[apply(case!)]
async fn d4_creating_again_gives_the_same_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    mesh.passes_seconds(1).await;
    let wish = json!({"maxConnectionTimeSeconds": 10});
    assert_eq!(
        host.wishes("another name", wish).await.value(),
        group.record
    );
}

#[apply(case!)]
async fn d4_the_arguments_of_a_repeated_create_are_checked_like_any() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    host.creates("class").await;
    let again = host
        .wishes("class", json!({"maxConnectionTimeSeconds": 0}))
        .await;
    again.is_refused(
        "ValidationError",
        "maxConnectionTimeSeconds must be at least 1",
    );
}

#[apply(case!)]
async fn d4_creating_again_the_other_way_switches_the_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let group = host.creates("class").await;
    let polling = host.creates_polling("class").await;
    assert_eq!(polling.id, group.id);
    assert_eq!(polling.record["expiresAt"], group.record["expiresAt"]);
    assert_eq!(polling.record["useWebSocket"], false);
    let joined = group
        .node("kitten")
        .calls("joinGroup", json!({}))
        .await
        .value();
    assert_eq!(joined["pollingIntervalSeconds"], 2, "{joined}");
    assert_eq!(host.creates("class").await.record, group.record);
}

#[apply(parallel_case!)]
async fn d4_a_hundred_simultaneous_creates_give_one_group() {
    let mesh = TestMesh::still().await;
    let host = mesh.host("teacher");
    let creates = (0..100).map(|_| host.creates("class"));
    let groups = futures_util::future::join_all(creates).await;
    assert!(groups.iter().all(|group| group.record == groups[0].record));
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await
        .value();
    assert_eq!(list(&listed).len(), 1, "{listed}");
}

#[apply(case!)]
async fn a_host_may_have_a_group_in_each_domain() {
    let mesh = TestMesh::still().await;
    let here = mesh.host("teacher").creates("class").await;
    let elsewhere = format!("{}-b", mesh.domain);
    let there = mesh
        .host("teacher")
        .moves_to(&elsewhere)
        .creates("class")
        .await;
    assert_ne!(here.id, there.id);
    assert_eq!(there.domain, elsewhere);
}

#[apply(case!)]
async fn d8_a_listing_shows_every_field_of_every_live_group_by_id() {
    let mesh = TestMesh::still().await;
    let mut made = Vec::new();
    for host in ["a", "b", "c"] {
        made.push(mesh.host(host).creates(host).await.record);
    }
    made.push(mesh.host("d").creates_polling("d").await.record);
    made.sort_by_key(|group| text(&group["id"]));
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await;
    assert_eq!(listed.value(), Value::from(made));
}

#[apply(case!)]
async fn an_unknown_domain_has_no_groups() {
    let mesh = TestMesh::still().await;
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await;
    assert_eq!(listed.value(), json!([]));
}

#[apply(case!)]
async fn d8_a_listing_is_whole_however_many_groups_there_are() {
    let mesh = TestMesh::still().await;
    for i in 0..120 {
        mesh.host(&format!("host {i}"))
            .creates(&format!("class {i}"))
            .await;
    }
    let listed = mesh
        .calls("listGroupsByDomain", json!({"domain": mesh.domain}))
        .await
        .value();
    assert_eq!(list(&listed).len(), 120);
}

/// Four letters that no other test's groups begin with.
fn prefix() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..4].to_owned()
}

#[apply(case!)]
async fn d8_a_search_finds_names_by_their_beginning_across_domains_in_order() {
    let mesh = TestMesh::still().await;
    let prefix = prefix();
    for (host, name) in [("a", "ゐc"), ("b", "ゐa"), ("c", "ゐb"), ("d", "x")] {
        let host = mesh.host(host).moves_to(&format!("{}-{host}", mesh.domain));
        host.creates(&format!("{prefix}{name}")).await;
    }
    let found = mesh.calls(
        "searchGroupsByNamePrefix",
        json!({"namePrefix": format!("{prefix}ゐ")}),
    );
    let found = found.await.value();
    let names = ["ゐa", "ゐb", "ゐc"].map(|name| format!("{prefix}{name}"));
    assert_eq!(all("name", list(&found)), names);
    assert_eq!(
        found[0]["useWebSocket"], true,
        "every field of Group is there: {found}"
    );
    let upper = json!({"namePrefix": format!("{}Z", prefix.to_uppercase())});
    let none = mesh.calls("searchGroupsByNamePrefix", upper).await;
    assert_eq!(none.value(), json!([]));
}

#[apply(case!)]
async fn d8_a_search_honours_its_limit_and_counts_live_groups_only() {
    let mesh = TestMesh::still().await;
    let prefix = prefix();
    for i in 0..13 {
        let host = mesh.host(&format!("host {i}"));
        let group = host.creates(&format!("{prefix} {i:02}")).await;
        // Dead entries must not eat the limit.
        if i % 4 == 0 {
            group.dissolves().await.value();
        }
    }
    let finds = async |limit: Value| {
        let search = json!({"namePrefix": prefix, "limit": limit});
        let found = mesh.calls("searchGroupsByNamePrefix", search).await.value();
        list(&found)
            .iter()
            .map(|group| text(&group["name"])[5..].to_owned())
            .collect::<Vec<_>>()
    };
    let live = ["01", "02", "03", "05", "06", "07", "09", "10", "11"];
    assert_eq!(finds(json!(3)).await, live[..3]);
    assert_eq!(finds(json!(100)).await, live);
    for i in 13..16 {
        mesh.host(&format!("host {i}"))
            .creates(&format!("{prefix} {i:02}"))
            .await;
    }
    assert_eq!(finds(Value::Null).await.len(), 10, "ten by default");
}

#[apply(case!)]
async fn d8_a_search_limit_is_from_1_to_100() {
    let mesh = TestMesh::still().await;
    for limit in [-1, 0, 101] {
        let search = json!({"namePrefix": "a", "limit": limit});
        let refused = mesh.calls("searchGroupsByNamePrefix", search).await;
        refused.is_refused("ValidationError", "limit must be from 1 to 100");
    }
}

#[apply(case!)]
async fn a_search_prefix_is_counted_in_utf_16() {
    let mesh = TestMesh::still().await;
    let finds = async |prefix: &str| {
        mesh.calls("searchGroupsByNamePrefix", json!({"namePrefix": prefix}))
            .await
    };
    for good in ["a", "abcdef", "あいうえおか", "🎈🐱🎈"] {
        assert!(finds(good).await.value().is_array());
    }
    for bad in ["", "abcdefg", "🎈🐱🎈🐱"] {
        finds(bad)
            .await
            .is_refused("ValidationError", "namePrefix must be 1-6 characters");
    }
}

#[apply(case!)]
async fn renewing_answers_the_end_unchanged_to_the_byte() {
    let mesh = TestMesh::still().await;
    let group = mesh.host("teacher").creates("class").await;
    mesh.passes_seconds(2).await;
    let expected = json!({
        "groupId": group.id, "domain": group.domain, "expiresAt": group.record["expiresAt"],
        "heartbeatIntervalSeconds": 15, "__typename": "HeartbeatPayload",
    });
    assert_eq!(group.renews().await.value(), expected);
}

#[apply(case!)]
async fn a_stage_and_a_domain_hold_so_many_groups_and_say_when_they_are_full() {
    let small = |setup: &mut Setup| {
        setup.limits.groups = 3;
        setup.limits.groups_per_domain = 2;
    };
    let mesh = TestMesh::own(small).await;
    mesh.host("a").creates("a").await;
    mesh.host("b").creates("b").await;
    let refused = mesh.host("c").wishes("c", json!({})).await;
    refused.is_refused("LimitExceeded", "the domain is full: at most 2");
    let elsewhere = mesh.host("c").moves_to("elsewhere").creates("c").await;
    let refused = mesh
        .host("d")
        .moves_to("a third")
        .wishes("d", json!({}))
        .await;
    refused.is_refused("LimitExceeded", "the stage is full: at most 3");
    elsewhere.dissolves().await.value();
    mesh.host("d").moves_to("a third").creates("d").await;
}

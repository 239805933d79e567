//! Listings and searches.

use serde_json::{Value, json};

use crate::support::TestMesh;
use crate::support::json::{all, list, text};

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
async fn d8_a_listing_of_many_groups_is_complete() {
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

/// Four letters with which no other case's groups begin.
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
async fn d8_a_search_applies_its_limit_to_live_groups() {
    let mesh = TestMesh::still().await;
    let prefix = prefix();
    for i in 0..13 {
        let host = mesh.host(&format!("host {i}"));
        let group = host.creates(&format!("{prefix} {i:02}")).await;
        // Ended groups must not count towards the limit.
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
async fn a_search_finds_names_however_a_keyboard_writes_them() {
    let mesh = TestMesh::still().await;
    let prefix = prefix();
    let written = format!("{prefix}ｶﾞ１");
    mesh.host("a").creates(&written).await;
    for typed in ["ガ", "カ\u{3099}"] {
        let found = mesh.calls(
            "searchGroupsByNamePrefix",
            json!({"namePrefix": format!("{prefix}{typed}"), "limit": 10}),
        );
        let found = found.await.value();
        assert_eq!(all("name", list(&found)), [written.as_str()], "{typed}");
    }
}

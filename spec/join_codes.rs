//! Join codes: by them a group is found, also by an unmodified editor (decision D33).

mod other_network;

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::TestMesh;
use crate::support::json::{all, list, text};

const CREATE: &str = "mutation ($name: String!, $hostId: ID!, $domain: String!, $named: Boolean) {
    createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: true, nameIsJoinCode: $named) {
        id domain fullId name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds
        joinCode __typename } }";
/// How the editor shows the digits of ids.
const HIRAGANA: &str = "いしかたうんてとのつはこになくき";

/// createGroup's answer, with the code.
pub async fn creates(mesh: &TestMesh, host: &str, named: Option<bool>) -> Value {
    creates_in(mesh, &mesh.domain, host, named).await
}

pub async fn creates_in(mesh: &TestMesh, domain: &str, host: &str, named: Option<bool>) -> Value {
    let arguments =
        json!({"name": "class", "hostId": mesh.id(host), "domain": domain, "named": named});
    mesh.executes_with(CREATE, arguments).await.value()
}

/// What groupByJoinCode answers.
pub async fn finds(mesh: &TestMesh, code: &str) -> Value {
    let found = mesh.calls("groupByJoinCode", json!({"code": code})).await;
    found.value()
}

/// A code as the editor would show it.
fn in_hiragana(code: &str) -> String {
    let digit = |c: char| c.to_digit(16).expect("a hex digit") as usize;
    let shown = |c| HIRAGANA.chars().nth(digit(c)).expect("sixteen hiragana");
    code.chars().map(shown).collect()
}

/// The editor's own search: hiragana become hex digits, and these the beginning of a name.
async fn editor_searches(mesh: &TestMesh, label: &str) -> Vec<Value> {
    let digit = |c: char| {
        let mut digits = HIRAGANA.chars().zip("0123456789abcdef".chars());
        digits.find(|(it, _)| *it == c).expect("a hiragana").1
    };
    let prefix: String = label.chars().map(digit).collect();
    let arguments = json!({"namePrefix": prefix, "limit": 10});
    let found = mesh.calls("searchGroupsByNamePrefix", arguments).await;
    list(&found.value()).clone()
}

async fn dissolves(mesh: &TestMesh, group: &Value) {
    let arguments = json!({
        "groupId": group["id"], "domain": group["domain"], "hostId": group["hostId"],
    });
    mesh.calls("dissolveGroup", arguments).await.value();
}

#[apply(case!)]
async fn the_code_that_a_creator_gets_finds_the_group_in_any_form() {
    let mesh = TestMesh::start().await;
    let group = creates(&mesh, "teacher", None).await;
    let code = text(&group["joinCode"]);
    let is_hex = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    assert!(code.len() == 6 && code.bytes().all(is_hex), "{code}");
    assert_eq!(group["name"], "class");
    for form in [
        code.clone(),
        code.to_uppercase(),
        in_hiragana(&code),
        format!("\u{3000}{code} "),
    ] {
        assert_eq!(finds(&mesh, &form).await, group, "{form}");
    }
    let again = creates(&mesh, "teacher", Some(true)).await;
    assert_eq!(again, group, "a repeat answers the same group and code");
}

#[apply(case!)]
async fn what_is_no_code_is_refused() {
    let mesh = TestMesh::start().await;
    let message =
        "code must be six digits from 0 to f, or six of the hiragana by which they are shown";
    for code in [
        "",
        "12345",
        "1234567",
        "12345g",
        "いしかたうあ",
        "いしか345",
    ] {
        let refused = mesh.calls("groupByJoinCode", json!({"code": code})).await;
        refused.is_refused("ValidationError", message);
        assert_eq!(refused.json["data"], json!({"groupByJoinCode": null}));
    }
}

#[apply(case!)]
async fn each_group_has_a_code_of_its_own() {
    let mesh = TestMesh::start().await;
    let hosts: Vec<_> = (0..60).map(|n| format!("host-{n}")).collect();
    let groups = join_all(hosts.iter().map(|host| creates(&mesh, host, None))).await;
    let codes: HashSet<_> = all("joinCode", &groups).into_iter().collect();
    assert_eq!(codes.len(), hosts.len());
    for group in &groups[..5] {
        assert_eq!(finds(&mesh, &text(&group["joinCode"])).await, *group);
    }
}

#[apply(case!)]
async fn lists_and_searches_show_no_code() {
    let mesh = TestMesh::start().await;
    let group = creates(&mesh, "teacher", None).await;
    let document = "query ($domain: String!) {
        listGroupsByDomain(domain: $domain) { id joinCode }
        searchGroupsByNamePrefix(namePrefix: \"class\", limit: 100) { id joinCode } }";
    let found = mesh.executes_with(document, json!({"domain": mesh.domain}));
    let found = found.await.json;
    let shown = json!({"id": group["id"], "joinCode": null});
    assert_eq!(found["data"]["listGroupsByDomain"], json!([shown]));
    let searched = list(&found["data"]["searchGroupsByNamePrefix"]).clone();
    assert!(searched.iter().all(|group| group["joinCode"].is_null()));
}

#[apply(case!)]
async fn an_unmodified_editor_finds_a_group_whose_name_is_its_code() {
    let mesh = TestMesh::start().await;
    let group = creates(&mesh, "teacher", Some(true)).await;
    let code = text(&group["joinCode"]);
    assert_eq!(group["name"], code.as_str());
    let found = editor_searches(&mesh, &in_hiragana(&code)).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["fullId"], group["fullId"]);
    // Another class does not find it by its own code.
    let other = creates(&mesh, "assistant", Some(true)).await;
    let other = editor_searches(&mesh, &in_hiragana(&text(&other["joinCode"]))).await;
    assert_ne!(other[0]["id"], group["id"]);
}

#[apply(case!)]
async fn a_code_dies_with_its_group() {
    let mesh = TestMesh::still().await;
    let dissolved = creates(&mesh, "teacher", None).await;
    dissolves(&mesh, &dissolved).await;
    assert_eq!(
        finds(&mesh, &text(&dissolved["joinCode"])).await,
        Value::Null
    );
    let next = creates(&mesh, "teacher", None).await;
    assert_ne!(next["id"], dissolved["id"]);
    let code = text(&next["joinCode"]);
    assert_eq!(finds(&mesh, &code).await["id"], next["id"]);
    mesh.passes_seconds(61).await;
    assert_eq!(finds(&mesh, &code).await, Value::Null, "its host is silent");
}

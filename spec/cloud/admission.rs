//! Who is let in: join codes, and what is refused with which code.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh_v2::auth::Policy;
use mesh_v2::rate_limits::rates::Rate;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{class, code, has_members, server};
use crate::metrics::metric;
use crate::support::project::Project;
use crate::support::{Setup, TestMesh};

const HIRAGANA: &str = "いしかたうんてとのつはこになくき";

/// A join code as children read it.
fn in_hiragana(code: &str) -> String {
    let digit = |c: char| c.to_digit(16).expect("a hex digit") as usize;
    let shown = |c| HIRAGANA.chars().nth(digit(c)).expect("sixteen hiragana");
    code.chars().map(shown).collect()
}

/// The code with which a socket is closed after these messages.
async fn refused(mesh: &TestMesh, path: &str, messages: &[Value]) -> u16 {
    let mut project = Project::connects(mesh, path).await;
    for message in messages {
        project.socket.sends(message).await;
    }
    project.is_closed().await
}

fn handshake(project: &Value, user: &Value) -> Value {
    json!({"method": "handshake", "project_id": project, "user": user})
}

#[apply(case!)]
async fn a_join_code_admits_in_the_address_and_as_the_project_id() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let code = code(&group);
    let mut first = Project::enters(&mesh, &code, "first").await;
    first.sets("a", "1").await;
    has_members(&group, 1).await;
    for (count, project) in [
        Project::enters(&mesh, &in_hiragana(&code), "second").await,
        Project::enters(&mesh, &code.to_uppercase(), "third").await,
        Project::opens(&mesh, &code, "fourth").await,
        Project::opens(&mesh, &in_hiragana(&code), "fifth").await,
    ]
    .iter_mut()
    .enumerate()
    {
        assert_eq!(project.gets().await, "a=1", "{count}");
    }
    // Without a slash and with one, and a name that is no nickname.
    let mut unsaved = Project::connects(&mesh, &format!("/cloud/{code}")).await;
    unsaved.shakes_hands("", "unsaved").await;
    assert_eq!(unsaved.gets().await, "a=1");
    let mut last = Project::connects(&mesh, "/cloud/").await;
    last.shakes_hands(&code, "\u{200b}").await;
    assert_eq!(last.gets().await, "a=1");
}

#[apply(case!)]
async fn what_projects_must_not_repeat_is_refused_with_codes_that_stop_them() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let (code, user) = (code(&group), json!("u"));
    let other = if code == "000000" { "000001" } else { "000000" };
    let before = metric(&mesh, "mesh_wrong_codes_total").await;
    for project in [json!(other), json!("104999111"), json!(104), json!("p4-x")] {
        let handshake = handshake(&project, &user);
        assert_eq!(refused(&mesh, "/cloud", &[handshake]).await, 4004);
    }
    for path in [format!("/cloud/{other}"), "/cloud/none".into()] {
        let handshake = handshake(&json!(code), &user);
        assert_eq!(refused(&mesh, &path, &[handshake]).await, 4004, "{path}");
    }
    let after = metric(&mesh, "mesh_wrong_codes_total").await;
    assert_eq!(after - before, 2, "guesses are counted");
    for user in [Value::Null, json!(""), json!(5)] {
        let handshake = handshake(&json!(code), &user);
        assert_eq!(refused(&mesh, "/cloud", &[handshake]).await, 4002);
    }
}

#[apply(case!)]
async fn what_is_no_message_of_the_protocol_closes_the_socket() {
    let mesh = server().await;
    let group = class(&mesh).await;
    let handshake = handshake(&json!(code(&group)), &json!("u"));
    let set = json!({"method": "set", "name": "☁ a", "value": 1});
    let bad = [
        json!({"method": "set", "name": "a", "value": 1}),
        json!({"method": "dance"}),
        json!([]),
        handshake.clone(),
    ];
    assert_eq!(refused(&mesh, "/cloud", &[set]).await, 4000);
    for bad in bad {
        let messages = [handshake.clone(), bad];
        assert_eq!(refused(&mesh, "/cloud", &messages).await, 4000);
    }
    let mut project = Project::connects(&mesh, "/cloud").await;
    project
        .socket
        .sends_frame(Message::text("no JSON".to_owned()))
        .await;
    assert_eq!(project.is_closed().await, 4000);
}

#[apply(case!)]
async fn a_socket_without_a_handshake_is_closed_in_time() {
    let set_up = |setup: &mut Setup| setup.sockets.init = Duration::from_millis(200);
    let mesh = TestMesh::own(set_up).await;
    assert_eq!(refused(&mesh, "/cloud", &[]).await, 4000);
}

#[apply(case!)]
async fn a_request_that_is_no_upgrade_learns_what_is_wanted() {
    let mesh = server().await;
    for path in ["/cloud", "/cloud/0f3a1b"] {
        let url = format!("{}{path}", mesh.origin());
        let answer = mesh.http().get(url).send().await.expect("an answer");
        assert_eq!(answer.status(), 400);
    }
}

#[apply(case!)]
async fn a_code_opens_its_group_from_any_network_under_each_policy() {
    for policy in [Policy::Own, Policy::Token] {
        let set_up = |setup: &mut Setup| {
            setup.policy = policy;
            setup.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        };
        let mesh = TestMesh::own(set_up).await;
        let mut school = mesh.client_at("203.0.113.1");
        let domain = school.calls("createDomain", json!({})).await.value();
        school.domain = crate::support::json::text(&domain);
        let group = class(&school).await;
        let home = mesh.client_at("198.51.100.7");
        let mut ann = Project::enters(&home, &code(&group), "ann").await;
        let mut ben = Project::enters(&school, &code(&group), "ben").await;
        ann.sets("a", "1").await;
        assert_eq!(ben.gets().await, "a=1", "{policy}");
    }
}

#[apply(case!)]
async fn pings_count_as_messages_also_before_the_handshake() {
    let set_up = |setup: &mut Setup| {
        setup.rates.as_mut().expect("rates").connection_messages = Rate::new(50);
    };
    let mesh = TestMesh::own(set_up).await;
    let group = class(&mesh).await;
    let mut flood = Project::connects(&mesh, "/cloud").await;
    let began = Instant::now();
    for _ in 0..200 {
        flood.socket.sends_frame(Message::Ping(Bytes::new())).await;
    }
    flood.shakes_hands(&code(&group), "flood").await;
    has_members(&group, 1).await;
    let took = began.elapsed();
    assert!(took > Duration::from_secs(1), "{took:?}");
}

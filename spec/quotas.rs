//! Floods by a node, by invented ids and by an address: after each of them a pupil still joins,
//! reports and receives (docs/threat-model.md).

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::metrics::metric;
use crate::support::clients::event;
use crate::support::json::text;
use crate::support::mesh::TIMEOUT;
use crate::support::socket::Socket;
use crate::support::{Group, Setup, TestMesh};

/// The school's address, and those of strangers.
const SCHOOL: &str = "198.51.100.7";
const STRANGER: &str = "203.0.113.9";
const OTHERS: [&str; 3] = ["203.0.113.10", "2001:db8:7:1::1", "2001:db8:8:1::1"];

/// A server behind a proxy on this machine, so that callers have addresses.
async fn behind_a_proxy(set_up: impl FnOnce(&mut Setup)) -> TestMesh {
    TestMesh::own(|setup| {
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        set_up(setup);
    })
    .await
}

/// A pupil joins, reports and fires, and a subscriber receives it.
async fn a_pupil_takes_part(group: &Group<'_>) {
    let mut subscriber = group.subscribe().await;
    let pupil = group.join("pupil").await;
    pupil.reports([("temp", "21")]).await;
    assert_eq!(subscriber.status().await, (&*pupil.id, [("temp", "21")]));
    pupil.fires(["go"]).await;
    assert_eq!(subscriber.events().await, ["go"]);
    let host = group.hosting_node();
    host.reports([("score", "1")]).await;
    assert_eq!(subscriber.status().await, (&*host.id, [("score", "1")]));
}

/// Calls `field` as invented nodes until it is refused; returns how many were not.
async fn flood(group: &Group<'_>, field: &str, arguments: impl Fn(usize) -> Value) -> usize {
    for n in 0..2_000 {
        let node = group.node(&format!("x{n}"));
        let reply = node.calls(field, arguments(n)).await;
        if reply.json.get("errors").is_some() {
            assert_eq!(reply.error().0, "LimitExceeded", "{}", reply.json);
            return n;
        }
    }
    panic!("{field} is never refused");
}

#[apply(case!)]
async fn reports_under_invented_names_lock_nobody_out() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let data = |_| json!({"data": [{"key": "a", "value": "1"}]});
    assert_eq!(flood(&group, "reportDataByNode", data).await, 100);
    a_pupil_takes_part(&group).await;
}

#[apply(case!)]
async fn large_variables_under_invented_names_leave_half_of_the_bytes() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates("class").await;
    let large = "x".repeat(65_000);
    let data = |_| json!({"data": [{"key": "a", "value": large}]});
    let fit = flood(&group, "reportDataByNode", data).await;
    assert!((20..=32).contains(&fit), "{fit}");
    let heavy = group.join("heavy").await;
    heavy.reports([("a", &large)]).await;
    a_pupil_takes_part(&group).await;
}

#[apply(case!)]
async fn one_nodes_calls_fill_only_its_part_of_the_log() {
    let mesh = TestMesh::own(|_| {}).await;
    let group = mesh.host("teacher").creates_polling("class").await;
    let loud = group.join_polling("loud").await;
    let payload = "x".repeat(150_000);
    let mut kept = 0;
    loop {
        let events = json!({"events": [event("e", json!({"payload": payload}))]});
        let reply = loud.calls("recordEventsByNode", events).await;
        if reply.json.get("errors").is_some() {
            assert_eq!(reply.error().0, "LimitExceeded");
            break;
        }
        kept += 1;
    }
    assert!((10..=14).contains(&kept), "{kept}");
    let large = |_| json!({"events": [event("e", json!({"payload": payload}))]});
    let invented = flood(&group, "recordEventsByNode", large).await;
    assert!((10..=14).contains(&invented), "{invented}");
    let since = group.join_polling("pupil").await.records(["go"]).await;
    group.hosting_node().records(["on"]).await;
    assert_eq!(since, "", "the cursor stays the client's own");
    let read = group.reads_on_from(String::new()).await;
    let last: Vec<String> = read[read.len() - 2..]
        .iter()
        .map(|event| text(&event["name"]))
        .collect();
    assert_eq!(last, ["go", "on"]);
}

#[apply(case!)]
async fn one_addresss_groups_fill_neither_a_domain_nor_the_server() {
    let mesh = behind_a_proxy(|setup| {
        setup.limits.groups = 60;
        setup.limits.groups_per_domain = 30;
        setup.limits.groups_per_address = 20;
    })
    .await;
    let school = mesh.client_at(SCHOOL);
    let domain = text(&school.executes("mutation { createDomain }").await.value());
    let floods = async |address: &str, domain: &str| {
        let stranger = mesh.client_at(address);
        for n in 0..100 {
            let host = stranger.host(&format!("x{n} of {address}"));
            let reply = host
                .moves_to(domain)
                .calls_create_group("x", json!({}))
                .await;
            if reply.json.get("errors").is_some() {
                assert_eq!(reply.error().0, "LimitExceeded");
                return n;
            }
        }
        panic!("never refused");
    };
    assert_eq!(floods(STRANGER, &domain).await, 20);
    assert_eq!(
        floods(OTHERS[0], &domain).await,
        4,
        "the rest is the school's"
    );
    assert_eq!(floods(OTHERS[1], "elsewhere").await, 20);
    assert_eq!(
        floods(OTHERS[2], "anywhere").await,
        8,
        "few of the server's rest"
    );
    let host = school.host("teacher").moves_to(&domain);
    a_pupil_takes_part(&host.creates("class").await).await;
}

#[apply(case!)]
async fn websockets_behind_a_proxy_count_for_their_address() {
    let mesh = behind_a_proxy(|setup| {
        setup.http.connections = 40;
        setup.http.connections_per_address = 5;
    })
    .await;
    let stranger = mesh.client_at(STRANGER);
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(Socket::connect(&stranger, "/graphql/realtime", Some(&mesh.key)).await);
    }
    // The upgrade succeeds, or clients would take the network for a blocked one.
    let mut more = Socket::connect(&stranger, "/graphql/realtime", Some(&mesh.key)).await;
    assert_eq!(more.is_closed().await, 1013);
    let refused = "mesh_refused_connections_total{reason=\"address_share\"}";
    assert_eq!(metric(&mesh, refused).await, 1);
    let school = mesh.client_at(SCHOOL);
    a_pupil_takes_part(&school.host("teacher").creates("class").await).await;
    sockets.pop().expect("a socket").breaks();
    // The server notices the end in its own time.
    loop {
        let path = "/graphql/realtime";
        let mut socket = Socket::connect(&stranger, path, Some(&mesh.key)).await;
        // What a refused client sends is discarded.
        socket.sends(&json!({"type": "connection_init"})).await;
        match socket.next(TIMEOUT).await {
            Some(Message::Text(_)) => break,
            Some(Message::Close(_)) => {}
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[apply(case!)]
async fn strangers_who_join_leave_half_of_the_places() {
    let mesh = behind_a_proxy(|setup| setup.limits.nodes_per_group = 40).await;
    let school = mesh.client_at(SCHOOL);
    let group = school.host("teacher").creates("class").await;
    let stranger = mesh.client_at(STRANGER);
    let theirs = Group {
        mesh: &stranger,
        ..group.clone()
    };
    let joined = flood(&theirs, "joinGroup", |_| json!({})).await;
    assert_eq!(joined, 16, "four fifths of half of the places");
    for n in 0..19 {
        group.join(&format!("classmate {n}")).await;
    }
    a_pupil_takes_part(&group).await;
    let home = mesh.client_at(OTHERS[0]);
    let from_home = Group {
        mesh: &home,
        ..group.clone()
    };
    from_home.join("at home").await;
}

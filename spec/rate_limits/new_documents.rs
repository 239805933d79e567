//! A flood of new documents at a class's address, when the server does not know the class's own
//! documents yet.

use futures_util::future::join_all;
use mesh_v2::rate_limits::rates::Rate;
use serde_json::json;

use super::{another, is_too_fast};
use crate::support::clients::event;
use crate::support::{Group, TestMesh};

/// Sends new documents on one connection after the other until the address is refused.
async fn flood(mesh: &TestMesh) {
    for connection in 0..20 {
        let client = another(mesh);
        for n in 0..20 {
            let reply = client
                .executes(&format!("{{ a{connection}n{n}: __typename }}"))
                .await;
            if reply.json.get("errors").is_some() {
                is_too_fast(&reply, "from this address");
                return;
            }
        }
    }
    panic!("the address is never refused");
}

/// What a pupil's editor sends when its server has started again.
async fn plays(mesh: &TestMesh, group: &Group<'_>, number: usize) {
    let client = another(mesh);
    let class = Group {
        mesh: &client,
        ..group.clone()
    };
    let pupil = class.join(&format!("pupil {number}")).await;
    let _subscriber = class.subscribe().await;
    class.statuses().await;
    pupil.reports([("n", "1")]).await;
    let events = json!({"events": [event("meow", json!({}))]});
    pupil.calls("fireEventsByNode", events).await.value();
    pupil.sends_heartbeat().await.value();
}

#[apply(case!)]
async fn a_class_comes_back_to_a_new_server_during_a_flood_of_documents() {
    let mesh = TestMesh::own_still(|setup| {
        setup.rates.as_mut().expect("rates").address_documents = Rate::new(20);
    })
    .await;
    flood(&mesh).await;
    let teacher = another(&mesh);
    let group = teacher.host("teacher").creates("class").await;
    join_all((0..40).map(|number| plays(&mesh, &group, number))).await;
    flood(&mesh).await;
}

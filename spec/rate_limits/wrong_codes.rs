//! Wrong join codes are slowed by their address, counted, and warned of; right ones never wait.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::join_codes::{creates, finds};
use crate::metrics::metric;
use crate::support::TestMesh;
use crate::support::json::text;

const PUPILS: usize = 40;
/// Look-ups of each pupil.
const LOOK_UPS: usize = 10;
/// Guesses that are under way at a time.
const UNDER_WAY: u32 = 200;

async fn guesses(mesh: &TestMesh, n: u32) -> Duration {
    let start = Instant::now();
    assert_eq!(finds(mesh, &format!("{n:06x}")).await, Value::Null);
    start.elapsed()
}

#[apply(case!)]
async fn a_class_finds_its_group_at_once_while_its_address_sends_wrong_codes() {
    // Limits count by the server's clock, which stands; waits are real.
    let mesh = TestMesh::own_still(|_| {}).await;
    let group = creates(&mesh, "teacher", None).await;
    let code = text(&group["joinCode"]);
    let right = u32::from_str_radix(&code, 16).expect("a code");
    let (over, slow) = (AtomicBool::new(false), AtomicU32::new(0));
    let flood = join_all((0..UNDER_WAY).map(async |first| {
        let mut n = first;
        while !over.load(Relaxed) {
            let guess = (right + 1 + n) % 0x0100_0000;
            if guesses(&mesh, guess).await >= Duration::from_secs(2) {
                slow.fetch_add(1, Relaxed);
            }
            n += UNDER_WAY;
        }
    }));
    let class = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let pupils = (0..PUPILS).map(async |n| {
            let client = TestMesh::at(&mesh.endpoint, &mesh.key);
            let mut longest = Duration::ZERO;
            for _ in 0..LOOK_UPS {
                let start = Instant::now();
                let found = finds(&client, &code).await;
                assert_eq!(found["id"], group["id"]);
                longest = longest.max(start.elapsed());
            }
            let node = json!({
                "groupId": group["id"], "domain": group["domain"], "nodeId": format!("pupil-{n}"),
            });
            client.calls("joinGroup", node).await.value();
            longest
        });
        let longest = join_all(pupils).await.into_iter().max();
        over.store(true, Relaxed);
        longest.expect("a class")
    };
    let (longest, _) = join(class, flood).await;
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let slow = slow.into_inner();
    assert!(slow >= 90, "100 at once, and the others wait: {slow}");
    assert!(metric(&mesh, "mesh_wrong_codes_total").await >= 200);
}

#[apply(case!)]
async fn a_wrong_code_beside_a_key_is_slowed_too_under_own() {
    use mesh_v2::auth::Policy;
    let mesh = TestMesh::own_still(|setup| setup.policy = Policy::Own).await;
    let there = json!({"groupId": "g", "domain": "0123456789abcdef"});
    let guess = async |n: u32| {
        let start = Instant::now();
        let client = mesh.with_code(&format!("{n:06x}"));
        let refused = client.calls("listNodesInGroup", there.clone()).await;
        refused.is_refused("GroupNotFound", "Group not found: g@0123456789abcdef");
        start.elapsed()
    };
    let took = join_all((0..130).map(guess)).await;
    let slow = took.iter().filter(|took| **took >= Duration::from_secs(2));
    assert!(slow.count() >= 30);
    assert_eq!(metric(&mesh, "mesh_wrong_codes_total").await, 130);
    // Without a code nothing waits, and the own network needs none.
    let start = Instant::now();
    let refused = mesh.calls("listNodesInGroup", there.clone()).await;
    assert_eq!(refused.error().0, "Unauthorized");
    mesh.with_code("000000")
        .calls("createDomain", json!({}))
        .await
        .value();
    assert!(start.elapsed() < Duration::from_secs(2));
}

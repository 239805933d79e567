//! Wrong keys are slowed by their address, counted, and warned of once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::metrics::metric;
use crate::support::program::{Server, folder};
use crate::support::{Reply, Socket, TestMesh};

/// Posts with a key, and how long the answer took.
async fn try_key(mesh: &TestMesh, key: &str) -> (Reply, Duration) {
    let start = Instant::now();
    let request = mesh.http().post(&mesh.endpoint).header("x-api-key", key);
    let reply = Reply::to(request.json(&json!({"query": "{ __typename }"}))).await;
    (reply, start.elapsed())
}

#[apply(case!)]
async fn wrong_keys_wait_for_their_answer_and_a_right_one_does_not() {
    // Limits count by the server's clock, which stands; waits are real.
    let mesh = TestMesh::own_still(|_| {}).await;
    let guesses = join_all((0..40).map(|_| try_key(&mesh, "da2-wrong"))).await;
    let waited = guesses
        .iter()
        .filter(|(_, took)| *took >= Duration::from_secs(1))
        .count();
    assert!(waited >= 25, "{waited} of 40 waited");
    for (reply, _) in &guesses {
        assert_eq!(reply.status, 401);
        let error = "You are not authorized to make this call.";
        reply.is_rejected(401, "UnauthorizedException", error);
    }
    let (guess, right) = tokio::join!(try_key(&mesh, "da2-wrong"), try_key(&mesh, &mesh.key));
    right.0.value();
    assert!(right.1 < guess.1, "{:?} and {:?}", right.1, guess.1);
    assert_eq!(metric(&mesh, "mesh_wrong_keys_total").await, 41);
    let mut socket = Socket::connect(&mesh, "/graphql/realtime", Some("da2-wrong")).await;
    let start = Instant::now();
    socket.sends(&json!({"type": "connection_init"})).await;
    assert_eq!(socket.receives_any().await["type"], "connection_error");
    assert_eq!(socket.is_closed().await, 4401);
    assert!(start.elapsed() >= Duration::from_millis(900));
    assert_eq!(metric(&mesh, "mesh_wrong_keys_total").await, 42);
}

#[apply(case!)]
async fn the_log_warns_once_and_names_neither_key_nor_address() {
    let folder = folder();
    let settings = [
        ("MESH_STORE", "memory"),
        ("MESH_RATE_LIMITS", "on"),
        ("MESH_WRONG_KEY_WAIT_MS", "10"),
    ];
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh("da2-mesh-development");
    for n in 0..30 {
        let key = format!("da2-guess-{n}");
        assert_eq!(try_key(&mesh, &key).await.0.status, 401);
    }
    let log = server.log();
    let warnings = log.matches("none of this server's").count();
    assert_eq!(warnings, 1, "{log}");
    let warning = log
        .lines()
        .find(|line| line.contains("none of this server's"));
    let warning = warning.expect("a warning");
    assert!(
        !warning.contains("guess-") && !warning.contains("127.0.0.1"),
        "{warning}"
    );
}

//! Erasing what has ended (decision D29): names, keys and values are gone from every file.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use super::{KEY, again, settings};
use crate::support::clients::event;
use crate::support::program::{Server, folder, size_of};
use crate::support::{Group, TestMesh};

/// `MESH_ERASE_AFTER`, and what a busy machine may add.
const ERASED: Duration = Duration::from_secs(2 + 2);

fn starts(place: &Path, data: &Path) -> Server {
    let mut settings = settings(data);
    settings.push(("MESH_ERASE_AFTER", "2"));
    settings.push(("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", "1"));
    settings.push(("MESH_HOST_HEARTBEAT_TTL_SECONDS", "4"));
    settings.push(("MESH_START_HOLD_MILLISECONDS", "0"));
    Server::start(place, &settings)
}

/// The words of a group that must vanish with it.
fn words(group: &str) -> [String; 5] {
    ["name", "node", "key", "value", "event"].map(|what| format!("{group}-{what}-ぬ\"x\\"))
}

/// The words that are in a file of the folder, raw or in JSON.
fn found(data: &Path, words: &[String]) -> Vec<String> {
    let files = std::fs::read_dir(data).expect("a folder");
    // A journal that is renamed meanwhile is read under its new name.
    let files = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
    let text: Vec<String> = files
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let escaped = |word: &String| {
        let json = serde_json::to_string(word).expect("a text");
        json[1..json.len() - 1].to_owned()
    };
    let stands = |word: &&String| {
        text.iter()
            .any(|text| text.contains(*word) || text.contains(&escaped(word)))
    };
    words.iter().filter(stands).cloned().collect()
}

async fn lives<'a>(mesh: &'a TestMesh, name: &str, seconds: u32) -> Group<'a> {
    let [named, node, key, value, fired] = words(name);
    let host = mesh.host(name);
    let created = json!({"useWebSocket": false, "maxConnectionTimeSeconds": seconds});
    let group = host.group(&host.calls_create_group(&named, created).await);
    let node = group.node(&node);
    node.calls("joinGroup", json!({})).await.value();
    node.reports([(&*key, &*value)]).await;
    let events = json!({"events": [event(&fired, json!({"payload": value}))]});
    node.calls("recordEventsByNode", events).await.value();
    group
}

/// Waits until none of the words is in the folder; the keeper lives on meanwhile.
async fn are_erased(data: &Path, words: &[String], keeper: &Group<'_>, since: Instant) {
    loop {
        let left = found(data, words);
        if left.is_empty() {
            return;
        }
        assert!(
            since.elapsed() < ERASED,
            "after {:?}: {left:?}",
            since.elapsed()
        );
        keeper.renews().await.value();
        sleep(Duration::from_millis(100)).await;
    }
}

async fn content(group: &Group<'_>) -> String {
    format!(
        "{:?} {:?} {:?}",
        group.members().await,
        group.statuses().await,
        group.events_since("").await
    )
}

#[apply(case!)]
async fn nothing_of_an_ended_group_stays_in_the_folder() {
    let place = folder();
    let data = place.path().join("data");
    let server = starts(place.path(), &data);
    let mesh = server.mesh(KEY);
    let keeper = lives(&mesh, "keeper", 300).await;
    let kept = content(&keeper).await;
    // Dissolved.
    let group = lives(&mesh, "dissolved", 300).await;
    assert_eq!(found(&data, &words("dissolved")).len(), 5);
    group.dissolves().await.value();
    are_erased(&data, &words("dissolved"), &keeper, Instant::now()).await;
    // At its time limit, and without a host.
    for (name, seconds) in [("expired", 1), ("silent", 300)] {
        let group = lives(&mesh, name, seconds).await;
        let mut subscriber = group.subscribe().await;
        // Until the reaper ends it.
        let mut renewed = tokio::time::interval(Duration::from_millis(500));
        let mut ended = Box::pin(subscriber.dissolution());
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = renewed.tick() => drop(keeper.renews().await.value()),
            }
        }
        are_erased(&data, &words(name), &keeper, Instant::now()).await;
    }
    assert_eq!(content(&keeper).await, kept);
    assert_eq!(found(&data, &words("keeper")).len(), 5);
    server.gets_killed();
    // Of a server that ended before it could: the next start does it.
    for kills in [true, false] {
        let name = if kills { "killed" } else { "stopped" };
        let mut server = starts(place.path(), &data);
        let mesh = server.mesh(KEY);
        let group = lives(&mesh, name, 300).await;
        group.dissolves().await.value();
        if kills {
            server.gets_killed();
        } else {
            server.is_terminated();
            assert_eq!(server.ends(), Some(0));
        }
        let server = starts(place.path(), &data);
        let mesh = server.mesh(KEY);
        let keeper = lives(&mesh, &format!("{name} keeper"), 300).await;
        are_erased(&data, &words(name), &keeper, Instant::now()).await;
    }
}

#[apply(case!)]
async fn the_folder_shrinks_after_a_flood() {
    let place = folder();
    let data = place.path().join("data");
    let server = starts(place.path(), &data);
    let mesh = server.mesh(KEY);
    let value = "x".repeat(60_000);
    let groups = join_all((0..8).map(|number| {
        let (mesh, value) = (&mesh, &value);
        async move {
            let group = mesh.host(&format!("host {number}")).creates("flood").await;
            for node in 0..60 {
                let member = group.join(&format!("node {number}.{node}")).await;
                member.reports([("k", value)]).await;
                if node % 3 == 0 {
                    group.renews().await.value();
                }
            }
            group
        }
    }))
    .await;
    let flooded = size_of(&data);
    assert!(flooded > 25_000_000, "{flooded} bytes");
    for group in &groups {
        group.dissolves().await.value();
    }
    let keeper = lives(&mesh, "keeper", 300).await;
    let ended = Instant::now();
    while size_of(&data) > 10_000 {
        assert!(ended.elapsed() < ERASED, "{} bytes", size_of(&data));
        keeper.renews().await.value();
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(again(&keeper, &mesh).members().await.len(), 1);
}

#[cfg(unix)]
#[apply(case!)]
async fn only_the_servers_user_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = folder();
    let data = place.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).expect("rights");
    let _server = starts(place.path(), &data);
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&data), 0o700);
    for file in std::fs::read_dir(&data).expect("a folder") {
        assert_eq!(mode(&file.expect("a file").path()), 0o600);
    }
}

//! Backups of a running server, and what the commands for a folder refuse.

use std::path::Path;
use std::time::Instant;

use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::sync::watch;

use super::kills::{Written, holds, nodes, writes};
use super::{KEY, again, settings};
use crate::support::program::{Server, folder, program, utf8};

const WRITERS: usize = 16;

/// Runs `mesh-v2 store` with these words; returns whether it succeeded and what it said.
async fn store(place: &Path, words: &[&str], data: &Path) -> (bool, String) {
    let mut command = program(place);
    command.arg("store").args(words).arg("--data").arg(data);
    let output = tokio::task::spawn_blocking(move || command.output().expect("the program runs"));
    let output = output.await.expect("no panic");
    let said = utf8(&output.stdout) + &utf8(&output.stderr);
    (output.status.success(), said)
}

/// What had been answered at a moment, and all that was requested in the end.
fn at(written: &[Written], moment: Instant) -> Vec<Written> {
    let then = |written: &Written| {
        let answered = written.answered_at.partition_point(|at| *at <= moment) as u64;
        Written {
            reports_answered: answered,
            records_answered: answered,
            ..written.clone()
        }
    };
    written.iter().map(then).collect()
}

#[apply(case!)]
async fn a_backup_under_load_has_what_was_answered_before() {
    let place = folder();
    let (data, other) = (place.path().join("data"), place.path().join("other"));
    let (backup, copy) = (place.path().join("backup"), place.path().join("copy"));
    let server = Server::start(place.path(), &settings(&data));
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates_polling("class").await;
    let nodes = nodes(&group, WRITERS);
    for node in &nodes {
        node.calls("joinGroup", json!({})).await.value();
    }
    // The journal is rewritten meanwhile.
    let padding = "x".repeat(20_000);
    let (answers, mut progress) = watch::channel(0);
    let write = join_all(
        nodes
            .iter()
            .map(|node| writes(&group, node, &answers, &padding)),
    );
    let commands = async {
        let waited = progress.wait_for(|answers| *answers >= 300).await;
        drop(waited.expect("the writers write"));
        let begun = Instant::now();
        let file = backup.to_str().expect("text");
        let (success, said) = store(place.path(), &["backup", file], &data).await;
        assert!(success, "{said}");
        let (success, said) = store(place.path(), &["backup", file], &data).await;
        assert!(!success, "a file is overwritten: {said}");
        // A copied folder opens as well.
        let copied = Instant::now();
        std::fs::create_dir(&copy).expect("a folder");
        for name in ["mesh.journal", "mesh.lock"] {
            std::fs::copy(data.join(name), copy.join(name)).expect("a copy");
        }
        for words in [&["restore", file][..], &["repair"]] {
            let (success, said) = store(place.path(), words, &data).await;
            assert!(
                !success && said.contains("another mesh-v2 uses this data folder"),
                "{said}"
            );
        }
        let waited = progress.wait_for(|answers| *answers >= 600).await;
        drop(waited.expect("the writers write"));
        server.gets_killed();
        (begun, copied)
    };
    let (written, (begun, copied)) = join(write, commands).await;
    let file = backup.to_str().expect("text");
    let (success, said) = store(place.path(), &["restore", file], &other).await;
    assert!(success, "{said}");
    for (data, moment) in [(&other, begun), (&copy, copied)] {
        let server = Server::start(place.path(), &settings(data));
        let mesh = server.mesh(KEY);
        holds(&again(&group, &mesh), &at(&written, moment)).await;
    }
    let (success, said) = store(place.path(), &["restore", file], &other).await;
    assert!(!success && said.contains("has a journal already"), "{said}");
}

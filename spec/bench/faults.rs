//! Faults of the network, a server that dies, and an interrupted run.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::{KEY, bench, fails, report, server, succeeds};
use crate::support::Group;
use crate::support::fault_proxy::{Fault, fault_proxy};
use crate::support::json::text;
use crate::support::program::{Server, folder, program, utf8};

#[apply(case!)]
fn every_fault_is_detected() {
    let (_folder, server) = server();
    let faults = [
        (Fault::Loses, "lost"),
        (Fault::Repeats, "duplicated"),
        (Fault::Delays, "reordered"),
        (Fault::Misroutes, "misrouted"),
    ];
    // Side by side: each waits for a message that does not come.
    std::thread::scope(|all| {
        for (fault, count) in faults {
            let server = &server;
            all.spawn(move || detects(server, fault, count));
        }
    });
}

fn detects(server: &Server, fault: Fault, count: &str) {
    let folder = folder();
    let endpoint = fault_proxy(&server.endpoint, fault, 5);
    let options = "--groups 1 --subscribers 2 --rate 50 --mix reports --patience 3";
    let output = bench(folder.path(), &endpoint, options);
    fails(&output, &format!("1 messages were {count}"));
    let report = report(folder.path());
    assert_eq!(report["checked"][count], 1, "{report}");
    let page = fs::read_to_string(folder.path().join("r.html")).expect("a page");
    assert!(
        page.contains(&format!("1 messages were {count}")),
        "{fault:?}"
    );
}

/// Starts the tool for a long run and waits until it measures.
fn long_run(folder: &Path, server: &Server) -> std::process::Child {
    let mut command = program(folder);
    command.args(["bench", "--endpoint", &server.endpoint, "--seconds", "200"]);
    command.args([
        "--groups",
        "1",
        "--subscribers",
        "3",
        "--warm-up",
        "0",
        "--patience",
        "1",
    ]);
    let started = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.expect("the program starts");
    let mut lines = BufReader::new(child.stderr.as_mut().expect("its output")).lines();
    while !lines
        .next()
        .expect("a line")
        .expect("text")
        .starts_with("measuring")
    {}
    child
}

#[apply(case!)]
fn a_server_that_dies_ends_the_run() {
    let (folder, server) = server();
    let run = long_run(folder.path(), &server);
    server.gets_killed();
    let output = run.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(1));
    assert!(utf8(&output.stdout).contains("ended early"));
    assert!(utf8(&output.stderr).contains("3 subscriptions were cut"));
}

#[apply(case!)]
async fn an_interrupted_run_still_reports() {
    let (folder, server) = server();
    let run = long_run(folder.path(), &server);
    // The report needs figures: two messages that were sent after it began to measure.
    let mesh = server.mesh(KEY);
    let search = json!({"namePrefix": "bench "});
    let record = mesh.calls("searchGroupsByNamePrefix", search).await.value()[0].clone();
    let group = Group {
        mesh: &mesh,
        id: text(&record["id"]),
        domain: text(&record["domain"]),
        host: text(&record["hostId"]),
        record,
    };
    let mut subscriber = group.subscribe().await;
    subscriber.message().await;
    subscriber.message().await;
    let killed = std::process::Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let output = run.wait_with_output().expect("its end");
    succeeds(&output);
    assert!(
        utf8(&output.stdout).contains("ended early"),
        "{}",
        utf8(&output.stdout)
    );
}

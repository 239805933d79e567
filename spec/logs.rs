//! Lines that each log has: a start, a stop, a slow reader, an end that was torn off (docs/monitoring.md).

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;

use crate::support::program::{Server, folder, runs, utf8};
use crate::support::{Reply, Socket};

/// The lines of a log with this message.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["fields"]["message"] == message)
        .collect()
}

#[apply(case!)]
fn a_start_and_a_stop_are_logged_at_every_level_but_off() {
    let folder = folder();
    let checked = runs(
        folder.path(),
        &[
            "check",
            "--listen=127.0.0.1:0",
            "--log=error",
            "--rate-limits=off",
        ],
    );
    let checked = utf8(&checked.stdout);
    for (level, starts) in [("error", 1), ("warn", 1), ("trace", 1), ("off", 0)] {
        let mut server = Server::start(folder.path(), &[("MESH_LOG", level)]);
        server.is_terminated();
        assert_eq!(server.ends(), Some(0));
        let log = server.log();
        let (start, stop) = (lines(&log, "starting"), lines(&log, "stopped"));
        assert_eq!([start.len(), stop.len()], [starts; 2], "{level}: {log}");
        for line in start.iter().chain(&stop) {
            assert_eq!(line["fields"]["version"], env!("CARGO_PKG_VERSION"));
            assert_eq!(line["fields"]["settings"], start[0]["fields"]["settings"]);
        }
        if level == "error" {
            let settings = start[0]["fields"]["settings"].as_str().expect("a text");
            assert!(
                checked.contains(&format!("in the log of a server: {settings}\n")),
                "{checked}"
            );
        }
    }
}

#[apply(case!)]
fn equal_settings_have_one_fingerprint_and_others_another() {
    let folder = folder();
    let fingerprint = |arguments: &[&str]| {
        let checked = utf8(&runs(folder.path(), &[&["check"], arguments].concat()).stdout);
        let mut lines = checked.lines();
        let line = lines
            .find_map(|line| line.strip_prefix("# fingerprint"))
            .map(str::to_owned);
        line.expect("a fingerprint")
    };
    assert_eq!(fingerprint(&[]), fingerprint(&["--listen=4000"]));
    assert_ne!(fingerprint(&[]), fingerprint(&["--max-groups=7"]));
    let key = |key| fingerprint(&[key]);
    assert_eq!(
        key("--api-keys=da2-one"),
        key("--api-keys=da2-other"),
        "no secret counts"
    );
}

#[apply(case!)]
fn a_torn_end_of_the_journal_is_one_line() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[]);
    server.is_terminated();
    server.ends();
    let journal = folder.path().join("data/mesh.journal");
    let mut journal = OpenOptions::new()
        .append(true)
        .open(journal)
        .expect("the journal");
    journal.write_all(b"0 torn").expect("an end");
    let server = Server::start(folder.path(), &[("MESH_LOG", "warn")]);
    let log = server.log();
    assert_eq!(log.matches("dropped the end of").count(), 1, "{log}");
}

#[apply(case!)]
async fn lines_of_a_request_have_its_id_and_a_place_instead_of_its_path() {
    let folder = folder();
    let settings = [("MESH_LOG", "debug"), ("MESH_STORE", "memory")];
    let server = Server::start(folder.path(), &settings);
    let mesh = server.mesh("da2-mesh-development");
    let id = "3fa2b1c4-0000-4000-8000-0123456789ab";
    let get = |path: &str| {
        let request = mesh.http().get(format!("{}/{path}", mesh.origin()));
        request.header("x-request-id", id)
    };
    Reply::to(get("readyz?kitten")).await;
    Reply::to(get("cloud/3fa2b1")).await;
    let mut socket = Socket::connect(&mesh, "/graphql/realtime", Some(&mesh.key)).await;
    socket.is_acknowledged().await;
    let group = mesh.host("teacher").creates("class").await;
    socket.subscribes("kitten", &group.id, &group.domain).await;
    group.join("cat").await.fires(["meow"]).await;
    socket.receives().await;
    let log = server.log();
    let spans: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| line["spans"].as_array().cloned())
        .flatten()
        .collect();
    let request = |place: &str| {
        let is_it = |span: &&Value| span["id"] == id && span["path"] == place;
        assert!(spans.iter().any(|span| is_it(&span)), "{place} in {log}");
    };
    request("/readyz");
    request("/cloud");
    let has = |name: &str| spans.iter().any(|span| span["name"] == name);
    assert!(has("socket") && has("operation"), "{log}");
    assert_eq!(lines(&log, "a subscription begins").len(), 1);
    for private in ["3fa2b1\"", "kitten", "meow", "teacher"] {
        assert!(!log.contains(private), "{private} in {log}");
    }
}

#[apply(case!)]
async fn a_request_may_choose_its_id_which_is_a_uuid() {
    let folder = folder();
    let server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    let mesh = server.mesh("da2-mesh-development");
    let id = "3fa2b1c4-0000-4000-8000-0123456789ab";
    let send = |chosen: Option<&str>| {
        let request = mesh
            .http()
            .post(&mesh.endpoint)
            .body(r#"{"query":"{__typename}"}"#);
        let request = request.header("content-type", "application/json");
        let request = request.header("x-api-key", &mesh.key);
        Reply::to(match chosen {
            Some(chosen) => request.header("x-request-id", chosen),
            None => request,
        })
    };
    let reply = send(Some(id)).await;
    assert_eq!(reply.header("x-request-id"), id);
    assert_eq!(reply.header("x-amzn-requestid"), id);
    for chosen in [None, Some("kitten"), Some(""), Some(&*"7".repeat(4000))] {
        let reply = send(chosen).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-request-id"), "", "no UUID is chosen");
        assert_eq!(reply.header("x-amzn-requestid").len(), 36);
    }
}

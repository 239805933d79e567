//! Lines that each log has: a start, a stop, a slow reader, an end that was torn off (docs/monitoring.md).

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;

use crate::support::program::{Server, folder, runs, utf8};

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

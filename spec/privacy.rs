//! What a lesson was about is in no log, metric, error text, or file of the store after its end.

mod lesson;
mod marks;
mod refusals;
#[cfg(feature = "otel")]
mod traces;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use self::marks::{API_KEY, CLASS, HOST_TOKEN, KEPT, STRANGER, VALUE, WRONG_KEY, found, found_in};
use crate::join_codes::{creates, finds};
use crate::support::json::text;
use crate::support::program::{Server, folder};
use crate::support::{Group, Reply, TestMesh};

/// The silent host's time, its tombstone's, `MESH_ERASE_AFTER`, and what a busy machine may add.
const ERASED: Duration = Duration::from_secs(5 + 6 + 2 + 6);
/// The lowest level, for parts of libraries by name too.
const LOG: &str = "trace,tungstenite::protocol=trace,tokio_tungstenite::compat=trace";

fn settings(data: &Path) -> [(&'static str, &str); 11] {
    [
        ("MESH_API_KEYS", API_KEY),
        ("MESH_DATA", data.to_str().expect("a path of text")),
        ("MESH_LOG", LOG),
        ("MESH_RATE_LIMITS", "on"),
        ("MESH_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("MESH_ERASE_AFTER", "2"),
        ("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", "1"),
        ("MESH_HOST_HEARTBEAT_TTL_SECONDS", "5"),
        ("MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS", "2"),
        ("MESH_MEMBER_HEARTBEAT_TTL_SECONDS", "6"),
        ("MESH_WRONG_KEY_WAIT_MS", "10"),
    ]
}

/// The server for a class behind a proxy.
fn class(server: &Server) -> TestMesh {
    let mut mesh = server.mesh(API_KEY).client_at(CLASS);
    mesh.domain = marks::DOMAIN.into();
    mesh
}

async fn metrics(mesh: &TestMesh) -> String {
    let request = mesh.http().get(format!("{}/metrics", mesh.origin()));
    let request = request.header("x-forwarded-for", CLASS);
    let shown = Reply::to(request.header("x-api-key", API_KEY)).await;
    assert_eq!(shown.status, 200);
    shown.text
}

/// Waits until the groups ended, one by its host and one without, and their data is erased. The
/// domain and the id of the second are kept for its members for a while (decision D30).
async fn are_erased(data: &Path, group: &Group<'_>) {
    let ended = json!({"hostId": group.host, "hostToken": HOST_TOKEN});
    group.calls("dissolveGroup", ended).await.value();
    let since = Instant::now();
    loop {
        let left = found_in(data);
        if left.is_empty() {
            return;
        }
        assert!(since.elapsed() < ERASED, "still in the folder: {left:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[apply(case!)]
fn a_mark_is_found_in_every_form_of_a_log() {
    for form in marks::forms(VALUE) {
        assert_eq!(found(&format!("{{\"payload\":\"..{form}..\"}}")), [VALUE]);
    }
    let header =
        data_encoding::BASE64.encode(format!("{{\"x-api-key\":\"{API_KEY}\"}}").as_bytes());
    assert_eq!(found(&header), [API_KEY]);
    assert!(found("createGroup").is_empty());
}

#[apply(case!)]
async fn a_lesson_leaves_no_word_of_it_behind() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut server = Server::start(folder.path(), &settings(&data));
    let mesh = class(&server);
    let stranger = server.mesh(WRONG_KEY).client_at(STRANGER);
    let group = Box::pin(lesson::on_websockets(&mesh)).await;
    let polling = lesson::on_polling(&mesh).await;
    let stored = found_in(&data);
    assert_eq!(
        stored, KEPT,
        "the store has the lesson alone, without keys, tokens and addresses"
    );
    let mut refusals = refusals::client_errors(&group, &polling).await;
    refusals.extend(Box::pin(refusals::wrong_callers(&mesh, &stranger)).await);
    let mut wrong = Vec::new();
    for refusal in &refusals {
        let marks = found(&refusal.text);
        if marks != refusal.repeats {
            wrong.push(format!("{}: {marks:?} in {}", refusal.what, refusal.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown = metrics(&mesh).await;
    assert!(shown.contains("mesh_wrong_keys_total 3"), "{shown}");
    assert!(found(&shown).is_empty(), "{:?} in {shown}", found(&shown));
    are_erased(&data, &group).await;
    server.is_terminated();
    assert_eq!(server.ends(), Some(0));
    assert!(found_in(&data).is_empty(), "{:?}", found_in(&data));
    is_clean(&server);
    let log = server.log();
    for logged in [
        "\"DEBUG\"",
        &group.id,
        "createGroup",
        "an address sent a key",
    ] {
        assert!(log.contains(logged), "the log is whole: {logged}");
    }
}

/// Checks all that the program printed.
#[track_caller]
fn is_clean(server: &Server) {
    let printed = format!("{}{}", server.greeting, server.log());
    let lines = printed.lines().filter(|line| !found(line).is_empty());
    let lines: Vec<_> = lines.take(5).map(|line| (found(line), line)).collect();
    assert!(lines.is_empty(), "{lines:#?}");
}

#[apply(case!)]
async fn a_full_disk_names_nothing_of_the_call_that_fails() {
    let folder = folder();
    let data = folder.path().join("data");
    // Files may not grow past 1 MB, the log neither: what is logged of failures is of `info`.
    let script = format!(
        "trap '' XFSZ; ulimit -S -f 2048; exec '{}' --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_mesh-v2")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(folder.path());
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).envs(settings(&data));
    let limits = [("MESH_LOG", "info"), ("MESH_RATE_LIMITS", "off")];
    command.envs(limits);
    let server = Server::run(folder.path(), command);
    let mesh = class(&server);
    let group = mesh.host(marks::HOST).creates(marks::NAME).await;
    let value = VALUE.repeat(4000);
    let data = json!({"data": [{"key": marks::KEY, "value": value}]});
    for number in 0..100 {
        let node = group.node(&format!("{}{number}", marks::NODE));
        let reply = node.calls("reportDataByNode", data.clone()).await;
        if reply.json.get("errors").is_some() {
            assert_eq!(reply.error().0, "InternalFailure");
            assert!(found(&reply.text).is_empty(), "{}", reply.text);
            is_clean(&server);
            let (log, id) = (server.log(), reply.header("x-amzn-requestid"));
            let mut lines = log.lines().filter(|line| line.contains("a request failed"));
            assert!(lines.any(|line| line.contains(id)), "{id} in {log}");
            return;
        }
    }
    panic!("the disk is never full");
}

/// Whether a text has a join code as a word of its own; ids have none of six digits.
fn has_code(text: &str, code: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case(code))
}

#[apply(case!)]
async fn a_join_code_is_in_no_log_and_is_gone_with_its_group() {
    let folder = folder();
    let data = folder.path().join("data");
    let mut server = Server::start(folder.path(), &settings(&data));
    let mesh = class(&server);
    let group = creates(&mesh, marks::HOST, Some(true)).await;
    let code = text(&group["joinCode"]);
    let journal = || {
        let files = std::fs::read_dir(&data).expect("a folder");
        let files = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
        files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let is_kept = || journal().any(|file| has_code(&file, &code));
    assert!(is_kept(), "a restart keeps the code");
    assert_eq!(finds(&mesh, &code.to_uppercase()).await["id"], group["id"]);
    let call = json!({"groupId": group["id"], "domain": group["domain"]});
    let pupil = mesh.with_code(&code);
    pupil.calls("listNodesInGroup", call).await.value();
    let refused = mesh.calls("groupByJoinCode", json!({"code": format!("{code}0")}));
    assert!(!refused.await.text.contains(&code));
    let end = json!({
        "groupId": group["id"], "domain": group["domain"], "hostId": group["hostId"],
    });
    mesh.calls("dissolveGroup", end).await.value();
    let since = Instant::now();
    while is_kept() {
        assert!(since.elapsed() < ERASED, "the code is still in the folder");
        sleep(Duration::from_millis(100)).await;
    }
    let shown = metrics(&mesh).await;
    server.is_terminated();
    assert_eq!(server.ends(), Some(0));
    for printed in [shown, server.greeting.clone(), server.log()] {
        let lines: Vec<_> = printed
            .lines()
            .filter(|line| has_code(line, &code))
            .collect();
        assert!(lines.is_empty(), "{code} in {lines:#?}");
    }
}

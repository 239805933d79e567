//! The file of named keys and the certificate, which are read again while the server runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mesh_v2::model::time::Timestamp;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::event_stream::{self, EventStream};
use crate::support::mesh::TIMEOUT;
use crate::support::program::{Server, folder, program, runs, utf8};
use crate::support::{Reply, Socket, TestMesh, documents, trust};

const UNNAMED: &str = "da2-of-every-client";
const TEACHER: &str = "da2-of-the-teachers";
const OPERATOR: &str = "da2-of-the-operator";
const QUERY: &str = "{ __typename }";

/// Replaces a file at once, as an editor or `mv` does.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("a new file");
    fs::rename(new, path).expect("the new file in its place");
}

fn starts(folder: &Path, keys: &str) -> Server {
    fs::write(folder.join("keys"), keys).expect("a key file");
    let settings = [
        ("MESH_API_KEYS", UNNAMED),
        ("MESH_KEYS_FILE", "keys"),
        ("MESH_RELOAD_SECONDS", "1"),
        ("MESH_KEEP_ALIVE_SECONDS", "1"),
        ("MESH_STORE", "memory"),
    ];
    Server::start(folder, &settings)
}

async fn status(server: &Server, key: &str) -> u16 {
    let mesh = server.mesh(key);
    mesh.posts(&json!({"query": QUERY})).await.status
}

/// Waits for a line in the server's log.
async fn logs(server: &Server, line: &str) {
    let deadline = Instant::now() + TIMEOUT;
    while !server.log().contains(line) {
        assert!(Instant::now() < deadline, "{line} in {}", server.log());
        sleep(Duration::from_millis(20)).await;
    }
}

#[apply(case!)]
async fn keys_of_the_file_and_of_the_setting_open_and_others_do_not() {
    let folder = folder();
    let server = starts(
        folder.path(),
        &format!(
            "# who may call\nteachers teacher {TEACHER} 2999-12-31\n\
             old public da2-of-last-year 2020-03-31\n\
             desk operator sha256:{}\n",
            sha256(OPERATOR)
        ),
    );
    for (key, expected) in [
        (UNNAMED, 200),
        (TEACHER, 200),
        (OPERATOR, 200),
        ("da2-of-last-year", 401),
        (sha256(OPERATOR).as_str(), 401),
        ("", 401),
    ] {
        assert_eq!(status(&server, key).await, expected, "{key}");
    }
    let greeting = &server.greeting;
    assert!(greeting.contains("API key   as set"), "{greeting}");
}

#[apply(case!)]
async fn a_container_has_the_lines_of_the_file_as_a_variable() {
    let folder = folder();
    let lines = format!("# teachers\nteachers teacher {TEACHER}\n");
    let settings = [
        ("MESH_API_KEYS", UNNAMED),
        ("MESH_NAMED_KEYS", &lines),
        ("MESH_STORE", "memory"),
    ];
    let server = Server::start(folder.path(), &settings);
    for (key, expected) in [(UNNAMED, 200), (TEACHER, 200), (OPERATOR, 401)] {
        assert_eq!(status(&server, key).await, expected, "{key}");
    }
    let check = |lines: &str, more: &[&str]| {
        let mut check = program(folder.path());
        let check = check.arg("check").args(more).env("MESH_NAMED_KEYS", lines);
        let output = check.output().expect("the program runs");
        let text = utf8(&output.stdout) + &utf8(&output.stderr);
        (output.status.success(), text)
    };
    let (usable, text) = check(&lines, &["--listen=0"]);
    assert!(usable && !text.contains(TEACHER), "{text}");
    assert!(
        text.contains("# of MESH_NAMED_KEYS: teachers, teacher"),
        "{text}"
    );
    let (usable, text) = check("teachers\n", &[]);
    assert!(
        !usable && text.contains("MESH_NAMED_KEYS, line 1"),
        "{text}"
    );
    let (usable, text) = check(&lines, &["--keys=keys"]);
    assert!(!usable && text.contains("--keys"), "{text}");
}

#[apply(case!)]
async fn a_teacher_chooses_the_host_ttl_and_a_long_life() {
    let folder = folder();
    let keys = format!("teachers teacher {TEACHER}\ndesk operator {OPERATOR}\n");
    let server = starts(folder.path(), &keys);
    let lesson = json!({"hostTtlSeconds": 300, "maxConnectionTimeSeconds": 6000});
    for (key, host) in [(TEACHER, "one"), (OPERATOR, "two")] {
        let mesh = server.mesh(key);
        let host = mesh.host(host);
        let created = host.calls_create_group("class", lesson.clone()).await;
        let created = created.value();
        assert_eq!(created["heartbeatIntervalSeconds"], 15);
        for (asked, message) in [
            (
                json!({"hostTtlSeconds": 9}),
                "hostTtlSeconds must be from 10 to 600",
            ),
            (
                json!({"hostTtlSeconds": 601}),
                "hostTtlSeconds must be from 10 to 600",
            ),
            (
                json!({"maxConnectionTimeSeconds": 6001}),
                "maxConnectionTimeSeconds cannot exceed 6000",
            ),
        ] {
            let refused = mesh.host("more").calls_create_group("class", asked).await;
            refused.is_refused("ValidationError", message);
        }
    }
    let mesh = server.mesh(UNNAMED);
    let pupil = mesh.host("three");
    let refused = pupil.calls_create_group("class", lesson).await;
    assert_eq!(refused.error().0, "ValidationError");
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(text);
    data_encoding::HEXLOWER.encode(&digest)
}

#[apply(case!)]
async fn a_changed_file_counts_and_a_broken_one_does_not() {
    let folder = folder();
    let file = folder.path().join("keys");
    let server = starts(folder.path(), &format!("teachers teacher {TEACHER}\n"));
    replace(&file, &format!("desk operator {OPERATOR}\n"));
    logs(&server, "1 keys (1 added, 1 removed)").await;
    assert_eq!(status(&server, TEACHER).await, 401);
    assert_eq!(status(&server, OPERATOR).await, 200);
    assert_eq!(status(&server, UNNAMED).await, 200);
    replace(
        &file,
        &format!("desk operator {OPERATOR}\n\n{TEACHER} teachers\n"),
    );
    logs(&server, "line 3: a name, a role and a key belong here").await;
    assert_eq!(status(&server, OPERATOR).await, 200);
    fs::remove_file(&file).expect("a file to remove");
    logs(&server, "cannot read the key file").await;
    assert_eq!(status(&server, OPERATOR).await, 200);
    let log = server.log();
    let complaints = log.matches("the former API keys stay valid").count();
    assert_eq!(complaints, 2, "one line for each fault: {log}");
    for key in [UNNAMED, TEACHER, OPERATOR] {
        assert!(!log.contains(key), "{log}");
    }
}

#[cfg(unix)]
#[apply(case!)]
async fn a_hangup_has_the_file_read_at_once() {
    let folder = folder();
    fs::write(folder.path().join("keys"), "").expect("an empty key file");
    let settings = [
        ("MESH_KEYS_FILE", "keys"),
        ("MESH_RELOAD_SECONDS", "3600"),
        ("MESH_STORE", "memory"),
    ];
    let server = Server::start(folder.path(), &settings);
    assert_eq!(
        status(&server, "da2-mesh-development").await,
        401,
        "with a key file, the development key opens nothing"
    );
    replace(
        &folder.path().join("keys"),
        &format!("desk operator {OPERATOR}\n"),
    );
    server.receives_signal("-HUP");
    logs(&server, "1 keys (1 added, 0 removed)").await;
    assert_eq!(status(&server, OPERATOR).await, 200);
}

/// A socket whose key is about to be removed.
async fn opens(mesh: &TestMesh) -> Socket {
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    socket
}

#[apply(case!)]
async fn a_removed_key_closes_its_sockets_and_no_others() {
    let folder = folder();
    let server = starts(folder.path(), &format!("teachers teacher {TEACHER}\n"));
    let (teacher, pupil) = (server.mesh(TEACHER), server.mesh(UNNAMED));
    let group = pupil.host("teacher").creates("class").await;
    let mut idle = opens(&teacher).await;
    let mut transport = Socket::transport(&teacher).await;
    let mut subscriber = group.subscribe().await;
    let document = documents::of("onMessageInGroup");
    let request = event_stream::request(&teacher, &document, &group.and(json!({})));
    let mut stream = EventStream::to(request).await;
    replace(&folder.path().join("keys"), "");
    assert_eq!(idle.is_closed().await, 4401);
    assert_eq!(transport.is_closed().await, 4401);
    let mut comment = None;
    while let Some(block) = stream.try_block().await.expect("no cut") {
        comment = block.comment;
    }
    assert_eq!(comment.as_deref(), Some("4401 Unauthorized"));
    group.hosting_node().fires(["on"]).await;
    assert_eq!(subscriber.events().await, ["on"]);
}

#[apply(case!)]
async fn a_key_closes_its_sockets_at_its_end() {
    let folder = folder();
    let seconds = std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs();
    let end = Timestamp::from_seconds(i64::try_from(seconds).expect("a time") + 4);
    let server = starts(folder.path(), &format!("guests public {TEACHER} {end}\n"));
    let mesh = server.mesh(TEACHER);
    let mut idle = opens(&mesh).await;
    assert_eq!(idle.is_closed().await, 4401);
    assert_eq!(status(&server, TEACHER).await, 401);
    assert_eq!(status(&server, UNNAMED).await, 200);
}

#[apply(case!)]
fn a_check_reads_the_file_and_prints_no_key() {
    let folder = folder();
    let check = |keys: &str, stage: &str| {
        fs::write(folder.path().join("keys"), keys).expect("a key file");
        let output = program(folder.path())
            .args(["check", "--stage", stage, "--keys", "keys"])
            .env("MESH_SECRET_KEY", "0123456789abcdef0123")
            .output()
            .expect("the program runs");
        (
            output.status.success(),
            utf8(&output.stdout) + &utf8(&output.stderr),
        )
    };
    let (usable, text) = check(&format!("desk teacher {TEACHER} 2999-12-31\n"), "prod");
    assert!(usable && !text.contains(TEACHER), "{text}");
    for line in [
        "MESH_KEYS_FILE=keys",
        "# of MESH_KEYS_FILE: desk, teacher, until 3000-01-01T00:00:00.000Z",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    for (keys, named) in [
        ("desk teacher da2-short\n", "line 1: in prod a key has"),
        ("desk teacher da2-mesh-development\n", "development key"),
        ("", "MESH_API_KEYS"),
        ("desk\n", "line 1"),
    ] {
        let (usable, text) = check(keys, "prod");
        assert!(!usable && text.contains(named), "{keys}: {text}");
    }
    let missing = runs(folder.path(), &["check", "--keys", "none"]);
    assert!(utf8(&missing.stderr).contains("none"));
    assert_eq!(missing.status.code(), Some(1));
}

/// Whether the server at `url` has a certificate that `ca` signed.
async fn is_served(url: &str, ca: &[u8]) -> bool {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(trust::only(ca))
        .no_proxy()
        .build()
        .expect("a client");
    let request = client.post(url).header("x-api-key", UNNAMED);
    let request = request.json(&json!({"query": QUERY}));
    match request.send().await {
        Ok(response) => response.status() == 200,
        Err(error) if error.is_connect() => false,
        Err(error) => panic!("{error}"),
    }
}

#[apply(case!)]
async fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
    let (folder, other) = (folder(), folder());
    let settings = [
        ("MESH_API_KEYS", UNNAMED),
        ("MESH_RELOAD_SECONDS", "1"),
        ("MESH_STORE", "memory"),
        ("MESH_TLS_LISTEN", "127.0.0.1:0"),
        ("MESH_TLS_SELF_SIGNED", "tls"),
    ];
    let server = Server::start(folder.path(), &settings);
    let mut words = server.greeting.split_whitespace();
    let url = words.find(|word| word.starts_with("https://"));
    let url = url.expect("an endpoint over TLS").to_owned();
    drop(Server::start(other.path(), &settings));
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join("tls").join(name));
    let ca = |folder| read(folder, "ca.pem").expect("a certificate to trust");
    let (first, second) = (ca(folder.path()), ca(other.path()));
    assert!(is_served(&url, first.as_bytes()).await);
    let put = |name: &str| {
        let text = read(other.path(), name).expect("a file of the other certificate");
        replace(&folder.path().join("tls").join(name), &text);
    };
    put("cert.pem");
    logs(&server, "the certificate and the key do not fit each other").await;
    assert!(is_served(&url, first.as_bytes()).await);
    put("key.pem");
    logs(&server, "the certificate was read again").await;
    assert!(is_served(&url, second.as_bytes()).await);
    assert!(!is_served(&url, first.as_bytes()).await);
    let get = trust::client(&server.endpoint).post(&server.endpoint);
    let get = get.header("x-api-key", UNNAMED);
    assert_eq!(
        Reply::to(get.json(&json!({"query": QUERY}))).await.status,
        200
    );
}

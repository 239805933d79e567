//! What the program says of settings that cannot work, before and while it starts.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Instant;

#[cfg(feature = "dynamodb")]
use mesh_v2::store::dynamodb::table;
use serde_json::json;

use crate::support::mesh::TIMEOUT;
use crate::support::program::{folder, program, runs, utf8};
#[cfg(feature = "dynamodb")]
use crate::support::store::a_table;
use crate::support::{Reply, TestMesh};

#[apply(case!)]
fn a_misspelt_setting_is_warned_of_with_the_one_that_is_meant() {
    let folder = folder();
    let output = program(folder.path())
        .arg("check")
        .env("MESH_MAX_GROPS", "5")
        .output()
        .expect("the program runs");
    assert!(output.status.success());
    let warned = utf8(&output.stderr);
    assert!(
        warned.contains("MESH_MAX_GROPS is not a setting") && warned.contains("MESH_MAX_GROUPS"),
        "{warned}"
    );
}

#[apply(case!)]
fn a_check_tries_the_certificate_and_the_data_folder() {
    let folder = folder();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "no folder").expect("a file");
    let file = file.to_str().expect("a path of text");
    for (arguments, named) in [
        (
            &[
                "check",
                "--tls-listen=0",
                "--tls-cert=none.pem",
                "--tls-key=none.pem",
            ][..],
            "none.pem",
        ),
        (&["check", "--data", file], "a-file"),
        (
            &["check", "--tls-listen=0", "--tls-self-signed", file],
            "--tls-self-signed",
        ),
    ] {
        let output = runs(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let fault = utf8(&output.stderr);
        assert!(fault.contains(named), "{arguments:?}: {fault}");
    }
    let made = runs(
        folder.path(),
        &["check", "--tls-listen=0", "--tls-self-signed=certificates"],
    );
    assert!(made.status.success(), "{}", utf8(&made.stderr));
    for left in ["data", "certificates"] {
        let exists = folder.path().join(left).exists();
        assert!(!exists, "a check leaves {left} behind");
    }
}

#[cfg(feature = "dynamodb")]
#[apply(case!)]
async fn a_check_tries_the_table_and_says_what_to_do() {
    let (settings, client) = a_table().await;
    let endpoint = settings.endpoint.expect("the engine's address");
    let check = |endpoint: &str, table: &str| {
        let folder = folder();
        let arguments = ["check", "--store=dynamodb", "--table", table];
        let output = program(folder.path())
            .args(arguments)
            .env("DYNAMODB_ENDPOINT", endpoint)
            .output();
        let output = output.expect("the program runs");
        (output.status.success(), utf8(&output.stderr))
    };
    let (usable, faults) = check(&endpoint, &settings.table);
    assert!(usable, "{faults}");
    let (usable, faults) = check(&endpoint, "MeshV2Table-missing");
    assert!(
        !usable && faults.contains("`mesh-v2 table create`"),
        "{faults}"
    );
    let (usable, faults) = check("http://127.0.0.1:9", &settings.table);
    assert!(
        !usable && faults.contains("--dynamodb-endpoint"),
        "{faults}"
    );
    let made = table::show(&client, "MeshV2Table-missing").await;
    assert!(made.is_err(), "a check makes no table: {made:?}");
}

#[apply(case!)]
fn a_port_that_is_taken_is_named_with_the_flag_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = folder();
    let served = runs(
        folder.path(),
        &["serve", "--store=memory", "--listen", &port],
    );
    assert_eq!(served.status.code(), Some(1));
    let checked = runs(folder.path(), &["check", "--listen", &port]);
    assert!(checked.status.success(), "it may be this very server's");
    for output in [served, checked] {
        let hint = utf8(&output.stderr);
        assert!(
            hint.contains("another program uses it") && hint.contains("--listen"),
            "{hint}"
        );
    }
}

#[apply(case!)]
fn a_reader_that_closes_the_output_early_causes_no_panic() {
    for command in ["schema", "check"] {
        let folder = folder();
        let mut started = program(folder.path())
            .arg(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(started.stdout.take());
        let mut errors = String::new();
        let stderr = started.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut errors).expect("text");
        assert!(started.wait().expect("an end").success(), "{errors}");
        assert!(!errors.contains("panicked"), "{errors}");
    }
}

#[apply(case!)]
async fn a_refusal_says_what_to_do_next_beside_appsyncs_text() {
    let mesh = TestMesh::own(|_| {}).await;
    let query = json!({"query": "{ __typename }"});
    let request = || mesh.http().post(&mesh.endpoint);
    let without_key = Reply::to(request().json(&query)).await;
    assert_eq!(
        without_key.json["errors"][0]["hint"],
        "no API key: send the header x-api-key"
    );
    let without_type = request()
        .header("x-api-key", &mesh.key)
        .body(query.to_string());
    assert_eq!(
        Reply::to(without_type).await.json["errors"][0]["hint"],
        "send the header content-type: application/json"
    );
}

#[cfg(unix)]
#[apply(case!)]
fn a_server_whose_log_has_no_reader_stops_by_signal_all_the_same() {
    let folder = folder();
    let mut server = program(folder.path())
        .args(["--store=memory", "--listen=0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut greeting = BufReader::new(server.stdout.take().expect("piped")).lines();
    greeting.find(|line| line.as_ref().is_ok_and(|line| line.contains("API key")));
    drop(server.stderr.take());
    // What a terminal that closes sends, and then an operator.
    for signal in ["-HUP", "-HUP", "-TERM"] {
        let pid = server.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(sent.expect("kill runs").success());
    }
    let begun = Instant::now();
    let ended = loop {
        match server.try_wait().expect("a state") {
            Some(ended) => break ended,
            None if begun.elapsed() < TIMEOUT => std::thread::yield_now(),
            None => {
                server.kill().expect("a process");
                panic!("the server runs on");
            }
        }
    };
    assert_eq!(ended.code(), Some(0));
}

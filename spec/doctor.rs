//! The network check: each fault of a network is named, and nothing else is blamed.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use mesh_doctor::{DoctorArgs, Report, Way};
use mesh_v2::auth::Policy;
use serde_json::{Value, json};

use crate::support::faulty_network::{FILTER_PAGE, NetworkFault, faulty_network};
use crate::support::program::{Server, folder, program, runs, utf8};
use crate::support::{Setup, TestMesh};

const NO_UPGRADE: &str =
    "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BAD_REQUEST: &str =
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// An editor that browsers let reach a server on this machine, so that only the network counts.
const EDITOR: &str = "http://127.0.0.1:8601";
/// The development key of a server that is started as a program.
const KEY: &str = "da2-mesh-development";

#[derive(Parser)]
#[command(args_override_self = true)]
struct Command {
    #[command(flatten)]
    doctor: DoctorArgs,
}

async fn check(endpoint: &str, key: &str, more: &str) -> Report {
    let always = format!("doctor {endpoint} --api-key {key} --origin {EDITOR} --pause 0.1");
    let words = [&always, more]
        .into_iter()
        .flat_map(|part| part.split_whitespace());
    let command = Command::parse_from(words);
    mesh_doctor::check(&command.doctor).await.expect("a report")
}

/// What is found in a network with this fault.
async fn found(mesh: &TestMesh, fault: NetworkFault, more: &str) -> (Vec<&'static str>, Way) {
    let report = check(&faulty_network(&mesh.endpoint, fault), &mesh.key, more).await;
    (problems(&report), report.way)
}

/// The findings that are not as they should be. That the server is on this machine is no fault.
fn problems(report: &Report) -> Vec<&'static str> {
    let problems = report.problems();
    problems
        .into_iter()
        .filter(|id| *id != "secure-loopback")
        .collect()
}

#[apply(case!)]
async fn a_good_network_has_no_problem() {
    let mesh = TestMesh::own(|_| ()).await;
    let report = check(&mesh.endpoint, &mesh.key, "").await;
    assert_eq!(problems(&report), Vec::<&str>::new());
    assert_eq!(report.way, Way::Websocket);
    let ids: Vec<_> = report.findings.iter().map(|finding| finding.id).collect();
    let expected = [
        "dns-literal",
        "tcp-ok",
        "tls-none",
        "post-ok",
        "cors-ok",
        "group-ok",
        "ws-ok",
        "poll-ok",
        "sse-ok",
        "clock-ok",
        "domain-ok",
        "secure-loopback",
        "proxy-none",
    ];
    assert_eq!(ids, expected);
    // It leaves no group.
    let search = json!({"namePrefix": "doctor"});
    let left = mesh.calls("searchGroupsByNamePrefix", search).await;
    assert_eq!(left.value(), json!([]));
}

#[apply(case!)]
async fn it_checks_servers_of_each_policy() {
    for policy in [Policy::Own, Policy::Token] {
        let mesh = TestMesh::own(|setup: &mut Setup| setup.policy = policy).await;
        let report = check(&mesh.endpoint, &mesh.key, "").await;
        assert_eq!((problems(&report), report.way), (vec![], Way::Websocket));
    }
}

#[apply(case!)]
async fn a_refused_upgrade_is_named() {
    let mesh = TestMesh::own(|_| ()).await;
    for response in [NO_UPGRADE, BAD_REQUEST] {
        let found = found(&mesh, NetworkFault::AnswersUpgrades(response), "").await;
        assert_eq!(found, (vec!["ws-refused"], Way::Polling), "{response}");
    }
}

#[apply(case!)]
async fn a_filters_page_is_named() {
    let mesh = TestMesh::own(|_| ()).await;
    for (fault, expected) in [
        (
            NetworkFault::AnswersUpgrades(FILTER_PAGE),
            (vec!["ws-filter"], Way::Polling),
        ),
        (
            NetworkFault::AnswersRequests(FILTER_PAGE),
            (vec!["post-filter"], Way::None),
        ),
    ] {
        assert_eq!(found(&mesh, fault, "").await, expected);
    }
    let all = check(
        &faulty_network(&mesh.endpoint, NetworkFault::AnswersAll(FILTER_PAGE)),
        &mesh.key,
        "",
    )
    .await;
    assert_eq!(
        (problems(&all), all.way),
        (vec!["post-filter", "ws-filter"], Way::None)
    );
    let letter = all.letter(mesh_doctor::Lang::En);
    assert!(letter.contains("Blocked by policy"), "{letter}");
}

#[apply(case!)]
async fn swallowed_frames_are_named() {
    let mesh = TestMesh::own(|_| ()).await;
    let found = found(&mesh, NetworkFault::SwallowsFrames, "--wait 4").await;
    assert_eq!(found, (vec!["ws-swallowed"], Way::PollingByHand));
}

#[apply(case!)]
async fn a_buffered_stream_is_named() {
    let mesh = TestMesh::own(|_| ()).await;
    let late = Duration::from_millis(2500);
    let found = found(&mesh, NetworkFault::Buffers(late), "--wait 20 --slow 1.5").await;
    assert_eq!(
        found,
        (vec!["ws-buffered", "sse-buffered"], Way::PollingByHand)
    );
}

#[apply(case!)]
async fn an_event_stream_that_is_held_is_named() {
    let mesh = TestMesh::own(|_| ()).await;
    let found = found(&mesh, NetworkFault::HoldsStreams, "--wait 1").await;
    assert_eq!(found, (vec!["sse-silent"], Way::Websocket));
}

#[apply(case!)]
async fn a_cut_socket_is_named() {
    let mesh = TestMesh::own(|_| ()).await;
    let soon = Duration::from_secs(1);
    let found = found(&mesh, NetworkFault::CutsSockets(soon), "--pause 20").await;
    assert_eq!(found, (vec!["ws-cut"], Way::PollingByHand));
}

#[apply(case!)]
async fn a_clock_five_minutes_off_is_named() {
    let mesh = TestMesh::own_still(|_| ()).await;
    mesh.passes_seconds(300).await;
    let report = check(&mesh.endpoint, &mesh.key, "").await;
    assert_eq!(
        (problems(&report), report.way),
        (vec!["clock-behind"], Way::Websocket)
    );
    // Where no event arrives, the header Date has to do.
    let long_ago = "Tue, 01 Jan 2019 00:00:00 GMT";
    let wrong_key = found_with_wrong_key(&mesh, NetworkFault::WritesDate(long_ago)).await;
    assert_eq!(wrong_key, ["post-key", "clock-ahead"]);
}

async fn found_with_wrong_key(mesh: &TestMesh, fault: NetworkFault) -> Vec<&'static str> {
    problems(&check(&faulty_network(&mesh.endpoint, fault), "da2-wrong", "").await)
}

#[apply(case!)]
async fn dropped_permissions_are_named() {
    let mesh = TestMesh::own(|_| ()).await;
    let found = found(&mesh, NetworkFault::DropsHeaders("access-control"), "").await;
    assert_eq!(found, (vec!["cors-refused"], Way::None));
}

#[apply(case!)]
async fn a_wrong_key_and_a_dead_server_are_named() {
    let mesh = TestMesh::own(|_| ()).await;
    let report = check(&mesh.endpoint, "da2-wrong", "").await;
    assert_eq!(
        (problems(&report), report.way),
        (vec!["post-key"], Way::None)
    );
    let nobody = check("http://127.0.0.1:9/graphql", KEY, "").await;
    assert_eq!(
        (problems(&nobody), nobody.way),
        (vec!["tcp-refused"], Way::None)
    );
    let nowhere = check("http://no-such-name.invalid/graphql", KEY, "").await;
    assert_eq!(
        (problems(&nowhere), nowhere.way),
        (vec!["dns-failed"], Way::None)
    );
}

/// A server with a certificate of its own, and its address.
fn secure_server(folder: &Path) -> (Server, String) {
    let mut command = program(folder);
    command.args("--listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --store memory".split(' '));
    command.args(["--tls-self-signed", "tls"]);
    let server = Server::run(folder, command);
    let mut words = server.greeting.split_whitespace();
    let url = words
        .find(|word| word.starts_with("https://"))
        .expect("an address");
    let url = url.to_owned();
    (server, url)
}

#[apply(case!)]
async fn certificates_and_slow_tls_are_named() {
    let folder = folder();
    let (_server, url) = secure_server(folder.path());
    let ca = folder.path().join("tls/ca.pem");
    let trusted = format!("--ca {}", ca.display());
    let good = check(&url, KEY, &trusted).await;
    assert_eq!((problems(&good), good.way), (vec![], Way::Websocket));

    let slow = NetworkFault::SlowBeginnings(Duration::from_millis(1900));
    let slow = check(
        &faulty_network(&url, slow),
        KEY,
        &format!("{trusted} --slow 1.5"),
    )
    .await;
    assert_eq!(
        (problems(&slow), slow.way),
        (vec!["tls-slow"], Way::Websocket)
    );

    let stuck = NetworkFault::SlowBeginnings(Duration::from_mins(1));
    let stuck = check(
        &faulty_network(&url, stuck),
        KEY,
        &format!("{trusted} --wait 0.5"),
    )
    .await;
    assert_eq!(
        (problems(&stuck), stuck.way),
        (vec!["tls-timeout"], Way::None)
    );

    let mesh = TestMesh::own(|_| ()).await;
    let plain = mesh.endpoint.replace("http", "https");
    let plain = check(&plain, KEY, &trusted).await;
    assert_eq!(
        (problems(&plain), plain.way),
        (vec!["tls-broken"], Way::None)
    );
}

#[apply(case!)]
fn the_program_prints_a_result_json_and_a_letter() {
    let folder = folder();
    let server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    let doctor = |more: &str| {
        let all = format!("doctor {} --pause 0 {more}", server.endpoint);
        runs(folder.path(), &all.split_whitespace().collect::<Vec<_>>())
    };
    let output = doctor("--lang ja");
    assert_eq!(output.status.code(), Some(0), "{}", utf8(&output.stderr));
    let text = utf8(&output.stdout);
    assert!(
        text.contains("[良好] WebSocket") && text.contains("WebSocket でつながります"),
        "{text}"
    );

    let output = doctor("--json --api-key da2-wrong");
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["way"], "none");
    assert_eq!(report["findings"][3]["finding"], "post-key");
    assert!(!report.to_string().contains("da2-"), "{report}");

    let letter = utf8(&doctor("--letter").stdout);
    let host = "Host: 127.0.0.1, TCP port";
    assert!(
        letter.contains(host) && letter.contains("ネットワークご担当者様"),
        "{letter}"
    );

    let output = runs(folder.path(), &["doctor", "school.local"]);
    assert_eq!(output.status.code(), Some(1));
    let why = "school.local: an address begins with http:// or https://";
    assert!(
        utf8(&output.stderr).contains(why),
        "{}",
        utf8(&output.stderr)
    );
}

#[apply(case!)]
fn a_certificate_that_nothing_vouches_for_is_named() {
    let folder = folder();
    let (_server, url) = secure_server(folder.path());
    let output = runs(folder.path(), &["doctor", &url, "--json", "--lang", "en"]);
    assert_eq!(output.status.code(), Some(1), "{}", utf8(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let blocked = findings
        .iter()
        .filter(|finding| finding["state"] == "blocked");
    let blocked: Vec<_> = blocked.map(|finding| finding["finding"].clone()).collect();
    assert_eq!(blocked, ["tls-untrusted"]);
}

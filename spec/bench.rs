//! The load tool against real servers: its counts, its files and its error messages.

mod faults;
mod report;

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{Server, folder, program, runs, utf8};

const KEY: &str = "da2-mesh-development";

/// A server in memory and a folder to write to.
fn server() -> (TempDir, Server) {
    let folder = folder();
    let server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    (folder, server)
}

/// Runs the tool for a second, with more arguments.
fn bench(folder: &Path, endpoint: &str, more: &str) -> Output {
    let always = format!("bench --endpoint {endpoint} --seconds 1 --json r.json --html r.html");
    let mut all = format!("{always} {more}");
    // The whole patience passes only where a message is missing.
    for (option, value) in [("--warm-up", "0"), ("--patience", "60")] {
        if !more.contains(option) {
            all = format!("{all} {option} {value}");
        }
    }
    runs(folder, &all.split(' ').collect::<Vec<_>>())
}

fn report(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("r.json")).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
fn succeeds(output: &Output) {
    let (stdout, stderr) = (utf8(&output.stdout), utf8(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
}

#[track_caller]
fn fails(output: &Output, because: &str) {
    let (stdout, stderr) = (utf8(&output.stdout), utf8(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stdout}{stderr}");
    assert!(stderr.contains(because), "{because} in {stderr}");
}

#[apply(case!)]
async fn every_delivery_is_counted() {
    let (folder, server) = server();
    let options = "--groups 2 --subscribers 3 --publishers 2 --rate 40 --warm-up 1";
    let began = Instant::now();
    let output = bench(folder.path(), &server.endpoint, options);
    let took = began.elapsed();
    succeeds(&output);
    let report = report(folder.path());
    let checked = &report["checked"];
    let published = checked["published"].as_u64().expect("a count");
    // Two groups at 40 a second: no more than are due in all that time, the first of the
    // four publishers at once.
    let due = 4 + took.as_secs() * 80 + 80;
    assert!((1..=due).contains(&published), "{due}: {report}");
    assert_eq!(checked["deliveries_expected"], published * 3, "{report}");
    assert_eq!(checked["deliveries_received"], published * 3, "{report}");
    for fault in [
        "lost",
        "duplicated",
        "reordered",
        "misrouted",
        "strange",
        "refused",
        "cut",
    ] {
        assert_eq!(checked[fault], 0, "{fault}: {report}");
    }
    assert_eq!(report["problems"], json!([]));
    // Its groups are dissolved.
    let search = json!({"namePrefix": "bench "});
    let left = server
        .mesh(KEY)
        .calls("searchGroupsByNamePrefix", search)
        .await;
    assert_eq!(left.value(), json!([]));
}

#[apply(case!)]
fn pollers_receive_every_event() {
    let (folder, server) = server();
    let options = "--groups 2 --subscribers 1 --pollers 3 --poll-every 0.1 --mix reports,fires=2,records=3 --rate 60";
    succeeds(&bench(folder.path(), &server.endpoint, options));
    let report = report(folder.path());
    let expected = report["checked"]["polls_expected"]
        .as_u64()
        .expect("a count");
    assert!(expected > 0, "{report}");
    assert_eq!(report["checked"]["polls_received"], expected, "{report}");
    assert!(
        report["polled"]["latency_us"]["p50"].is_number(),
        "{report}"
    );
}

#[apply(case!)]
fn the_newer_protocols_are_measured_as_well() {
    let (folder, server) = server();
    for protocol in ["graphql-transport-ws", "sse"] {
        let options = format!("--groups 2 --subscribers 2 --protocol {protocol}");
        succeeds(&bench(folder.path(), &server.endpoint, &options));
        assert_eq!(report(folder.path())["settings"]["protocol"], protocol);
    }
}

#[apply(case!)]
fn a_stage_over_tls_is_measured_as_well() {
    let folder = folder();
    let mut command = program(folder.path());
    let plain =
        "--listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --store memory --tls-self-signed tls";
    command.args(plain.split(' '));
    let server = Server::run(folder.path(), command);
    let mut fields = server.greeting.split_whitespace();
    let secure = fields
        .find(|word| word.starts_with("https://"))
        .expect("an endpoint over TLS");
    let run = |trusted: &str| {
        let mut command = program(folder.path());
        command.env("SSL_CERT_FILE", folder.path().join(trusted));
        let options =
            format!("bench --endpoint {secure} --groups 1 --subscribers 2 --seconds 1 --warm-up 0");
        command
            .args(options.split(' '))
            .output()
            .expect("the program runs")
    };
    succeeds(&run("tls/ca.pem"));
    fs::write(folder.path().join("none.pem"), "").expect("a file");
    fails(&run("none.pem"), "name a file in SSL_CERT_FILE");
}

#[apply(case!)]
fn unthrottled_publishers_keep_a_limit_in_flight() {
    let (folder, server) = server();
    let options = "--groups 2 --subscribers 4 --publishers 3 --as-fast --in-flight 2";
    succeeds(&bench(folder.path(), &server.endpoint, options));
    let report = report(folder.path());
    // Permits are given back: more than both groups have at a time.
    assert!(
        report["checked"]["published"].as_u64() > Some(2 * 2),
        "{report}"
    );
    assert_eq!(report["settings"]["rate_per_group"], Value::Null);
}

#[apply(case!)]
fn without_subscribers_the_responses_are_measured() {
    let (folder, server) = server();
    let options = "--groups 1 --subscribers 0 --publishers 4 --as-fast";
    succeeds(&bench(folder.path(), &server.endpoint, options));
    let report = report(folder.path());
    assert!(
        report["published"]["per_second"].as_f64() > Some(0.0),
        "{report}"
    );
    assert_eq!(report["delivered"]["latency_us"], Value::Null);
}

#[apply(case!)]
fn idle_subscribers_are_measured_and_still_receive() {
    let (folder, server) = server();
    succeeds(&bench(
        folder.path(),
        &server.endpoint,
        "--rate 0 --groups 3 --subscribers 50",
    ));
    let report = report(folder.path());
    assert_eq!(report["connections"]["subscribers"], 150);
    let each = report["server"]["rss_per_connection_bytes"].as_f64();
    assert!(
        each.is_some_and(|each| (0.0..200_000.0).contains(&each)),
        "{report}"
    );
    assert_eq!(
        report["published"]["messages"], 0,
        "idle means idle: {report}"
    );
}

#[apply(case!)]
fn it_starts_a_server_for_one_run_and_leaves_nothing_behind() {
    let (work, store) = (folder(), folder());
    let mut command = program(work.path());
    command
        .args(["bench", "--serve", "embedded", "--data"])
        .arg(store.path());
    let short = "--groups 1 --subscribers 2 --seconds 1 --warm-up 0";
    command.args(short.split(' '));
    let output = command.output().expect("the program runs");
    succeeds(&output);
    let stdout = utf8(&output.stdout);
    assert!(stdout.contains("embedded store, for this run"), "{stdout}");
    for folder in [work, store] {
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}

#[apply(case!)]
fn what_cannot_be_measured_is_refused_at_the_start() {
    let (folder, server) = server();
    let endpoint = &server.endpoint;
    let cases = [
        (
            "http://127.0.0.1:9/graphql",
            "",
            "is a server running there?",
        ),
        (
            "ftp://127.0.0.1/graphql",
            "",
            "begins with http:// or https://",
        ),
        ("nonsense", "", "begins with http:// or https://"),
        (endpoint, "--api-key da2-wrong", "refuses the API key"),
        (endpoint, "--pid 4194999", "no such process"),
        (
            endpoint,
            "--rate 0 --subscribers 0",
            "--subscribers must be at least 1",
        ),
        (endpoint, "--rate 0 --pollers 1", "it takes no --pollers"),
        (
            endpoint,
            "--pollers 1 --mix reports",
            "add fires or records",
        ),
        (
            endpoint,
            "--groups 90000 --subscribers 90000",
            "than the 200000 that one run may open",
        ),
        (
            endpoint,
            "--lesson 4x5m --pollers 5",
            "are more than the 4 pupils of the lesson",
        ),
        (
            endpoint,
            "--lesson 1000x5m --speed 3600",
            "choose a lower --speed",
        ),
        (
            endpoint,
            "--warm-up 400",
            "raise the server's MESH_DEFAULT_CONNECTION_TIME_SECONDS",
        ),
        (
            endpoint,
            "--json /nowhere/r.json",
            "cannot write /nowhere/r.json",
        ),
    ];
    for (endpoint, more, because) in cases {
        let command = format!("bench --endpoint {endpoint} {more}");
        let arguments: Vec<_> = command.split_whitespace().collect();
        fails(&runs(folder.path(), &arguments), because);
    }
}

#[apply(case!)]
fn values_out_of_range_are_refused() {
    let folder = folder();
    let cases = [
        ("--rate -1", "a rate is a number from 0 to 100000"),
        ("--rate NaN", "a rate is a number from 0 to 100000"),
        ("--groups 0", "is not in 1..=100000"),
        ("--seconds 0", "is not in 1..=86400"),
        ("--payload 1", "is not in 40..=50000"),
        ("--poll-every 0", "a number from 0.05 to 60"),
        ("--mix songs", "kinds are reports, fires and records"),
        ("--as-fast --rate 5", "cannot be used with"),
        ("--serve memory --pid 5", "cannot be used with"),
        (
            "--lesson 40",
            "a lesson is pupils x minutes, such as 40x45m",
        ),
        ("--lesson 0x45m", "a lesson has 1 to 1000 pupils"),
        ("--lesson 4x1m --rate 5", "cannot be used with"),
        ("--lesson 4x1m --speed 0", "is not in 1..=3600"),
        ("--speed 60", "--lesson"),
    ];
    for (options, because) in cases {
        let arguments: Vec<_> = std::iter::once("bench").chain(options.split(' ')).collect();
        let output = runs(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{options}");
        let stderr = utf8(&output.stderr);
        assert!(stderr.contains(because), "{because} in {stderr}");
    }
}

//! The load tool against real servers: its counts, its files and its error messages.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Group;
use crate::support::fault_proxy::{Fault, fault_proxy};
use crate::support::json::text;
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
fn the_report_says_what_was_measured_how_and_where() {
    let (folder, server) = server();
    succeeds(&bench(
        folder.path(),
        &server.endpoint,
        "--groups 1 --subscribers 2",
    ));
    let report = report(folder.path());
    let numbers = [
        "/machine/cores",
        "/machine/memory_bytes",
        "/settings/rate_per_group",
        "/settings/payload_bytes",
        "/measured_seconds",
        "/published/per_second",
        "/published/answer_us/p99",
        "/delivered/per_second",
        "/delivered/bytes_per_message",
        "/delivered/latency_us/p50",
        "/delivered/latency_us/p99",
        "/delivered/latency_us/p99_9",
        "/delivered/distribution/0/up_to_us",
        "/server/cpu_us_per_delivered",
        "/server/rss_end_bytes",
        "/client_cpu_percent",
        "/series/0/delivered_per_second",
        "/series/0/p99_us",
        "/series/0/server_rss_bytes",
    ];
    for number in numbers {
        let value = report.pointer(number).and_then(Value::as_f64);
        assert!(
            value.is_some_and(|value| value >= 0.0),
            "{number} in {report}"
        );
    }
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["settings"]["mix"], "reports=15,fires=2");
    assert_eq!(
        report["server"]["pid"],
        server.pid(),
        "the server is found by its port"
    );
    // The default messages are about as long as the editor's.
    let bytes = report["delivered"]["bytes_per_message"]
        .as_f64()
        .expect("bytes");
    assert!((400.0..500.0).contains(&bytes), "{bytes}");
}

#[apply(case!)]
fn it_says_how_busy_the_machine_was() {
    let (folder, server) = server();
    let options = "--groups 1 --subscribers 2";
    let output = bench(folder.path(), &server.endpoint, options);
    succeeds(&output);
    let (report, stdout) = (report(folder.path()), utf8(&output.stdout));
    let load = &report["machine_load"];
    if cfg!(target_os = "linux") {
        for number in [
            "load_1m",
            "steal_percent",
            "others_percent",
            "own_cores_percent",
        ] {
            let value = load[number].as_f64();
            assert!(value.is_some_and(|value| value >= 0.0), "{number}: {load}");
        }
        assert!(stdout.contains("other programs"), "{stdout}");
        // In words where it matters, in the text and on the page alike.
        let notes = load["notes"].as_array().expect("a list");
        let page = fs::read_to_string(folder.path().join("r.html")).expect("a page");
        for text in [stdout, page] {
            assert_eq!(text.contains("busy: "), !notes.is_empty(), "{text}");
        }
    } else {
        assert_eq!(*load, Value::Null);
        assert!(stdout.contains("is unknown here"), "{stdout}");
    }
}

#[apply(case!)]
fn a_lesson_is_played_in_words_and_has_a_price() {
    let folder = folder();
    let command = "bench --serve memory --lesson 6x2m --speed 60 --pollers 2 --json r.json --html r.html --patience 60";
    let output = runs(folder.path(), &command.split(' ').collect::<Vec<_>>());
    succeeds(&output);
    let (report, stdout) = (report(folder.path()), utf8(&output.stdout));
    let lesson = &report["lesson"];
    assert_eq!(
        (&lesson["pupils"], &lesson["minutes"], &lesson["speed"]),
        (&json!(6), &json!(2), &json!(60))
    );
    // One class of six pupils, one message every 2.35 seconds each, for 120 seconds: 306, or fewer on a busy machine.
    let published = report["checked"]["published"].as_u64().expect("a count");
    assert!((20..=330).contains(&published), "{report}");
    assert_eq!(report["connections"]["subscribers"], 4);
    let page = fs::read_to_string(folder.path().join("r.html")).expect("a page");
    for text in [stdout, page] {
        for words in [
            "A lesson of 2 minutes with 6 pupils, played 60 times as fast",
            "2 of the pupils could not use WebSockets, and polled.",
            "Every value arrived within",
            "Nothing was lost",
            "AppSync and Lambda",
            "small server, embedded store",
        ] {
            assert!(text.contains(words), "{words} in {text}");
        }
    }
    // The price is that of `mesh-v2 costs` for the same lesson.
    let costs =
        "costs --json --pupils 6 --minutes 2 --pupil-reports 0.375 --events 0.3 --polling 33";
    let output = runs(folder.path(), &costs.split(' ').collect::<Vec<_>>());
    let costs: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let dollars = |report: &Value| report["deployments"][0]["lesson_dollars"].as_f64();
    let (played, asked) = (dollars(&lesson["costs"]), dollars(&costs));
    let apart = (played.expect("dollars") - asked.expect("dollars")).abs();
    assert!(apart < 1e-6, "{played:?} {asked:?}");
}

#[apply(case!)]
fn the_page_needs_no_other_file_or_host() {
    let (folder, server) = server();
    succeeds(&bench(
        folder.path(),
        &server.endpoint,
        "--groups 1 --subscribers 2",
    ));
    let page = fs::read_to_string(folder.path().join("r.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for chart in [
        "Delivered per second",
        "From sending to receiving",
        "How many took how long",
    ] {
        assert!(page.contains(&format!("aria-label=\"{chart}\"")), "{chart}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    // Read on a phone too.
    assert!(page.contains("@media (max-width: 600px)"));
    for reference in [
        "<script", "<link", "src=", "href=", "url(", "@import", "NaN", "inf",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
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

//! What a report and its page say.

use std::fs;

use serde_json::{Value, json};

use super::{bench, report, server, succeeds};
use crate::support::program::{folder, runs, utf8};

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

//! `mesh-v2 costs` as a teacher starts it.

use serde_json::Value;

use crate::support::program::{folder, runs, utf8};

fn costs(more: &str) -> Value {
    let arguments: Vec<_> = ["costs", "--json"]
        .into_iter()
        .chain(more.split_whitespace())
        .collect();
    let output = runs(folder().path(), &arguments);
    assert!(output.status.success(), "{}", utf8(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn lesson_dollars(report: &Value, deployment: &str) -> f64 {
    let mut entries = report["deployments"].as_array().expect("a list").iter();
    let entry = entries.find(|entry| entry["deployment"] == deployment);
    let dollars = entry.expect(deployment)["lesson_dollars"].as_f64();
    dollars.expect("a number")
}

#[apply(case!)]
fn a_lessons_price_is_a_table_for_people() {
    let output = runs(folder().path(), &["costs"]);
    assert!(output.status.success(), "{}", utf8(&output.stderr));
    let text = utf8(&output.stdout);
    for line in [
        "A lesson: 40 pupils, 45 minutes, 15 reports and 2 events a second in the class, all by WebSocket",
        "AppSync and Lambda",
        "server on Fargate, DynamoDB",
        "small server, DynamoDB",
        "small server, embedded store",
        "messages to subscribers 90 %",
        "US dollars in Tokyo (ap-northeast-1)",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[apply(case!)]
fn its_json_has_parts_that_add_up() {
    let report = costs("--polling 25 --region us-east-1 --lessons-a-month 7");
    assert_eq!(report["region"], "us-east-1");
    assert_eq!(report["lesson"]["polling_percent"], 25);
    let deployments = report["deployments"].as_array().expect("a list");
    assert_eq!(deployments.len(), 4);
    for entry in deployments {
        let parts = entry["parts"].as_array().expect("parts").iter();
        let sum: f64 = parts
            .map(|part| part["dollars"].as_f64().expect("dollars"))
            .sum();
        let all = entry["lesson_dollars"].as_f64().expect("dollars");
        assert!((sum - all).abs() < 1e-9, "{entry}");
    }
}

#[apply(case!)]
fn a_pupils_reports_are_those_of_the_class() {
    let (class, pupil) = (costs("--reports 15"), costs("--pupil-reports 0.375"));
    assert_eq!(class, pupil);
    let quiet = costs("--reports 1");
    assert!(lesson_dollars(&quiet, "appsync") < lesson_dollars(&class, "appsync"));
    let polling = costs("--polling 50 --push off");
    let pushed = costs("--polling 50 --push on");
    assert!(lesson_dollars(&polling, "appsync") < lesson_dollars(&pushed, "appsync"));
}

#[apply(case!)]
fn what_has_no_price_is_refused_by_name() {
    let cases = [
        ("--pupils 0", "is not in 1..=1000", 2),
        ("--minutes -1", "unexpected argument '-1'", 2),
        ("--minutes 99999", "is not in 1..=1440", 2),
        ("--reports NaN", "a rate is a number from 0 to 10000", 2),
        ("--reports -1", "a rate is a number from 0 to 10000", 2),
        ("--events inf", "a rate is a number from 0 to 10000", 2),
        ("--polling 101", "is not in 0..=100", 2),
        (
            "--region mars-1",
            "[possible values: ap-northeast-1, us-east-1]",
            2,
        ),
        ("--push maybe", "[possible values: on, off]", 2),
        ("--reports 1 --pupil-reports 1", "cannot be used with", 2),
        ("--pupils 1000 --pupil-reports 100", "choose fewer", 1),
        ("--colour", "unexpected argument", 2),
    ];
    for (options, because, code) in cases {
        let arguments: Vec<_> = std::iter::once("costs").chain(options.split(' ')).collect();
        let output = runs(folder().path(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{options}");
        let stderr = utf8(&output.stderr);
        assert!(stderr.contains(because), "{because} in {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

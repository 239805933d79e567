//! docs/costs.md.

use std::fmt::Write as _;

use super::{Class, PUPILS};

/// The length of a lesson: 45 minutes.
const LESSON_SECONDS: f64 = 45.0 * 60.0;

fn rounded(units: f64) -> String {
    let text = format!("{units:.1}");
    text.trim_end_matches(".0").to_owned()
}

fn pupils_lesson(class: &Class, websocket: bool) -> Vec<(String, f64)> {
    let shared = f64::from(PUPILS);
    let times = |what: &str, how: &str, times: f64| {
        let label = if how.is_empty() {
            what.to_owned()
        } else {
            format!("{what} ({how})")
        };
        (label, class.cost(what, how).dollars() * times)
    };
    let mut lesson = vec![
        times("createGroup", "new", 1.0 / shared),
        times("joinGroup", "first time", 1.0),
        // As in the load goals of AppSync Mesh v2: 15 updates a second in a class of 40.
        times(
            "reportDataByNode",
            "one variable of ten",
            LESSON_SECONDS * 15.0 / shared,
        ),
        times("sendMemberHeartbeat", "", LESSON_SECONDS / 120.0),
        times("renewHeartbeat", "", LESSON_SECONDS / 60.0 / shared),
        times(
            "(reaper)",
            "a watch to move",
            LESSON_SECONDS / 150.0 / shared,
        ),
        times("leaveGroup", "", 1.0),
        times("dissolveGroup", "40 members", 1.0 / shared),
    ];
    // 2 events a second in a class.
    let events = LESSON_SECONDS * 2.0 / shared;
    if websocket {
        lesson.push(times("fireEventsByNode", "WebSocket group", events));
        lesson.push(times(
            "listGroupStatuses",
            "40 nodes",
            LESSON_SECONDS / 15.0,
        ));
    } else {
        lesson.push(times("recordEventsByNode", "polling group", events));
        lesson.push(times("pollGroupData", "40 nodes", LESSON_SECONDS / 2.0));
    }
    lesson
}

pub fn page(class: &Class) -> String {
    let mut page = String::from(include_str!("../costs.head.md"));
    for (what, how, cost) in &class.costs {
        let _ = writeln!(
            page,
            "| {what} | {how} | {} | {} | {} | {} | {:.2} |",
            cost.reads,
            rounded(cost.read_units),
            cost.writes,
            rounded(cost.write_units),
            cost.dollars() * 1e6,
        );
    }
    for (websocket, title) in [(true, "WebSocket"), (false, "polling")] {
        let lesson = pupils_lesson(class, websocket);
        let sum: f64 = lesson.iter().map(|(_, dollars)| dollars).sum();
        let _ = write!(
            page,
            "\n## A pupil's lesson in a {title} group\n\n| | US cents | share |\n|---|---:|---:|\n"
        );
        for (what, dollars) in &lesson {
            let _ = writeln!(
                page,
                "| {what} | {:.4} | {:.0} % |",
                dollars * 100.0,
                dollars / sum * 100.0
            );
        }
        let _ = writeln!(page, "| **total** | **{:.3}** | |", sum * 100.0);
        let _ = writeln!(
            page,
            "\nA class of {PUPILS}: {:.1} US cents.",
            sum * 100.0 * f64::from(PUPILS)
        );
    }
    let run = |how| class.cost("(reaper)", how).dollars();
    let (plain, both) = (
        run("a run, nothing due"),
        run("a run that also removes tombstones"),
    );
    let runs = (plain * 2.0 + (both - plain) / 30.0) * 86_400.0 * 30.0;
    let _ = write!(
        page,
        "\n## An idle server\n\nIts reaper looks for ended groups twice a second, and for expired tombstones twice a minute: {runs:.2} US dollars a month.\n"
    );
    page
}

//! AppSync, the function and the table.

use crate::calls::{Calls, calls};
use crate::lesson::Lesson;
use crate::price::Part;
use crate::prices::{Item, Region};
use crate::traffic::{COMPRESSION, END, deliveries, gigabytes};
use crate::units::{Tries, Units};

/// Memory of the function, as the stack sets it.
pub const FUNCTION_GIGABYTES: f64 = 0.25;
/// How long a call of it takes, with a read and a write of the table. Assumed.
pub const FUNCTION_SECONDS: f64 = 0.02;
/// Metrics that the alarms of the stack watch, which a test of the stack counts.
const ALARM_METRICS: f64 = 20.0;
/// Calls of the schedule that ends groups, each minute of a month.
const SCHEDULED_A_MONTH: f64 = 60.0 * 730.0;

/// The price of a lesson, in parts.
pub fn parts(lesson: &Lesson, region: Region, units: &Units) -> Vec<Part> {
    let calls = requests(lesson);
    let requests: f64 = calls
        .iter()
        .filter(|call| call.is_request())
        .map(|call| call.times)
        .sum();
    // What the function publishes are mutations of its own; a group that polls gets none.
    let is_pushed = lesson.push && lesson.subscribers() > 0.0;
    let pushed = if is_pushed { lesson.recorded() } else { 0.0 };
    let ops = requests + pushed;
    let messages = deliveries(lesson, lesson.reports() + lesson.fired() + pushed + END);
    let seconds = requests * FUNCTION_SECONDS * FUNCTION_GIGABYTES;
    let lists: f64 = calls
        .iter()
        .filter(|call| ["pollGroupData", "listGroupStatuses"].contains(&call.call))
        .map(|call| call.times)
        .sum();
    vec![
        Part::new(
            "messages to subscribers",
            messages + lesson.subscribers(),
            Item::AppSyncMessage,
            region,
        ),
        Part::new("queries and mutations", ops, Item::AppSyncCall, region),
        Part::new(
            "minutes of connections",
            lesson.subscribers() * f64::from(lesson.minutes),
            Item::AppSyncMinute,
            region,
        ),
        Part::new("calls of the function", requests, Item::LambdaCall, region),
        Part::new(
            "GB-seconds of the function",
            seconds,
            Item::LambdaGigabyteSecond,
            region,
        ),
        table(&calls, lesson, region, units, units.tries.lambda),
        Part::new(
            "gigabytes to the clients",
            gigabytes(lesson, messages, requests, lists, COMPRESSION),
            Item::Gigabyte,
            region,
        ),
    ]
}

/// What is paid without lessons, for a month.
pub fn month(lesson: &Lesson, region: Region, units: &Units) -> Vec<Part> {
    let mut parts = vec![
        Part::new("secret", 1.0, Item::SecretMonth, region),
        Part::new("metrics of alarms", ALARM_METRICS, Item::AlarmMonth, region),
    ];
    if lesson.push {
        let run = units.of("(reaper)", "a run, nothing due");
        let each = region.price(Item::ScheduledCall)
            + region.price(Item::LambdaCall)
            + FUNCTION_SECONDS * FUNCTION_GIGABYTES * region.price(Item::LambdaGigabyteSecond)
            + run.read_units * region.price(Item::ReadUnit);
        parts.push(Part::of(
            "schedule that ends groups",
            SCHEDULED_A_MONTH,
            SCHEDULED_A_MONTH * each,
        ));
    }
    parts
}

/// Behind AppSync no server works on its own, and no instance caches nodes.
fn requests(lesson: &Lesson) -> Vec<Calls> {
    let mut calls = calls(lesson);
    calls.retain(|call| call.call != "(reaper)");
    for call in &mut calls {
        match call.call {
            "reportDataByNode" => call.how = "the same, node not cached",
            "sendMemberHeartbeat" => call.how = "node not cached",
            _ => {}
        }
    }
    calls
}

/// The table's units, in dollars. A contended call needs `tries` at the rate of the measurement.
pub fn table(calls: &[Calls], lesson: &Lesson, region: Region, units: &Units, tries: f64) -> Part {
    let tries = Tries::at(tries, lesson.events_per_second);
    let (mut reads, mut writes) = (0.0, 0.0);
    for call in calls {
        let (read, write) = call.units(units, lesson.pupils, tries);
        reads += read;
        writes += write;
    }
    let dollars = reads * region.price(Item::ReadUnit) + writes * region.price(Item::WriteUnit);
    Part::of("units of the table", reads + writes, dollars)
}

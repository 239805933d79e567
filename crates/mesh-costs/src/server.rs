//! Our server: in a Fargate task or on a small machine, with a table or its embedded store.

use crate::appsync::table;
use crate::calls::calls;
use crate::lesson::Lesson;
use crate::price::{Deployment, MONTH_HOURS, Part};
use crate::prices::{Item, Region};
use crate::traffic::{END, deliveries, gigabytes};
use crate::units::Units;

/// The task of the stack.
const TASK_PROCESSORS: f64 = 0.25;
/// Its memory.
const TASK_GIGABYTES: f64 = 0.5;
/// The task's, and the load balancer's in two zones.
const ADDRESSES: f64 = 3.0;
/// That of domains, and that with the API keys.
const SECRETS: f64 = 2.0;
/// Metrics that the alarms of the stack watch, which a test of the stack counts.
const ALARM_METRICS: f64 = 12.0;
/// The reaper's runs in a second.
const RUNS_PER_SECOND: f64 = 2.0;

/// The parts of a lesson's price, and of a month without lessons.
pub fn parts(
    deployment: Deployment,
    lesson: &Lesson,
    region: Region,
    units: &Units,
) -> (Vec<Part>, Vec<Part>) {
    let fixed = |hours: f64| hourly(deployment, hours, region, units);
    let calls = calls(lesson);
    let mut parts = Vec::new();
    if deployment != Deployment::Embedded {
        parts.push(table(&calls, lesson, region, units, units.tries.one_server));
    }
    if deployment == Deployment::Fargate {
        let sent = to_clients(lesson);
        parts.push(Part::new(
            "gigabytes to the clients",
            sent,
            Item::Gigabyte,
            region,
        ));
        parts.push(Part::new(
            "gigabytes through the load balancer",
            sent,
            Item::BalancerGigabyte,
            region,
        ));
    }
    parts.extend(fixed(lesson.hours()));
    (parts, fixed(MONTH_HOURS))
}

/// Gigabytes to the clients of a lesson; a small server's bundle has 2,000 of them.
pub fn to_clients(lesson: &Lesson) -> f64 {
    // All members with a WebSocket receive recorded events too.
    let messages = deliveries(
        lesson,
        lesson.reports() + lesson.fired() + lesson.recorded() + END,
    );
    let (mut requests, mut lists) = (0.0, 0.0);
    for call in calls(lesson).iter().filter(|call| call.is_request()) {
        requests += call.times;
        if ["pollGroupData", "listGroupStatuses"].contains(&call.call) {
            lists += call.times;
        }
    }
    gigabytes(lesson, messages, requests, lists, 1.0)
}

/// What runs day and night, for so many hours.
fn hourly(deployment: Deployment, hours: f64, region: Region, units: &Units) -> Vec<Part> {
    let price = |item| region.price(item);
    let months = hours / MONTH_HOURS;
    let mut parts = if deployment == Deployment::Fargate {
        let task = TASK_PROCESSORS * price(Item::FargateProcessorHour)
            + TASK_GIGABYTES * price(Item::FargateGigabyteHour);
        vec![
            Part::of("hours of the task", hours, hours * task),
            Part::new(
                "hours of the load balancer",
                hours,
                Item::BalancerHour,
                region,
            ),
            Part::new(
                "hours of public addresses",
                hours * ADDRESSES,
                Item::AddressHour,
                region,
            ),
            Part::new("secrets", months * SECRETS, Item::SecretMonth, region),
            Part::new(
                "metrics of alarms",
                months * ALARM_METRICS,
                Item::AlarmMonth,
                region,
            ),
            Part::new("zone", months, Item::ZoneMonth, region),
        ]
    } else {
        vec![Part::of(
            "hours of the small server",
            hours,
            months * price(Item::SmallServerMonth),
        )]
    };
    if deployment != Deployment::Embedded {
        let run = units.of("(reaper)", "a run, nothing due");
        let runs = hours * 3_600.0 * RUNS_PER_SECOND;
        parts.push(Part::of(
            "runs of the reaper",
            runs,
            runs * run.read_units * price(Item::ReadUnit),
        ));
    }
    parts
}

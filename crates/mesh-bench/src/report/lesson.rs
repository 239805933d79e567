//! How the lesson of `--lesson` went, in classroom words.

use std::fmt;

use mesh_costs::{Region, Units, dollars};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::delivery::SentByPublisher;
use crate::lesson::{LessonSize, priced};
use crate::report::Report;
use crate::report::figures::Checked;
use crate::report::units::{duration, grouped, ratio, round};

/// From this share of the messages that were due on, the lesson was played as fast as it should.
const KEPT_UP: f64 = 0.95;
/// Lessons of a month, for the price.
const LESSONS_A_MONTH: u32 = 20;

/// A lesson that was played.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// Pupils, one device each.
    pub pupils: u32,
    /// Minutes of the lesson.
    pub minutes: u32,
    /// How many times as fast it was played.
    pub speed: u32,
    /// How it went, in words.
    pub sentences: Vec<String>,
    /// What such a lesson costs on each deployment.
    pub costs: mesh_costs::Report,
}

impl Played {
    /// What the report says of the lesson.
    pub fn new(
        size: LessonSize,
        args: &BenchArgs,
        report: &Report,
        sent: &SentByPublisher,
    ) -> Self {
        let (reports, events) = sent.values().fold((0, 0), |(reports, events), sent| {
            let fired = u64::from(sent.events);
            (reports + u64::from(sent.messages) - fired, events + fired)
        });
        let classes = match args.groups {
            1 => String::new(),
            classes => format!("{} classes: ", grouped(classes.into())),
        };
        let (pupils, minutes, speed) = (size.pupils, size.minutes, args.speed);
        let pace = match speed {
            1 => "played in real time".to_owned(),
            _ => format!(
                "played {speed} times as fast, in {:.0} seconds",
                report.measured_seconds
            ),
        };
        let mut sentences = vec![
            format!("{classes}A lesson of {minutes} minutes with {pupils} pupils, {pace}."),
            format!(
                "The pupils changed variables {} times and sent {} events.",
                grouped(reports),
                grouped(events)
            ),
        ];
        let due = args.rate * f64::from(args.groups) * report.measured_seconds;
        sentences.extend(behind(ratio(reports + events, 1) / due));
        if args.pollers > 0 {
            sentences.push(format!(
                "{} of the pupils could not use WebSockets, and polled.",
                args.pollers
            ));
        }
        sentences.extend(arrivals(report));
        sentences.push(faults(&report.checked, &report.problems));
        let costs = mesh_costs::Report::new(
            priced(args, size),
            Region::Tokyo,
            LESSONS_A_MONTH,
            &Units::measured(),
        );
        Self {
            pupils,
            minutes,
            speed,
            sentences,
            costs,
        }
    }
}

/// Publishers send one message after another: a slow answer delays the next one.
fn behind(share: f64) -> Option<String> {
    let percent = round(share * 100.0);
    (share < KEPT_UP).then(|| {
        format!(
            "That is {percent} % of what such a lesson sends: the server or this machine did not keep up; choose a lower --speed."
        )
    })
}

/// How long values and events were on their way.
fn arrivals(report: &Report) -> Vec<String> {
    let polled = report.polled.as_ref().and_then(|polled| polled.latency_us);
    let delivered = report.delivered.latency_us.map(|times| {
        let [half, most, all] = [times.p50, times.p99, times.max].map(duration);
        let every = if report.checked.lost == 0 {
            "Every value"
        } else {
            "Every value that came"
        };
        format!("{every} arrived within {all}, 99 of 100 within {most}, half within {half}.")
    });
    let polled = polled.map(|times| {
        format!(
            "Pupils who poll had each event within {}.",
            duration(times.max)
        )
    });
    delivered.into_iter().chain(polled).collect()
}

/// What went wrong.
fn faults(checked: &Checked, problems: &[String]) -> String {
    if problems.is_empty() {
        return "Nothing was lost, came twice, or came in the wrong order.".to_owned();
    }
    let lost = checked.lost;
    let lost = if lost == 0 {
        String::new()
    } else {
        format!("{} values were lost. ", grouped(lost))
    };
    format!("{lost}Not all went well: {}.", problems.join("; "))
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sentence in &self.sentences {
            writeln!(f, "  {sentence}")?;
        }
        writeln!(
            f,
            "  Such a lesson costs, in {}:",
            self.costs.region.place()
        )?;
        for entry in &self.costs.deployments {
            writeln!(
                f,
                "    {:30} {:>8}",
                entry.price.name,
                dollars(entry.price.lesson_dollars)
            )?;
        }
        Ok(())
    }
}

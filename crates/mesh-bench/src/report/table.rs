//! The report on a terminal.

use std::fmt;

use crate::report::Report;
use crate::report::figures::Latency;
use crate::report::units::{duration, grouped, round};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        writeln!(f, "\n{}", self.title())?;
        writeln!(f, "{}\n", self.place())?;
        if !settings.is_idle() {
            let row = |name, count: u64, rate| {
                let count = grouped(count);
                format!(
                    "  {name:12} {count:>14}   {rate:>10} /s",
                    rate = grouped(round(rate))
                )
            };
            writeln!(
                f,
                "{}",
                row(
                    "published",
                    self.published.messages,
                    self.published.per_second
                )
            )?;
            if settings.subscribers_per_group > 0 {
                let delivered = &self.delivered;
                let row = row("delivered", delivered.messages, delivered.per_second);
                let (bytes, megabytes) =
                    (delivered.bytes_per_message, delivered.megabytes_per_second);
                writeln!(f, "{row}   {megabytes:.1} MB/s, {bytes:.0} bytes each")?;
            }
            if let Some(polled) = &self.polled {
                writeln!(f, "{}", row("polled", polled.events, polled.per_second))?;
            }
            let checked = &self.checked;
            writeln!(
                f,
                "  {:12} lost {}, duplicated {}, reordered {}, misrouted {}, refused {}, cut off {}",
                "wrong",
                grouped(checked.lost),
                grouped(checked.duplicated),
                grouped(checked.reordered),
                grouped(checked.misrouted + checked.strange),
                grouped(checked.refused + checked.unanswered),
                grouped(checked.cut)
            )?;
            writeln!(
                f,
                "\n  {:12} {:>10} {:>10} {:>10} {:>10} {:>10}",
                "", "p50", "p90", "p99", "p99.9", "max"
            )?;
            let polled = self.polled.as_ref().and_then(|polled| polled.latency_us);
            let rows = [
                ("received", self.delivered.latency_us),
                ("polled", polled),
                ("answered", self.published.answer_us),
            ];
            for (name, latency) in rows {
                if let Some(latency) = latency {
                    writeln!(f, "  {name:12} {}", times(&latency))?;
                }
            }
            writeln!(f)?;
        }
        if self.connections.subscribers > 0 {
            let (count, opened) = (
                self.connections.subscribers,
                self.connections.opened_per_second,
            );
            let (count, opened) = (grouped(count.into()), grouped(round(opened)));
            writeln!(
                f,
                "  {:12} {count} subscribed, {opened} opened per second",
                "connections"
            )?;
        }
        self.write_system(f)?;
        if self.ended_early {
            writeln!(f, "  ended early, after {:.1} s", self.measured_seconds)?;
        }
        match &self.lesson {
            Some(lesson) => write!(f, "\n{lesson}"),
            None => Ok(()),
        }
    }
}

impl Report {
    /// What was measured, in a line.
    pub fn title(&self) -> String {
        let s = &self.settings;
        let groups = count(s.groups, "group");
        let mut parts = vec![format!(
            "{} each",
            count(s.subscribers_per_group, "subscriber")
        )];
        if !s.is_idle() {
            parts.push(count(s.publishers_per_group, "publisher"));
        }
        if s.pollers_per_group > 0 {
            parts.push(count(s.pollers_per_group, "poller"));
        }
        let pace = match s.rate_per_group {
            Some(0.0) => "idle".to_owned(),
            Some(rate) => format!("{rate} messages/s per group"),
            None => "as fast as it goes".to_owned(),
        };
        let (seconds, protocol) = (s.seconds, s.protocol);
        format!(
            "{groups} of {}: {pace}, {protocol}, {seconds} s",
            parts.join(", ")
        )
    }

    /// Where it was measured, in a line.
    pub fn place(&self) -> String {
        let machine = &self.machine;
        let store = self
            .settings
            .serve
            .map(|store| format!(" ({store} store, for this run)"));
        format!(
            "{}{}; {}, {} of {}, {}; mesh-v2 {}",
            self.settings.endpoint,
            store.unwrap_or_default(),
            machine.processor,
            machine.cores_allowed,
            count(u32::try_from(machine.cores).unwrap_or(u32::MAX), "core"),
            machine.kernel,
            self.version
        )
    }
}

fn times(latency: &Latency) -> String {
    let all = [
        latency.p50,
        latency.p90,
        latency.p99,
        latency.p99_9,
        latency.max,
    ];
    all.map(|time| format!("{:>10}", duration(time))).join(" ")
}

fn count(number: u32, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(number.into()))
}

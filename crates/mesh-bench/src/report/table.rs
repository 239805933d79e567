//! The report on a terminal.

use std::fmt;

use crate::report::figures::{Latency, Server};
use crate::report::{Report, ratio};

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
                let heard = &self.delivered;
                let row = row("delivered", heard.messages, heard.per_second);
                let (bytes, megabytes) = (heard.bytes_per_message, heard.megabytes_per_second);
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
                ("heard", self.delivered.latency_us),
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
        match &self.server {
            Some(server) => server.write(f)?,
            None => writeln!(
                f,
                "  {:12} not on this machine, or not ours to look at",
                "server"
            )?,
        }
        let (own, threads) = (self.client_cpu_percent, self.client_threads);
        writeln!(
            f,
            "  {:12} CPU {own:.0} % of a core, {threads} threads",
            "this tool"
        )?;
        if self.is_client_bound() {
            writeln!(
                f,
                "  {:12} it is the bottleneck: give it more cores, or ask for less",
                ""
            )?;
        }
        if self.ended_early {
            writeln!(f, "  ended early, after {:.1} s", self.measured_seconds)?;
        }
        Ok(())
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

    /// Whether the figures are rather this tool's than the stage's.
    pub fn is_client_bound(&self) -> bool {
        let threads = u32::try_from(self.client_threads.min(self.machine.cores_allowed));
        self.client_cpu_percent > 90.0 * f64::from(threads.unwrap_or(u32::MAX))
    }
}

impl Server {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = Vec::new();
        if let Some(cpu) = self.cpu_percent {
            told.push(format!("CPU {cpu:.0} % of a core"));
        }
        if let Some(each) = self.cpu_us_per_delivered {
            told.push(format!("{each:.2} µs per delivered message"));
        }
        if let Some(each) = self.cpu_us_per_published {
            told.push(format!("{each:.1} µs per published one"));
        }
        writeln!(f, "  {:12} {}", "server", told.join(", "))?;
        let Some(end) = self.rss_end_bytes else {
            return Ok(());
        };
        let each = self.rss_per_connection_bytes;
        let each = each.map(|each| format!(", {} per idle connection", bytes(each)));
        let end = bytes(ratio(end, 1));
        writeln!(f, "  {:12} {end} of memory{}", "", each.unwrap_or_default())
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

/// Microseconds for people.
pub fn duration(micros: f64) -> String {
    match micros {
        0.0..1_000.0 => format!("{micros:.0} µs"),
        1_000.0..100_000.0 => format!("{:.2} ms", micros / 1e3),
        100_000.0..1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Bytes for people.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        0.0..1e3 => format!("{bytes:.0} bytes"),
        1e3..1e6 => format!("{:.1} KB", bytes / 1e3),
        1e6..1e9 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}

/// A number with commas.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of a run are positive and small"
)]
pub fn round(number: f64) -> u64 {
    number.round() as u64
}

fn count(number: u32, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(
            [999.4, 1_234.0, 250_000.0, 2e6].map(duration),
            ["999 µs", "1.23 ms", "250 ms", "2.00 s"]
        );
        assert_eq!(
            [12.0, 4_200.0, 3.3e6, 2e9].map(bytes),
            ["12 bytes", "4.2 KB", "3.3 MB", "2.00 GB"]
        );
    }
}

//! What the server, this tool and the rest of the machine used, on a terminal.

use std::fmt;

use crate::load::MachineLoad;
use crate::report::Report;
use crate::report::server::Server;
use crate::report::units::{bytes, ratio};

impl Report {
    /// A line or two for each.
    pub fn write_system(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        match &self.machine_load {
            Some(load) => load.write(f)?,
            None => writeln!(
                f,
                "  {:12} how busy it was besides is unknown here",
                "machine"
            )?,
        }
        Ok(())
    }

    /// Whether this tool, not the server, limits the figures.
    pub fn is_client_bound(&self) -> bool {
        let threads = u32::try_from(self.client_threads.min(self.machine.cores_allowed));
        self.client_cpu_percent > 90.0 * f64::from(threads.unwrap_or(u32::MAX))
    }
}

impl Server {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(cpu) = self.cpu_percent {
            parts.push(format!("CPU {cpu:.0} % of a core"));
        }
        if let Some(each) = self.cpu_us_per_delivered {
            parts.push(format!("{each:.2} µs per delivered message"));
        }
        if let Some(each) = self.cpu_us_per_published {
            parts.push(format!("{each:.1} µs per published one"));
        }
        writeln!(f, "  {:12} {}", "server", parts.join(", "))?;
        let Some(end) = self.rss_end_bytes else {
            return Ok(());
        };
        let each = self.rss_per_connection_bytes;
        let each = each.map(|each| format!(", {} per idle connection", bytes(each)));
        let end = bytes(ratio(end, 1));
        writeln!(f, "  {:12} {end} of memory{}", "", each.unwrap_or_default())
    }
}

impl MachineLoad {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (load, others, steal) = (self.load_1m, self.others_percent, self.steal_percent);
        writeln!(
            f,
            "  {:12} load {load:.1}, other programs {others:.0} % of a core, steal {steal:.1} %",
            "machine"
        )?;
        if let Some(warning) = self.warning() {
            writeln!(f, "  {:12} {warning}", "")?;
        }
        Ok(())
    }

    /// What to make of the times, if the machine was busy.
    pub fn warning(&self) -> Option<String> {
        let notes = self.notes.join("; ");
        let advice = "these times are the machine's as well as the server's: repeat it when it is quiet, or ask for less";
        self.is_busy().then(|| format!("busy: {notes}; {advice}"))
    }
}

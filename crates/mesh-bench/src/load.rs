//! How busy the machine was besides the tool and its server: their times are read with that in
//! mind. Known on Linux, from `/proc`; elsewhere unknown.

use std::fs;

use serde::Serialize;

use crate::report::units::round;
use crate::sample::Sample;

/// Ticks of a second in `/proc/stat`, on every Linux that Rust supports.
const TICKS: f64 = 100.0;
/// From this share of steal on, another virtual machine's noise is in the figures.
const STEAL_BUSY: f64 = 2.0;
/// The same for other programs, in percent of one core.
const OTHERS_BUSY: f64 = 25.0;
/// The same for the cores that this tool may use: it waits for them itself.
const FULL: f64 = 95.0;

/// Processor time of the machine since it started, in seconds of all its cores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessorTimes {
    /// Spent on programs and on the kernel.
    pub busy: f64,
    /// Wanted by this machine, and taken by another one on the same hardware.
    pub steal: f64,
    /// Idle, or waiting for a disk.
    pub idle: f64,
    /// The first two, on the cores that this tool may use.
    pub own_busy: f64,
    /// All of their time.
    pub own_all: f64,
}

/// How busy the machine was in the measured seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MachineLoad {
    /// Processes that ran or waited to run, on average of the last minute.
    pub load_1m: f64,
    /// Processor time that other virtual machines took, in percent of all cores.
    pub steal_percent: f64,
    /// What other programs used, in percent of one core; unknown when the server is elsewhere
    /// or may not be inspected, and then that of the server too.
    pub others_percent: f64,
    /// How full the cores were that this tool may use.
    pub own_cores_percent: f64,
    /// Seconds in which others or other machines took much.
    pub busy_seconds: usize,
    /// What was in the way, in words; empty when nothing was.
    pub notes: Vec<String>,
}

impl ProcessorTimes {
    /// The times so far; `None` where they are unknown.
    pub fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, &allowed(&status))
    }

    /// The lines of `/proc/stat`: all cores first, then each one.
    fn parse(stat: &str, own: &[usize]) -> Option<Self> {
        let mut times = Self::default();
        for line in stat.lines() {
            let mut fields = line.split_whitespace();
            let Some(core) = fields.next().and_then(|name| name.strip_prefix("cpu")) else {
                break;
            };
            let ticks: Vec<f64> = fields.map_while(|field| field.parse().ok()).collect();
            // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
            let [user, nice, system, idle, wait, irq, soft, steal, ..] = ticks[..] else {
                return None;
            };
            let busy = (user + nice + system + irq + soft) / TICKS;
            let (idle, steal) = ((idle + wait) / TICKS, steal / TICKS);
            match core.parse::<usize>() {
                Ok(core) if own.contains(&core) => {
                    times.own_busy += busy + steal;
                    times.own_all += busy + steal + idle;
                }
                Ok(_) => {}
                Err(_) => (times.busy, times.steal, times.idle) = (busy, steal, idle),
            }
        }
        (times.busy > 0.0).then_some(times)
    }
}

/// The cores that this process may use, by the line `Cpus_allowed_list` such as `0-2,5`.
fn allowed(status: &str) -> Vec<usize> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = line.unwrap_or_default().trim().split(',');
    let ranges = ranges.filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

impl MachineLoad {
    /// From the first to the last of the samples, which are a second apart.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let (begin, end) = (samples.first()?, samples.last()?);
        let mut load = Self::between(begin, end)?;
        load.load_1m = load_average();
        let seconds = samples.windows(2);
        let seconds = seconds.filter_map(|pair| Self::between(&pair[0], &pair[1]));
        load.busy_seconds = seconds.filter(Self::is_disturbed).count();
        load.notes = load.notes(samples.len() - 1);
        Some(load)
    }

    /// Whether the figures may be of others.
    pub fn is_busy(&self) -> bool {
        !self.notes.is_empty()
    }

    fn between(begin: &Sample, end: &Sample) -> Option<Self> {
        let (first, last) = (begin.machine?, end.machine?);
        let (busy, steal) = (last.busy - first.busy, last.steal - first.steal);
        let all = busy + steal + last.idle - first.idle;
        let server = end.server_cpu_since(begin).unwrap_or_default();
        let others = busy - server - (end.own.cpu - begin.own.cpu);
        let own_all = last.own_all - first.own_all;
        let percent = |part: f64, whole: f64| {
            if whole > 0.0 {
                (part / whole * 100.0).max(0.0)
            } else {
                0.0
            }
        };
        Some(Self {
            steal_percent: percent(steal, all),
            others_percent: percent(others, end.seconds_since(begin)),
            own_cores_percent: percent(last.own_busy - first.own_busy, own_all),
            ..Self::default()
        })
    }

    fn is_disturbed(&self) -> bool {
        self.steal_percent > STEAL_BUSY || self.others_percent > OTHERS_BUSY
    }

    fn notes(&self, seconds: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.steal_percent > STEAL_BUSY {
            notes.push(format!(
                "other virtual machines took {} % of the processor time (steal)",
                round(self.steal_percent)
            ));
        }
        if self.others_percent > OTHERS_BUSY {
            notes.push(format!(
                "other programs used {} % of a core",
                round(self.others_percent)
            ));
        }
        if self.own_cores_percent > FULL {
            notes.push(format!(
                "the cores of this tool were {} % full",
                round(self.own_cores_percent)
            ));
        }
        if notes.is_empty() && self.busy_seconds > 0 {
            notes.push(format!(
                "others were busy in {} of {seconds} seconds",
                self.busy_seconds
            ));
        }
        notes
    }
}

fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Usage;

    const STAT: &str = "cpu  1000 0 500 8000 100 0 50 350 0 0\n\
        cpu0 400 0 200 4200 100 0 50 50 0 0\n\
        cpu1 600 0 300 3800 0 0 0 300 0 0\n\
        intr 5\n";

    fn sample(second: u64, busy: f64, steal: f64, server: f64) -> Sample {
        let seconds = crate::report::units::ratio(second, 1);
        Sample {
            at: second * 1_000_000_000,
            machine: Some(ProcessorTimes {
                busy,
                steal,
                idle: seconds * 2.0 - busy - steal,
                own_busy: busy / 2.0,
                own_all: seconds,
            }),
            server: Some(Usage {
                cpu: server,
                rss: 0,
            }),
            ..Sample::default()
        }
    }

    #[test]
    fn the_systems_files_are_understood() {
        let times = ProcessorTimes::parse(STAT, &allowed("Name:\tx\nCpus_allowed_list:\t1\n"));
        let times = times.expect("times");
        assert_eq!((times.busy, times.steal, times.idle), (15.5, 3.5, 81.0));
        assert_eq!((times.own_busy, times.own_all), (12.0, 50.0));
        assert_eq!(allowed("Cpus_allowed_list:\t0-2,5"), [0, 1, 2, 5]);
        assert_eq!(allowed(""), [0; 0]);
        for other in ["", "cpu nonsense", "cpu 1 2 3", "btime 5"] {
            assert_eq!(ProcessorTimes::parse(other, &[0]), None, "{other}");
        }
        #[cfg(target_os = "linux")]
        assert!(ProcessorTimes::now().expect("on Linux").own_all > 0.0);
    }

    #[test]
    fn what_others_took_is_said() {
        // Two cores: the server uses a fifth of one, and nothing else runs.
        let quiet: Vec<_> = (0..=4_u32)
            .map(|n| sample(n.into(), 0.2 * f64::from(n), 0.0, 0.2 * f64::from(n)))
            .collect();
        let load = MachineLoad::of(&quiet).expect("known");
        assert!(!load.is_busy() && load.busy_seconds == 0, "{load:?}");
        let busy: Vec<_> = (0..=4_u32)
            .map(|n| {
                sample(
                    n.into(),
                    0.9 * f64::from(n),
                    0.1 * f64::from(n),
                    0.2 * f64::from(n),
                )
            })
            .collect();
        let load = MachineLoad::of(&busy).expect("known");
        assert_eq!(load.busy_seconds, 4);
        assert_eq!(
            load.notes,
            [
                "other virtual machines took 5 % of the processor time (steal)",
                "other programs used 70 % of a core"
            ]
        );
        // One bad second in ten does not move the average, and its p99 is not the server's.
        let one: Vec<_> = (0..=10_u32)
            .map(|n| {
                let burst = if n > 5 { 1.0 } else { 0.0 };
                sample(
                    n.into(),
                    0.2 * f64::from(n) + burst,
                    0.0,
                    0.2 * f64::from(n),
                )
            })
            .collect();
        let load = MachineLoad::of(&one).expect("known");
        assert_eq!(load.notes, ["others were busy in 1 of 10 seconds"]);
        let unknown = [Sample::default(), Sample::default()];
        assert!(MachineLoad::of(&unknown).is_none());
    }
}

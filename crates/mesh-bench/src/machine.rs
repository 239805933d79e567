//! What Linux tells of processes and of the machine, in /proc.

use std::fs::{read_dir, read_link, read_to_string};

use serde::Serialize;

/// Ticks of a process's times in a second: fixed for programs, whatever the kernel's own
/// clock (`proc_pid_stat(5)`, `USER_HZ`).
const TICKS: f64 = 100.0;

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU seconds, its own and the kernel's for it.
    pub cpu: f64,
    /// Bytes of resident memory.
    pub rss: u64,
}

/// What the process used; `None` when it is gone or belongs to somebody else.
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the numbers after it do not.
    let mut times = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
    let user: f64 = times.next()?.parse().ok()?;
    let system: f64 = times.next()?.parse().ok()?;
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes: u64 = after(&status, "VmRSS:")?.parse().ok()?;
    Some(Usage {
        cpu: (user + system) / TICKS,
        rss: kilobytes * 1024,
    })
}

/// The process that listens on a port of this machine, if it may be seen.
pub fn listener_on(port: u16) -> Option<u32> {
    const LISTENS: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(read_to_string);
    let port = format!(":{port:04X}");
    let sockets: Vec<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| table.lines())
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.len() > 9 && columns[1].ends_with(&port) && columns[3] == LISTENS)
        .map(|columns| format!("socket:[{}]", columns[9]))
        .collect();
    let processes = read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| {
            let files = read_dir(format!("/proc/{pid}/fd"));
            files.into_iter().flatten().flatten().any(|file| {
                let open = read_link(file.path()).ok();
                open.and_then(|open| open.to_str().map(|open| sockets.iter().any(|s| s == open)))
                    .unwrap_or_default()
            })
        })
}

/// The machine that a figure belongs to.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// All cores.
    pub cores: usize,
    /// The cores that this tool may use.
    pub cores_allowed: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel.
    pub kernel: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let read = |file| read_to_string(file).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let named = processors
            .lines()
            .find(|line| line.starts_with("model name"));
        let name = named.and_then(|line| line.split_once(": "));
        let allowed = std::thread::available_parallelism().map_or(1, Into::into);
        let cores = processors
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count();
        let kilobytes =
            after(&read("/proc/meminfo"), "MemTotal:").and_then(|n| n.parse::<u64>().ok());
        Self {
            processor: name
                .map_or(std::env::consts::ARCH, |(_, name)| name)
                .to_owned(),
            cores: cores.max(allowed),
            cores_allowed: allowed,
            memory_bytes: kilobytes.unwrap_or_default() * 1024,
            kernel: format!(
                "{} {}",
                read("/proc/sys/kernel/ostype").trim(),
                read("/proc/sys/kernel/osrelease").trim()
            ),
        }
    }
}

/// The word after a name at the beginning of a line.
fn after(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next().map(str::to_owned)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_by_its_port_and_uses_something() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let pid = listener_on(port).expect("a listener");
        assert_eq!(pid, std::process::id());
        assert!(usage(pid).expect("its usage").rss > 100_000);
        drop(listener);
        assert_eq!(listener_on(port), None);
    }

    #[test]
    fn a_machine_has_cores_memory_and_a_kernel() {
        let machine = Machine::this();
        assert!(machine.cores >= machine.cores_allowed && machine.memory_bytes > 0);
        assert!(machine.kernel.starts_with("Linux "), "{machine:?}");
    }
}

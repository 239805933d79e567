//! What a process uses, and which process listens on a port.

use std::time::Duration;

use listeners::{Protocol, SocketState};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU seconds, its own and the kernel's for it.
    pub cpu: f64,
    /// Bytes of resident memory.
    pub rss: u64,
}

/// What the process used; `None` when it has ended or may not be inspected.
pub fn usage(pid: u32) -> Option<Usage> {
    let (mut system, pid) = (System::new().ok()?, Pid::from_u32(pid));
    let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, wanted);
    let process = system.process(pid)?;
    let cpu = Duration::from_millis(process.accumulated_cpu_time());
    Some(Usage {
        cpu: cpu.as_secs_f64(),
        rss: process.memory(),
    })
}

/// The process that listens on a TCP port of this machine, if it may be inspected.
pub fn listener_on(port: u16) -> Option<u32> {
    let all = listeners::get_all().ok()?;
    let found = all.into_iter().find(|listener| {
        listener.socket.port() == port
            && listener.protocol == Protocol::TCP
            && listener.state == SocketState::Listen
    });
    found.map(|listener| listener.process.pid)
}

#[cfg(test)]
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
}

//! The machine that a figure belongs to.

use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

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
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted).ok();
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        let brand = cpus.first().map_or("", |cpu| cpu.brand().trim());
        let allowed = std::thread::available_parallelism().map_or(1, Into::into);
        Self {
            processor: if brand.is_empty() {
                std::env::consts::ARCH.to_owned()
            } else {
                brand.to_owned()
            },
            cores: cpus.len().max(allowed),
            cores_allowed: allowed,
            memory_bytes: system.as_ref().map_or(0, System::total_memory),
            kernel: System::kernel_long_version().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_cores_memory_and_a_kernel() {
        let machine = Machine::this();
        assert!(machine.cores >= machine.cores_allowed && machine.memory_bytes > 0);
        assert!(!machine.kernel.is_empty(), "{machine:?}");
        #[cfg(target_os = "linux")]
        assert!(machine.kernel.starts_with("Linux "), "{machine:?}");
    }
}

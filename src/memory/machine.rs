//! How much memory the process may use: the machine's, or its control group's limit.

use std::path::{Path, PathBuf};

/// The minimum of the machine's memory and the limits of the process's control groups; `None`
/// if the system provides neither.
pub fn available() -> Option<usize> {
    under(Path::new("/"))
}

/// The same for a system whose files are below `root`.
fn under(root: &Path) -> Option<usize> {
    let read = |path: PathBuf| std::fs::read_to_string(root.join(path)).ok();
    let physical = read("proc/meminfo".into()).and_then(|text| physical(&text));
    let groups = read("proc/self/cgroup".into()).unwrap_or_default();
    let limits = groups.lines().flat_map(limit_files).filter_map(read);
    // A group without a limit has "max", or a number larger than any machine.
    let limits = limits.filter_map(|text| text.trim().parse().ok());
    physical.into_iter().chain(limits).min()
}

/// Bytes that this process holds, where the system says so (Linux).
pub fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kib_of(&status, "VmRSS:")
}

fn physical(meminfo: &str) -> Option<usize> {
    kib_of(meminfo, "MemTotal:")
}

/// The bytes of a line such as `VmRSS:  2048 kB`.
fn kib_of(text: &str, name: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The files with the limits of a control group in a line of `/proc/self/cgroup`, and of its
/// parents. In a container the path may be the host's, of which only the root is visible.
fn limit_files(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (_, Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (mount, file) = if controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|it| it == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    groups
        .map(|group| Path::new(mount).join(group).join(file))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory of a system with these files.
    fn with(files: &[(&str, &str)]) -> Option<usize> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        under(root.path())
    }

    const MEMORY: (&str, &str) = ("proc/meminfo", "MemTotal:  8000 kB\nMemFree:  17 kB\n");
    const ALL: Option<usize> = Some(8000 * 1024);

    #[test]
    fn without_a_control_group_the_machines_memory_counts() {
        assert_eq!(with(&[MEMORY]), ALL);
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn the_lowest_limit_of_version_two_applies() {
        let group = ("proc/self/cgroup", "0::/mesh.slice/mesh.service\n");
        let unlimited = ("sys/fs/cgroup/mesh.slice/mesh.service/memory.max", "max\n");
        let limited = ("sys/fs/cgroup/mesh.slice/memory.max", "4096000\n");
        assert_eq!(with(&[MEMORY, group, unlimited]), ALL);
        assert_eq!(with(&[MEMORY, group, unlimited, limited]), Some(4_096_000));
    }

    #[test]
    fn in_a_container_the_limit_is_at_the_root() {
        let two = [
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1024\n"),
        ];
        assert_eq!(with(&[&[MEMORY][..], &two].concat()), Some(1024));
        let one = [
            (
                "proc/self/cgroup",
                "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2048\n"),
            ("sys/fs/cgroup/cpu/memory.limit_in_bytes", "1\n"),
        ];
        assert_eq!(with(&[&[MEMORY][..], &one].concat()), Some(2048));
    }

    #[test]
    fn a_limit_above_the_machines_memory_is_ignored() {
        let one = [
            ("proc/self/cgroup", "4:memory:/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(with(&[&[MEMORY][..], &one].concat()), ALL);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory() {
        assert!(available().unwrap() > 16 * 1024 * 1024);
    }
}

//! The built program, started as a user starts it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::mesh::TestMesh;

/// The built program with an environment of its own and no `.env` file near.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-v2"));
    command.current_dir(folder).env_clear();
    command
}

/// Runs the program to its end.
pub fn runs(folder: &Path, arguments: &[&str]) -> Output {
    program(folder)
        .args(arguments)
        .output()
        .expect("the program runs")
}

/// The program's output as text.
pub fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A running server.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// What it printed before it served.
    pub greeting: String,
    pub endpoint: String,
}

impl Server {
    /// Starts the program in `folder` with `settings` in its environment, on a free port,
    /// and waits for its greeting. Most cases flood what they start: calls are not limited by
    /// their rate unless the settings say so.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = program(folder);
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("MESH_RATE_LIMITS", "off")
            .envs(settings.iter().copied());
        Self::run(folder, command)
    }

    /// Runs a command that ends up serving.
    pub fn run(folder: &Path, command: Command) -> Self {
        let started = Self::try_run(folder, command);
        started.unwrap_or_else(|why| panic!("the program ended before it served: {why}"))
    }

    /// Runs a command that may end before it serves, and returns its output then.
    pub fn try_run(folder: &Path, mut command: Command) -> Result<Self, String> {
        let log = folder.join(format!("{}.log", uuid::Uuid::new_v4()));
        let child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for the log"))
            .spawn();
        let mut child = child.expect("the program starts");
        let (mut greeting, mut endpoint) = (String::new(), None);
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        while !greeting.contains("new AWSAppSyncClient") {
            let Some(Ok(line)) = lines.next() else {
                let why = std::fs::read_to_string(&log).unwrap_or_default();
                child.wait().expect("its end");
                return Err(format!("{greeting}{why}"));
            };
            if let Some(url) = line.trim().strip_prefix("endpoint") {
                endpoint.get_or_insert_with(|| url.trim().to_owned());
            }
            greeting.push_str(&line);
            greeting.push('\n');
        }
        let endpoint = endpoint.expect("the endpoint is printed");
        Ok(Self {
            child,
            log,
            greeting,
            endpoint,
        })
    }

    /// The server as cases use it.
    pub fn mesh(&self, key: &str) -> TestMesh {
        TestMesh::at(&self.endpoint, key)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log of text")
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that the process holds now (Linux: `VmRSS`).
    pub fn rss(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// Bytes of memory that the process held at its peak (Linux: `VmHWM`).
    pub fn peak_rss(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the status of a running process");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
        let kib: Option<u64> = kib.and_then(|kib| kib.trim().parse().ok());
        kib.expect("a number of kilobytes") * 1024
    }

    /// Sends SIGKILL: no close frames, no flush.
    pub fn gets_killed(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }

    /// Sends SIGTERM to this process alone.
    pub fn is_terminated(&self) {
        self.receives_signal("-TERM");
    }

    /// Sends a signal to this process alone.
    pub fn receives_signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([signal, &id])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for its end and returns its exit code.
    pub fn ends(&mut self) -> Option<i32> {
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder to work in.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Bytes of all files in a folder.
pub fn size_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("a folder");
    files
        .map(|file| file.and_then(|f| f.metadata()).expect("a file").len())
        .sum()
}

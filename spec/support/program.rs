//! The real program, started as a user starts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::stage::{TestMesh, trust};

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

/// A text of the program's output.
pub fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A running server.
pub struct Server {
    child: Child,
    /// What it printed before it served.
    pub greeting: String,
    pub endpoint: String,
}

impl Server {
    /// Starts the program in `folder` and waits for its endpoint.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.as_mut().expect("its output");
        let (mut greeting, mut lines) = (String::new(), BufReader::new(stdout).lines());
        while !greeting.contains("new AWSAppSyncClient") {
            let Some(Ok(line)) = lines.next() else {
                let mut why = String::new();
                let _ = child
                    .stderr
                    .take()
                    .map(|mut err| err.read_to_string(&mut why));
                panic!("the program ended before it served: {greeting}{why}");
            };
            greeting.push_str(&line);
            greeting.push('\n');
        }
        let endpoint = greeting
            .lines()
            .find_map(|line| line.trim().strip_prefix("endpoint"))
            .expect("the endpoint is printed");
        Self {
            endpoint: endpoint.trim().to_owned(),
            child,
            greeting,
        }
    }

    /// A stage as the tests talk to it.
    pub fn mesh(&self, key: &str) -> TestMesh {
        TestMesh::at(&self.endpoint, key, trust::client(&self.endpoint))
    }

    /// SIGKILL: no goodbye, no flush.
    pub fn is_killed(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }

    /// Sends SIGTERM to this process.
    pub fn is_asked_to_stop(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for its end; answers its exit code and its log.
    pub fn ends(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("its log");
        stderr.read_to_string(&mut log).expect("a log of text");
        (self.child.wait().expect("its end").code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder to work in.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

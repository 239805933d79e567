//! A server for one run: this program, started as a process of its own, in a temporary
//! folder, with limits that fit the run.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

use crate::args::{BenchArgs, ServedStore};
use crate::platform::ignore_ctrl_c;

/// Connections, groups and nodes besides those of the run.
const MARGIN: u32 = 100;

/// A running server. Dropping it ends the process and removes the folder.
pub struct LocalServer {
    child: Child,
    /// Kept open: the server may still write to it.
    _output: BufReader<ChildStdout>,
    folder: PathBuf,
    /// Its URL.
    pub endpoint: String,
    /// Its API key.
    pub key: String,
}

impl LocalServer {
    /// Starts a server and waits until it serves.
    pub fn start(store: ServedStore, args: &BenchArgs, connections: u32) -> anyhow::Result<Self> {
        let name = format!("mesh-v2-bench-{}", uuid::Uuid::new_v4().simple());
        let folder = args
            .data
            .clone()
            .unwrap_or_else(std::env::temp_dir)
            .join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let key = format!("da2-{}", uuid::Uuid::new_v4().simple());
        let started = launch(&folder, store, args, connections, &key);
        let Ok((child, output, endpoint)) = started else {
            let _ = std::fs::remove_dir_all(&folder);
            return Err(started.expect_err("just seen"));
        };
        Ok(Self {
            child,
            _output: output,
            folder,
            endpoint,
            key,
        })
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn launch(
    folder: &Path,
    store: ServedStore,
    args: &BenchArgs,
    connections: u32,
    key: &str,
) -> anyhow::Result<(Child, BufReader<ChildStdout>, String)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let nodes = args.publishers + args.pollers + MARGIN;
    let numbers = [
        ("MESH_MAX_CONNECTIONS", connections + MARGIN),
        ("MESH_MAX_GROUPS", 2 * args.groups + MARGIN),
        ("MESH_MAX_GROUPS_PER_ADDRESS", args.groups + MARGIN),
        ("MESH_MAX_NODES_PER_GROUP", nodes.max(1000)),
        ("MESH_MAX_REPORTERS_PER_GROUP", nodes.max(1000)),
        ("MESH_MAX_CALLS_PER_GROUP", 1_000_000),
        ("MESH_MAX_EVENT_BYTES_PER_GROUP", 1 << 30),
        ("MESH_MAX_STATUS_BYTES", 1 << 24),
        ("MESH_MAX_STATUS_BYTES_PER_GROUP", 1 << 30),
        ("MESH_MAX_ANSWER_BYTES", (1 << 30) + (1 << 20)),
        // Groups outlive the run, and heartbeats disturb no measurement.
        ("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", 3_600),
        ("MESH_HOST_HEARTBEAT_TTL_SECONDS", 200_000),
        ("MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS", 3_600),
        ("MESH_MEMBER_HEARTBEAT_TTL_SECONDS", 200_000),
        ("MESH_DEFAULT_CONNECTION_TIME_SECONDS", 200_000),
        ("MESH_MAX_CONNECTION_TIME_SECONDS", 200_000),
        ("MESH_IDLE_SECONDS", 3_600),
    ];
    let store = match store {
        ServedStore::Memory => "memory",
        ServedStore::Embedded => "embedded",
    };
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--store", store])
        // Neither an .env file nor this environment changes its settings.
        .current_dir(folder)
        .env_clear()
        // Windows opens no socket without it.
        .envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)))
        .env("MESH_API_KEYS", key)
        .env("MESH_LOG", "error")
        // Its limits are not what is measured.
        .env("MESH_RATE_LIMITS", "off")
        .envs(numbers.map(|(name, number)| (name, number.to_string())))
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    // The tool still needs the server when it is interrupted.
    ignore_ctrl_c(&mut command);
    let mut child = command.spawn().context("cannot start a server")?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    while output.read_line(&mut line).unwrap_or_default() > 0 {
        if let Some(endpoint) = line.trim().strip_prefix("endpoint") {
            let endpoint = endpoint.trim().to_owned();
            return Ok((child, output, endpoint));
        }
        line.clear();
    }
    let _ = child.kill();
    let _ = child.wait();
    bail!("the server that --serve started has ended: see above")
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // Its data is removed, so a clean shutdown has no use.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

//! What differs between systems: signals and process groups.

use std::io;
use std::process::Command;

use tokio::signal::ctrl_c;

/// Waits for a signal that asks the process to end.
#[cfg(unix)]
pub async fn termination() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

/// Waits for a signal that asks the process to end.
#[cfg(not(unix))]
pub async fn termination() -> io::Result<()> {
    ctrl_c().await
}

/// Keeps Ctrl-C from the process that will be started.
pub fn ignore_ctrl_c(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
    #[cfg(not(any(unix, windows)))]
    let _ = command;
}

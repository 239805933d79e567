//! Options of the system's TCP sockets.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Unanswered probes after which the system gives up an idle connection.
const PROBES: u32 = 6;

/// Makes the system end a connection whose peer has been silent for `timeout`: an idle one by
/// keep-alive probes and, on Linux, one that does not acknowledge data by the user timeout.
pub fn watch_peer(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
    let second = Duration::from_secs(1);
    let keep_alive = TcpKeepalive::new()
        .with_time((timeout / 3).max(second))
        .with_interval((timeout * 2 / 3 / PROBES).max(second))
        .with_retries(PROBES);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&keep_alive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(timeout))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_system_ends_a_silent_connection_when_the_server_would() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, _far) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let near = near.unwrap().0;
        watch_peer(&near, Duration::from_mins(3)).unwrap();
        let socket = SockRef::from(&near);
        assert!(socket.keepalive().unwrap());
        let (time, interval) = (
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
        );
        let probes = socket.tcp_keepalive_retries().unwrap();
        assert_eq!(time + interval * probes, Duration::from_mins(3));
        #[cfg(target_os = "linux")]
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(Duration::from_mins(3))
        );
    }
}

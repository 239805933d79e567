//! Bytes on the wire, for what no correct client sends.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::mesh::{TIMEOUT, TestMesh};
use super::socket::header_in_query;

/// A TCP connection to a server without TLS.
pub struct Wire(pub TcpStream);

impl Wire {
    pub async fn to(mesh: &TestMesh) -> Self {
        Self(
            TcpStream::connect(mesh.address())
                .await
                .expect("a connection"),
        )
    }

    /// A connection upgraded to a WebSocket.
    pub async fn upgraded(mesh: &TestMesh) -> Self {
        let mut wire = Self::to(mesh).await;
        wire.upgrades(mesh, "graphql-ws").await;
        wire
    }

    /// Requests an upgrade with these subprotocols and returns the head of the answer.
    pub async fn upgrades(&mut self, mesh: &TestMesh, protocols: &str) -> String {
        let request = format!(
            "GET /graphql/realtime{} HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             sec-websocket-protocol: {protocols}\r\n\r\n",
            header_in_query(mesh, &mesh.key),
            mesh.address(),
        );
        self.writes(request.as_bytes()).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer to the upgrade"));
        }
        let head = String::from_utf8(head).expect("a head of text");
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        head
    }

    pub async fn writes(&mut self, bytes: &[u8]) {
        self.0
            .write_all(bytes)
            .await
            .expect("the connection takes bytes");
    }

    /// Sends a frame with the mask of a client: `first` holds FIN and the opcode.
    pub async fn frames(&mut self, first: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len())
            .ok()
            .filter(|l| *l < 126)
            .expect("a short frame");
        let mut bytes = vec![first, 0x80 | length, 0, 0, 0, 0];
        bytes.extend_from_slice(payload);
        self.writes(&bytes).await;
    }

    /// Everything that comes until the server ends the connection.
    pub async fn reads_to_the_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        timeout(TIMEOUT, self.0.read_to_end(&mut bytes))
            .await
            .expect("the server ends the connection")
            .expect("an orderly end");
        bytes
    }

    /// The code of the server's close frame; skips frames before it.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            let first = timeout(TIMEOUT, self.0.read_u8())
                .await
                .expect("a frame")
                .expect("a frame");
            let length = match self.0.read_u8().await.expect("a length") {
                126 => usize::from(self.0.read_u16().await.expect("a length")),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.expect("a payload");
            if first == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }

    /// Waits until the server has ended the connection in any way.
    pub async fn ends(&mut self) -> bool {
        let mut bytes = Vec::new();
        timeout(TIMEOUT, self.0.read_to_end(&mut bytes))
            .await
            .is_ok()
    }
}

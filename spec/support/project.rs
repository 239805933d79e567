//! A Scratch or TurboWarp project with cloud variables, as it speaks to the server.

use std::collections::VecDeque;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::mesh::{TIMEOUT, TestMesh};
use super::socket::{Socket, upgrade};

/// How long a close may take.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A project whose socket is open.
pub struct Project {
    pub socket: Socket,
    user: String,
    lines: VecDeque<String>,
}

impl Project {
    /// Opens a socket at this path, without a handshake.
    pub async fn connects(mesh: &TestMesh, path: &str) -> Self {
        Self {
            socket: Socket::open(upgrade(mesh, path, "")).await,
            user: "player".into(),
            lines: VecDeque::new(),
        }
    }

    /// Opens a socket with the join code in its address.
    pub async fn enters(mesh: &TestMesh, code: &str, user: &str) -> Self {
        let code = utf8_percent_encode(code, NON_ALPHANUMERIC);
        let mut project = Self::connects(mesh, &format!("/cloud/{code}")).await;
        project.shakes_hands("no code", user).await;
        project
    }

    /// Opens a socket and names the project in the handshake.
    pub async fn opens(mesh: &TestMesh, project: &str, user: &str) -> Self {
        let mut opened = Self::connects(mesh, "/cloud").await;
        opened.shakes_hands(project, user).await;
        opened
    }

    pub async fn shakes_hands(&mut self, project: &str, user: &str) {
        user.clone_into(&mut self.user);
        let handshake = json!({"method": "handshake", "project_id": project, "user": user});
        self.socket.sends(&handshake).await;
    }

    /// Sets the variable `☁ key`.
    pub async fn sets(&mut self, key: &str, value: impl Into<Value>) {
        let (name, value) = (format!("☁ {key}"), value.into());
        self.sends(json!({"method": "set", "name": name, "value": value}))
            .await;
    }

    /// Sends a message with the members that Scratch adds to each.
    pub async fn sends(&mut self, mut message: Value) {
        message["user"] = self.user.as_str().into();
        message["project_id"] = "104".into();
        self.socket.sends(&message).await;
    }

    /// The next variable that the server sets, as `key=value`.
    pub async fn gets(&mut self) -> String {
        let next = self.next(TIMEOUT).await;
        next.expect("a message that sets a variable")
    }

    /// Gets this variable, and others before it.
    pub async fn gets_at_last(&mut self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let next = self.gets().await;
            if next == wanted {
                return before;
            }
            before.push(next);
        }
    }

    /// Whether nothing comes for a while.
    pub async fn gets_nothing(&mut self) {
        let next = self.next(Duration::from_millis(300)).await;
        assert_eq!(next, None);
    }

    async fn next(&mut self, limit: Duration) -> Option<String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                let message: Value = serde_json::from_str(&line).expect("JSON in each line");
                assert_eq!(message["method"], "set");
                let name = message["name"].as_str().expect("a name");
                let key = name.strip_prefix("☁ ").expect("a cloud variable");
                let value = message["value"].as_str().expect("a value");
                return Some(format!("{key}={value}"));
            }
            match self.socket.next(limit).await {
                Some(Message::Text(text)) => self.lines.extend(text.lines().map(str::to_owned)),
                Some(Message::Ping(_)) => {}
                None => return None,
                other => panic!("{other:?} instead of a variable"),
            }
        }
    }

    /// The code with which the server closes at once: no group's time ends meanwhile.
    pub async fn is_closed(&mut self) -> u16 {
        let closed = timeout(AT_ONCE, self.socket.is_closed()).await;
        closed.expect("a close")
    }
}

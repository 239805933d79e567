//! What arrived on a WebSocket.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Messages that are kept: what answers may be no server of ours.
const MESSAGES_MAX: usize = 256;

/// What arrived on a socket, and when.
#[derive(Default)]
pub struct Inbox {
    messages: Mutex<Vec<(Instant, Value)>>,
    arrived: Notify,
}

impl Inbox {
    /// Waits for a message that fits; `None` if none comes in time.
    pub async fn wait_for(
        &self,
        wait: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Option<(Instant, Value)> {
        let waiting = async {
            loop {
                let arrived = self.arrived.notified();
                let found = {
                    let messages = self.messages.lock().expect("no panic");
                    messages.iter().find(|(_, message)| fits(message)).cloned()
                };
                if let Some(found) = found {
                    return found;
                }
                arrived.await;
            }
        };
        timeout(wait, waiting).await.ok()
    }

    /// Adds a message.
    pub fn add(&self, text: &str) {
        let message = serde_json::from_str(text).unwrap_or_default();
        let mut messages = self.messages.lock().expect("no panic");
        if messages.len() < MESSAGES_MAX {
            messages.push((Instant::now(), message));
        }
        self.arrived.notify_waiters();
    }
}

//! When the signing keys are fetched: by the clock, and when a token names an unknown key, but
//! never more often than the settings allow, whatever tokens are sent.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// What is done about the signing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshPhase {
    /// They are being fetched.
    Fetching,
    /// They were fetched, and not long enough ago to do it again.
    Resting,
    /// They may be fetched when a token needs it.
    Ready,
}

/// The phase, and the request for the next one.
#[derive(Debug)]
pub struct Refresh {
    phase: watch::Sender<RefreshPhase>,
    wanted: Notify,
}

impl Default for Refresh {
    /// A server begins by fetching.
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(RefreshPhase::Fetching),
            wanted: Notify::new(),
        }
    }
}

impl Refresh {
    /// The fetching has come to a phase.
    pub fn enters(&self, phase: RefreshPhase) {
        self.phase.send_replace(phase);
    }

    /// Waits until a token needs unknown keys.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Waits until the keys were fetched, if they are being fetched or may be.
    pub(super) async fn done(&self, longest: Duration) -> bool {
        let mut phase = self.phase.subscribe();
        let now = *phase.borrow();
        match now {
            RefreshPhase::Resting => return false,
            RefreshPhase::Fetching => {}
            RefreshPhase::Ready => self.wanted.notify_one(),
        }
        let resting = phase.wait_for(|phase| *phase == RefreshPhase::Resting);
        timeout(longest, resting)
            .await
            .is_ok_and(|phase| phase.is_ok())
    }
}

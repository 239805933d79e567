//! A pause in reading from a client that sends too fast.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// A pause, or none.
#[derive(Debug, Default)]
pub struct Pause(Option<Pin<Box<Sleep>>>);

impl Pause {
    /// Begins one.
    pub fn begin(&mut self, time: Duration) {
        self.0 = Some(Box::pin(sleep(time)));
    }

    /// Whether one goes on.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for its end; pending while there is none.
    pub async fn is_over(&mut self) {
        match &mut self.0 {
            Some(time) => {
                time.await;
                self.0 = None;
            }
            None => pending().await,
        }
    }
}

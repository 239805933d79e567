//! The number of connections that the server holds at once.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The slots for connections. Clones share them.
#[derive(Clone, Debug)]
pub struct ConnectionSlots {
    free: Arc<Semaphore>,
    total: usize,
}

impl ConnectionSlots {
    /// `total` free slots.
    pub fn new(total: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(total)),
            total,
        }
    }

    /// Waits for a free slot.
    pub async fn acquire(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_owned().await
    }

    /// A slot, if one is free.
    pub fn try_acquire(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.total - self.free.available_permits().min(self.total)
    }

    /// Whether fewer than a tenth is free.
    pub fn run_low(&self) -> bool {
        self.free.available_permits() * 10 < self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slots_run_low_when_less_than_a_tenth_is_free() {
        let slots = ConnectionSlots::new(20);
        let mut acquired = Vec::new();
        while !slots.run_low() {
            acquired.push(slots.acquire().await);
        }
        assert_eq!(acquired.len(), 19);
        acquired.pop();
        assert!(!slots.run_low());
    }
}

//! Whether a socket's peer is still there. Nothing here waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The places for connections. Clones share them.
#[derive(Clone, Debug)]
pub struct ConnectionSlots {
    free: Arc<Semaphore>,
    all: usize,
}

impl ConnectionSlots {
    /// So many.
    pub fn new(all: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    /// Waits for one.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_owned().await
    }

    /// Whether fewer than a tenth is free.
    pub fn run_short(&self) -> bool {
        self.free.available_permits() * 10 < self.all
    }
}

/// When a peer was heard, and whether it was asked for a sign of life since.
#[derive(Debug)]
pub struct Liveness {
    heard: Instant,
    asked: Option<Instant>,
}

/// What a look at a peer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It was heard lately.
    Alive,
    /// It is to be asked.
    Ask,
    /// It was asked and did not answer in time.
    Gone,
}

impl Liveness {
    /// A peer that was heard just now.
    pub fn new(now: Instant) -> Self {
        Self {
            heard: now,
            asked: None,
        }
    }

    /// Something came from the peer.
    pub fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Looks at a peer that may be silent up to `timeout`; the next look comes after `next`.
    /// It has at least a third of the time to answer, also when the time was shortened.
    pub fn look(&mut self, now: Instant, timeout: Duration, next: Duration) -> Look {
        let silence = now - self.heard;
        if silence + next <= timeout / 2 {
            return Look::Alive;
        }
        let asked = *self.asked.get_or_insert(now);
        if silence + next > timeout && now - asked >= timeout / 3 {
            Look::Gone
        } else {
            Look::Ask
        }
    }
}

/// Whether a peer takes what is written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// It took what was written last, or its system did.
    #[default]
    Taken,
    /// It took nothing.
    Stalled,
    /// It took something after it had taken nothing: it reads.
    Resumed,
}

impl Flow {
    /// Something was to be written, and was `taken` or not.
    pub fn tried(&mut self, taken: bool) {
        *self = match self {
            _ if !taken => Self::Stalled,
            Self::Stalled | Self::Resumed => Self::Resumed,
            Self::Taken => Self::Taken,
        };
    }

    /// Whether it resumed since this was asked last.
    pub fn take_resumed(&mut self) -> bool {
        let resumed = *self == Self::Resumed;
        if resumed {
            *self = Self::Taken;
        }
        resumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(20);

    /// After how many seconds a peer is given up that was heard `before` the first look.
    fn gives_up_after(before: Duration, timeout: u64) -> u64 {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let timeout = Duration::from_secs(timeout);
        let mut now = start + before;
        let mut asked = 0;
        loop {
            match liveness.look(now, timeout, KEEP_ALIVE) {
                Look::Gone => break,
                Look::Ask => asked += 1,
                Look::Alive => assert_eq!(asked, 0),
            }
            now += KEEP_ALIVE;
        }
        assert!(asked > 0, "nobody is given up without being asked");
        (now - start).as_secs()
    }

    #[test]
    fn a_silent_peer_is_given_up_in_time_whenever_it_was_heard_last() {
        for before in 0..20 {
            let before = Duration::from_secs(before);
            let after = gives_up_after(before, 180);
            assert!((160..=180).contains(&after), "{before:?}: {after}");
            let after = gives_up_after(before, 60);
            assert!((40..=60).contains(&after), "{before:?}: {after}");
        }
    }

    #[test]
    fn any_answer_starts_the_time_anew() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let minutes = |n| start + Duration::from_mins(n);
        let timeout = Duration::from_mins(3);
        assert_eq!(liveness.look(minutes(2), timeout, KEEP_ALIVE), Look::Ask);
        liveness.heard(minutes(2));
        assert_eq!(liveness.look(minutes(3), timeout, KEEP_ALIVE), Look::Alive);
        assert_eq!(liveness.look(minutes(4), timeout, KEEP_ALIVE), Look::Ask);
        assert_eq!(liveness.look(minutes(5), timeout, KEEP_ALIVE), Look::Gone);
    }

    #[test]
    fn a_time_that_was_shortened_gives_up_nobody_who_was_not_asked() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let (at, short) = (|s| start + Duration::from_secs(s), Duration::from_mins(1));
        assert_eq!(liveness.look(at(80), short, KEEP_ALIVE), Look::Ask);
        assert_eq!(liveness.look(at(100), short, KEEP_ALIVE), Look::Gone);
    }

    #[tokio::test]
    async fn places_run_short_when_less_than_a_tenth_is_free() {
        let places = ConnectionSlots::new(20);
        let mut taken = Vec::new();
        while !places.run_short() {
            taken.push(places.take().await);
        }
        assert_eq!(taken.len(), 19);
        taken.pop();
        assert!(!places.run_short());
    }
}

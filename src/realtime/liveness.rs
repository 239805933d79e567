//! Whether a socket's peer still answers. Nothing here waits.

use std::time::Duration;

use tokio::time::Instant;

/// When a peer was last active, and since when a ping is unanswered.
#[derive(Debug)]
pub struct Liveness {
    last_active: Instant,
    pinged: Option<Instant>,
}

/// The result of a keep-alive check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAliveCheck {
    /// The peer was active lately.
    Alive,
    /// A ping is due.
    PingDue,
    /// The peer was pinged and did not answer in time.
    TimedOut,
}

impl Liveness {
    /// A peer that is active now.
    pub fn new(now: Instant) -> Self {
        Self {
            last_active: now,
            pinged: None,
        }
    }

    /// Something came from the peer.
    pub fn record_activity(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Checks a peer that may be silent up to `timeout`; the next check comes after `next`.
    /// The peer has at least a third of `timeout` to answer, also when it was shortened.
    pub fn check(&mut self, now: Instant, timeout: Duration, next: Duration) -> KeepAliveCheck {
        let silence = now - self.last_active;
        if silence + next <= timeout / 2 {
            return KeepAliveCheck::Alive;
        }
        let pinged = *self.pinged.get_or_insert(now);
        if silence + next > timeout && now - pinged >= timeout / 3 {
            KeepAliveCheck::TimedOut
        } else {
            KeepAliveCheck::PingDue
        }
    }
}

/// Whether a peer accepts what is written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteProgress {
    /// The socket accepted the last write.
    #[default]
    Flowing,
    /// The socket accepted nothing: its buffers are full.
    Stalled,
    /// The socket accepts again after it was stalled: the peer reads.
    Resumed,
}

impl WriteProgress {
    /// A write was tried, and `accepted` or not.
    pub fn record(&mut self, accepted: bool) {
        *self = match self {
            _ if !accepted => Self::Stalled,
            Self::Stalled | Self::Resumed => Self::Resumed,
            Self::Flowing => Self::Flowing,
        };
    }

    /// Whether it resumed since the last call.
    pub fn take_resumed(&mut self) -> bool {
        let resumed = *self == Self::Resumed;
        if resumed {
            *self = Self::Flowing;
        }
        resumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(20);

    /// After how many seconds a peer times out that was active `before` the first check.
    fn times_out_after(before: Duration, timeout: u64) -> u64 {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let timeout = Duration::from_secs(timeout);
        let mut now = start + before;
        let mut pings = 0;
        loop {
            match liveness.check(now, timeout, KEEP_ALIVE) {
                KeepAliveCheck::TimedOut => break,
                KeepAliveCheck::PingDue => pings += 1,
                KeepAliveCheck::Alive => assert_eq!(pings, 0),
            }
            now += KEEP_ALIVE;
        }
        assert!(pings > 0, "no peer times out without a ping");
        (now - start).as_secs()
    }

    #[test]
    fn a_silent_peer_times_out_whenever_it_was_active_last() {
        for before in 0..20 {
            let before = Duration::from_secs(before);
            let after = times_out_after(before, 180);
            assert!((160..=180).contains(&after), "{before:?}: {after}");
            let after = times_out_after(before, 60);
            assert!((40..=60).contains(&after), "{before:?}: {after}");
        }
    }

    #[test]
    fn any_activity_restarts_the_timeout() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let mut check = |minutes, active| {
            let now = start + Duration::from_mins(minutes);
            let check = liveness.check(now, Duration::from_mins(3), KEEP_ALIVE);
            if active {
                liveness.record_activity(now);
            }
            check
        };
        assert_eq!(check(2, true), KeepAliveCheck::PingDue);
        assert_eq!(check(3, false), KeepAliveCheck::Alive);
        assert_eq!(check(4, false), KeepAliveCheck::PingDue);
        assert_eq!(check(5, false), KeepAliveCheck::TimedOut);
    }

    #[test]
    fn after_the_timeout_was_shortened_no_peer_times_out_without_a_ping() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let (at, short) = (|s| start + Duration::from_secs(s), Duration::from_mins(1));
        let mut check = |seconds| liveness.check(at(seconds), short, KEEP_ALIVE);
        assert_eq!(check(80), KeepAliveCheck::PingDue);
        assert_eq!(check(100), KeepAliveCheck::TimedOut);
    }
}

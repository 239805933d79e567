//! A topic's last messages, for subscribers that come back after a break (docs/protocols.md).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::hub::publication::Publication;
use crate::memory::{Lease, Memory, Purpose, Work};

/// What a history takes besides its messages, with the topic that it keeps, about.
const EMPTY_BYTES: usize = 1024;
/// The largest share of the memory budget for all histories, in percent.
const SHARE_PERCENT: usize = 10;

/// What a topic keeps for subscribers that come back.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How long a message is kept, and a topic without subscribers.
    pub age: Duration,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 512 * 1024,
            age: Duration::from_mins(1),
        }
    }
}

/// A position in a topic: how many messages it had in its epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Another one after the topic or the server began anew.
    pub epoch: Arc<str>,
    /// The number of messages up to here.
    pub offset: u64,
}

/// A subscriber's request for positions.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The position of the last message that it received, if it has one.
    pub after: Option<Position>,
    /// Whether the group is alive: only then its topic is kept without subscribers.
    pub keep: bool,
}

/// Where such a subscriber starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The position before the first message that it gets.
    pub position: Position,
    /// Whether it misses nothing since its last position; `None` if it had none.
    pub recovered: Option<bool>,
}

/// The last messages of a topic that has, or had, subscribers that asked for positions.
pub struct History {
    epoch: Arc<str>,
    limits: HistoryLimits,
    /// With the time when they were published, oldest first; the last one is the topic's last.
    messages: VecDeque<(Instant, Arc<Publication>)>,
    bytes: usize,
    /// The subscribers that asked for positions.
    subscribers: usize,
    /// Whether the topic is kept without subscribers.
    keep: bool,
    /// When the last of them left.
    left_at: Instant,
    lease: Lease,
}

impl History {
    /// An empty history.
    pub fn new(limits: HistoryLimits, memory: &Memory) -> Self {
        Self {
            epoch: uuid::Uuid::new_v4().to_string().into(),
            limits,
            messages: VecDeque::new(),
            bytes: 0,
            subscribers: 0,
            keep: false,
            left_at: Instant::now(),
            lease: memory.lease(Purpose::Histories, EMPTY_BYTES),
        }
    }

    /// Adds a subscriber; `next` is the sequence number of the topic's next message. Returns
    /// where it starts, and the messages that it missed.
    pub fn subscribe(&mut self, resume: &Resume, next: u64) -> (Start, Vec<Arc<Publication>>) {
        self.subscribers += 1;
        self.keep |= resume.keep;
        self.remove_expired(Instant::now());
        let missed = resume.after.as_ref().map(|after| self.since(after, next));
        let start = Start {
            position: Position {
                epoch: Arc::clone(&self.epoch),
                offset: next,
            },
            recovered: missed.as_ref().map(Option::is_some),
        };
        (start, missed.flatten().unwrap_or_default())
    }

    /// Removes a subscriber.
    pub fn unsubscribe(&mut self) {
        self.subscribers -= 1;
        self.left_at = Instant::now();
        let memory = self.lease.memory();
        self.keep &= memory.leased(Purpose::Histories) <= memory.share(SHARE_PERCENT);
    }

    /// Whether a subscriber may come back.
    pub fn is_wanted(&self, now: Instant) -> bool {
        self.subscribers > 0 || (self.keep && now < self.left_at + self.limits.age)
    }

    /// Adds the topic's next message. When memory is short, there is no history.
    pub fn push(&mut self, publication: &Arc<Publication>) {
        let (bytes, memory) = (cost(publication), self.lease.memory());
        let of_all = memory.leased(Purpose::Histories) + bytes;
        if of_all > memory.share(SHARE_PERCENT) || memory.admit(Work::Data, bytes).is_err() {
            self.clear();
            return;
        }
        let now = Instant::now();
        self.messages.push_back((now, Arc::clone(publication)));
        self.bytes += bytes;
        self.remove_expired(now);
        self.account();
    }

    /// Removes what is too old.
    pub fn sweep(&mut self, now: Instant) {
        self.remove_expired(now);
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        self.account();
    }

    /// The messages after a position; `None` if they are not all here.
    fn since(&self, after: &Position, next: u64) -> Option<Vec<Arc<Publication>>> {
        let missed = next
            .checked_sub(after.offset)
            .filter(|_| after.epoch == self.epoch)?;
        let missed = usize::try_from(missed).ok()?;
        let first = self.messages.len().checked_sub(missed)?;
        let messages = self.messages.range(first..);
        Some(messages.map(|(_, message)| Arc::clone(message)).collect())
    }

    fn remove_expired(&mut self, now: Instant) {
        while let Some((at, message)) = self.messages.front()
            && (self.messages.len() > self.limits.messages
                || self.bytes > self.limits.bytes
                || *at + self.limits.age < now)
        {
            self.bytes -= cost(message);
            self.messages.pop_front();
        }
    }

    fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.bytes = 0;
        self.account();
    }

    fn account(&mut self) {
        let list = self.messages.capacity() * size_of::<(Instant, Arc<Publication>)>();
        self.lease.resize(EMPTY_BYTES + list + self.bytes);
    }
}

/// What a message counts: its own bytes, which are leased elsewhere until it is dropped, and
/// those of its rendering.
fn cost(publication: &Publication) -> usize {
    2 * publication.bytes()
}

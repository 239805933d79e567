//! What one subscriber hears, message by message: nothing here waits.

use std::sync::atomic::Ordering::Relaxed;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::caller::shown;
use crate::group::Group;
use crate::seen::Seen;
use crate::stamp::{Kind, Stamp};
use crate::tally::Tally;

/// What a message without a stamp is.
#[derive(Deserialize)]
struct Aside<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

/// What one subscriber has heard.
pub struct Ear<'a> {
    group: &'a Group,
    tally: &'a Tally,
    own_id: Finder<'a>,
    /// What was heard of each publisher.
    pub seen: Vec<Seen>,
    ready: bool,
    /// The stage wants a pong.
    pub pinged: bool,
    /// Why the stage ended the subscription.
    pub ended: Option<String>,
    // Of the current batch:
    messages: u64,
    bytes: u64,
    sent_at: Vec<u64>,
}

impl<'a> Ear<'a> {
    /// Nothing yet, of the subscription `id`.
    pub fn new(id: &'a str, group: &'a Group, tally: &'a Tally) -> Self {
        Self {
            group,
            tally,
            own_id: Finder::new(id.as_bytes()),
            seen: Vec::new(),
            ready: false,
            pinged: false,
            ended: None,
            messages: 0,
            bytes: 0,
            sent_at: Vec::new(),
        }
    }

    /// Takes a message: checks where it belongs and when it was sent.
    pub fn take(&mut self, message: &[u8]) {
        let Some(stamp) = Stamp::find(message) else {
            return self.take_aside(message);
        };
        if stamp.group != self.group.index || self.own_id.find(message).is_none() {
            self.tally.misrouted.fetch_add(1, Relaxed);
            return;
        }
        if stamp.kind == Kind::Probe {
            if !std::mem::replace(&mut self.ready, true) {
                self.tally.ready.fetch_add(1, Relaxed);
            }
            return;
        }
        let publisher = stamp.publisher as usize;
        if publisher >= self.seen.len() {
            self.seen.resize_with(publisher + 1, Seen::default);
        }
        self.seen[publisher].hear(stamp.sequence);
        self.messages += 1;
        self.bytes += message.len() as u64;
        if self.tally.measures(stamp.nanos) {
            self.sent_at.push(stamp.nanos);
        }
    }

    fn take_aside(&mut self, message: &[u8]) {
        let kind = serde_json::from_slice(message).map_or("", |aside: Aside<'_>| aside.kind);
        match kind {
            "ka" | "pong" => {}
            "ping" => self.pinged = true,
            "complete" | "error" | "connection_error" => self.ended = Some(shown(message)),
            _ => {
                self.tally.strange.fetch_add(1, Relaxed);
                self.tally
                    .trouble(|| format!("a message of nobody was heard: {}", shown(message)));
            }
        }
    }

    /// Adds a batch to what the whole run received. It counts as received now, at its end:
    /// one look at the clock for all of it.
    pub fn count(&mut self) {
        if self.messages > 0 {
            self.group.hear(self.messages);
            self.tally.hear(self.messages, self.bytes, &self.sent_at);
            self.sent_at.clear();
            (self.messages, self.bytes) = (0, 0);
        }
    }
}

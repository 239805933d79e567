//! What one subscriber received, message by message: nothing here waits.

use std::sync::atomic::Ordering::Relaxed;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::counters::Counters;
use crate::group::Group;
use crate::http_client::excerpt;
use crate::sequence::SequenceTracker;
use crate::tag::{Kind, Tag};

/// A protocol message, which carries no tag.
#[derive(Deserialize)]
struct ProtocolMessage<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
}

/// Checks and counts what one subscriber receives.
pub struct Receiver<'a> {
    group: &'a Group,
    counters: &'a Counters,
    subscription_id: Finder<'a>,
    /// What was received of each publisher.
    pub trackers: Vec<SequenceTracker>,
    ready: bool,
    /// The server waits for a pong.
    pub pinged: bool,
    /// Why the server ended the subscription.
    pub ended: Option<String>,
    batch: Batch,
}

/// Messages since the last flush.
#[derive(Default)]
struct Batch {
    messages: u64,
    bytes: u64,
    /// When those were sent that are measured.
    sent_at: Vec<u64>,
}

impl<'a> Receiver<'a> {
    /// Receives for one subscription.
    pub fn new(subscription_id: &'a str, group: &'a Group, counters: &'a Counters) -> Self {
        Self {
            group,
            counters,
            subscription_id: Finder::new(subscription_id.as_bytes()),
            trackers: Vec::new(),
            ready: false,
            pinged: false,
            ended: None,
            batch: Batch::default(),
        }
    }

    /// Takes a message: checks its group, its subscription and its sequence number.
    pub fn receive(&mut self, message: &[u8]) {
        let Some(tag) = Tag::find(message) else {
            return self.receive_protocol_message(message);
        };
        if tag.group != self.group.index || self.subscription_id.find(message).is_none() {
            self.counters.misrouted.fetch_add(1, Relaxed);
            return;
        }
        if tag.kind == Kind::Probe {
            if !std::mem::replace(&mut self.ready, true) {
                self.counters.ready.fetch_add(1, Relaxed);
            }
            return;
        }
        SequenceTracker::of(&mut self.trackers, tag.publisher).record(tag.sequence);
        self.batch.messages += 1;
        self.batch.bytes += message.len() as u64;
        if self.counters.measures(tag.sent_at) {
            self.batch.sent_at.push(tag.sent_at);
        }
    }

    fn receive_protocol_message(&mut self, message: &[u8]) {
        let parsed = serde_json::from_slice(message);
        match parsed.map_or("", |message: ProtocolMessage<'_>| message.kind) {
            "ka" | "pong" => {}
            "ping" => self.pinged = true,
            "complete" | "error" | "connection_error" => self.ended = Some(excerpt(message)),
            _ => {
                self.counters.strange.fetch_add(1, Relaxed);
                self.counters.note_error(|| {
                    format!(
                        "a message without a subscription came: {}",
                        excerpt(message)
                    )
                });
            }
        }
    }

    /// Adds the batch to the run's counters. All of it counts as received now, so that the
    /// clock is read once.
    pub fn flush(&mut self) {
        let Batch {
            messages,
            bytes,
            sent_at,
        } = &mut self.batch;
        if *messages > 0 {
            self.group.record_deliveries(*messages);
            self.counters.record_deliveries(*messages, *bytes, sent_at);
            (*messages, *bytes) = (0, 0);
            sent_at.clear();
        }
    }
}

//! One poller: a member that queries its group's events at an interval.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::documents::{POLL_GROUP_DATA, SEND_MEMBER_HEARTBEAT};
use crate::group::Group;
use crate::http_client::{HttpClient, excerpt};
use crate::sequence::SequenceTracker;
use crate::tag::{Kind, Tag};

/// Events of a full page: there may be more behind it.
const PAGE: usize = 100;

/// What is read of a response. Reports appear in it as states, not as messages.
#[derive(Deserialize)]
struct Response {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    poll_group_data: Page,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    payload: Option<String>,
    cursor: String,
}

/// A member that polls.
pub struct Poller {
    /// Its connection.
    pub client: HttpClient,
    /// Its group.
    pub group: Arc<Group>,
    /// Its node id.
    pub node: String,
    /// From the run's begin to its first poll.
    pub offset: Duration,
    /// From one poll to the next.
    pub interval: Duration,
}

impl Poller {
    /// Polls until it is stopped; returns what it received of each publisher.
    pub async fn run(
        mut self,
        counters: Arc<Counters>,
        stop: CancellationToken,
    ) -> (Arc<Group>, Vec<SequenceTracker>) {
        let (mut trackers, mut since) = (Vec::new(), String::new());
        let mut due = Instant::now() + self.offset;
        let mut heartbeat_due = Instant::now() + self.group.heartbeat_interval;
        loop {
            if stop.run_until_cancelled(sleep_until(due)).await.is_none() {
                return (self.group, trackers);
            }
            match self.poll(&since).await {
                Ok(events) => {
                    // Behind a full page the next one is polled at once.
                    if events.len() < PAGE {
                        due = (due + self.interval).max(Instant::now());
                    }
                    since = self
                        .receive(&events, &mut trackers, &counters)
                        .unwrap_or(since);
                }
                Err(error) => {
                    due = Instant::now() + self.interval;
                    counters.note_error(|| format!("a poll failed: {error:#}"));
                }
            }
            if heartbeat_due <= Instant::now() {
                heartbeat_due = Instant::now() + self.group.heartbeat_interval;
                let node = self.group.arguments(json!({"nodeId": self.node}));
                if let Err(error) = self.client.execute(SEND_MEMBER_HEARTBEAT, &node).await {
                    counters.note_error(|| format!("a poller's heartbeat failed: {error:#}"));
                }
            }
        }
    }

    async fn poll(&mut self, since: &str) -> anyhow::Result<Vec<Event>> {
        let variables = self.group.arguments(json!({"since": since}));
        let body = json!({"query": POLL_GROUP_DATA, "variables": variables}).to_string();
        let (status, body) = self.client.post(Bytes::from(body)).await?;
        let response: Result<Response, _> = serde_json::from_slice(&body);
        match response {
            Ok(response) if status.is_success() => Ok(response.data.poll_group_data.events),
            _ => anyhow::bail!("{status}: {}", excerpt(&body)),
        }
    }

    /// Records a page of events; returns the cursor of the last one.
    fn receive(
        &self,
        events: &[Event],
        trackers: &mut Vec<SequenceTracker>,
        counters: &Counters,
    ) -> Option<String> {
        let now = counters.now();
        for event in events {
            let payload = event.payload.as_deref().unwrap_or_default();
            let tag = match Tag::find(payload.as_bytes()) {
                Some(tag) if tag.kind == Kind::Event => tag,
                Some(tag) if tag.kind == Kind::Probe => continue,
                _ => {
                    counters.strange.fetch_add(1, Relaxed);
                    continue;
                }
            };
            if tag.group != self.group.index {
                counters.misrouted.fetch_add(1, Relaxed);
                continue;
            }
            SequenceTracker::of(trackers, tag.publisher).record(tag.event);
            counters.polled.fetch_add(1, Relaxed);
            if counters.measures(tag.sent_at) {
                let latency = now.saturating_sub(tag.sent_at);
                counters.latencies().polled.saturating_record(latency);
            }
        }
        events.last().map(|event| event.cursor.clone())
    }
}

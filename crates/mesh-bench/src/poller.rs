//! One poller: a member that reads its group's events every now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, shown};
use crate::group::Group;
use crate::seen::Seen;
use crate::stamp::{Kind, Stamp};
use crate::tally::Tally;
use crate::words;

/// Events of a full answer: there may be more (contract 1.3, getEventsSince).
const PAGE: usize = 100;

/// What is read of an answer; reports stand in it as states, not as messages.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    poll_group_data: Polled,
}

#[derive(Deserialize)]
struct Polled {
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
    pub caller: Caller,
    /// Its group.
    pub group: Arc<Group>,
    /// Its node.
    pub node: String,
    /// How long after the run's begin it polls first.
    pub offset: Duration,
    /// How often it polls.
    pub every: Duration,
}

impl Poller {
    /// Polls until told to stop; answers what was read of each publisher's events.
    pub async fn poll(
        mut self,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> (Arc<Group>, Vec<Seen>) {
        let (mut seen, mut since) = (Vec::new(), String::new());
        let mut due = Instant::now() + self.offset;
        let mut beat = Instant::now() + self.group.interval;
        loop {
            if stop.run_until_cancelled(sleep_until(due)).await.is_none() {
                return (self.group, seen);
            }
            match self.read(&since).await {
                Ok(events) => {
                    // The next page of a full one is not waited for.
                    if events.len() < PAGE {
                        due = (due + self.every).max(Instant::now());
                    }
                    since = self.take(&events, &mut seen, &tally).unwrap_or(since);
                }
                Err(error) => {
                    due = Instant::now() + self.every;
                    tally.trouble(|| format!("a poll failed: {error:#}"));
                }
            }
            if beat <= Instant::now() {
                beat = Instant::now() + self.group.interval;
                let alive = self.group.and(json!({"nodeId": self.node}));
                if let Err(error) = self.caller.ask(words::BEAT, &alive).await {
                    tally.trouble(|| format!("a poller's heartbeat failed: {error:#}"));
                }
            }
        }
    }

    async fn read(&mut self, since: &str) -> anyhow::Result<Vec<Event>> {
        let variables = self.group.and(json!({"since": since}));
        let body = json!({"query": words::POLL, "variables": variables}).to_string();
        let (status, body) = self.caller.post(Bytes::from(body)).await?;
        let answer: Result<Answer, _> = serde_json::from_slice(&body);
        match answer {
            Ok(answer) if status.is_success() => Ok(answer.data.poll_group_data.events),
            _ => anyhow::bail!("{status}: {}", shown(&body)),
        }
    }

    /// Takes a page of events; answers the last one's cursor.
    fn take(&self, events: &[Event], seen: &mut Vec<Seen>, tally: &Tally) -> Option<String> {
        let arrived = tally.now();
        for event in events {
            let payload = event.payload.as_deref().unwrap_or_default();
            let stamp = Stamp::find(payload.as_bytes()).filter(|stamp| stamp.kind == Kind::Event);
            let Some(stamp) = stamp else {
                tally.strange.fetch_add(1, Relaxed);
                continue;
            };
            if stamp.group != self.group.index {
                tally.misrouted.fetch_add(1, Relaxed);
                continue;
            }
            let publisher = stamp.publisher as usize;
            if publisher >= seen.len() {
                seen.resize_with(publisher + 1, Seen::default);
            }
            seen[publisher].hear(stamp.event);
            tally.polled.fetch_add(1, Relaxed);
            if tally.measures(stamp.nanos) {
                let taken = arrived.saturating_sub(stamp.nanos);
                tally.latencies().polled.saturating_record(taken);
            }
        }
        events.last().map(|event| event.cursor.clone())
    }
}

//! One publisher: a member that sends mutations over its own connection, one after another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use memchr::memmem;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::group::Group;
use crate::http_client::{HttpClient, excerpt};
use crate::payloads::{Operation, Payloads};
use crate::tag::{Kind, Tag};

/// How long to wait for a permit before publishing without one: deliveries may be lost. They
/// count as lost only if they are still missing at the end.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Mutations without a response, one after another, after which a publisher gives up.
const FAILURES_MAX: u32 = 5;

/// When the next message is due.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// At fixed times.
    Every {
        /// From one message to the next.
        interval: Duration,
        /// To the first one.
        offset: Duration,
    },
    /// As soon as the group has a permit.
    Unthrottled,
}

/// What a publisher sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// All messages.
    pub messages: u32,
    /// The events among them.
    pub events: u32,
    /// Messages that the server refused or did not answer.
    pub rejected: BTreeSet<u32>,
    /// The same, numbered among the events.
    pub rejected_events: BTreeSet<u32>,
}

/// A member that publishes.
pub struct Publisher {
    /// Its connection.
    pub client: HttpClient,
    /// Its group.
    pub group: Arc<Group>,
    /// Its number in the group.
    pub number: u32,
    /// What it sends.
    pub payloads: Payloads,
    /// Whether subscribers give permits back, or the response does.
    pub has_subscribers: bool,
}

impl Publisher {
    /// Publishes one message that counts nowhere.
    pub async fn probe(&mut self, counters: &Counters) -> anyhow::Result<()> {
        let tag = self.tag(Kind::Probe, &Sent::default(), counters.now());
        let body = self.payloads.body(Operation::Report, &tag);
        let (status, response) = self.client.post(body.into()).await?;
        anyhow::ensure!(
            is_accepted(status, &response),
            "{status}: {}",
            excerpt(&response)
        );
        Ok(())
    }

    /// Publishes until it is stopped.
    pub async fn run(
        mut self,
        operations: Arc<Vec<Operation>>,
        pace: Pace,
        counters: Arc<Counters>,
        stop: CancellationToken,
    ) -> (u32, u32, Sent) {
        let mut sent = Sent::default();
        let mut due = match pace {
            Pace::Every { offset, .. } => Instant::now() + offset,
            Pace::Unthrottled => Instant::now(),
        };
        let mut failures = 0;
        // Each publisher begins elsewhere: real clients do not all send the same at once.
        let begin = self.number as usize % operations.len();
        for operation in operations.iter().cycle().skip(begin) {
            // A message that was due before the last response came waited for the server:
            // that time counts.
            let late = match pace {
                Pace::Every { .. } => Instant::now().saturating_duration_since(due),
                Pace::Unthrottled => Duration::ZERO,
            };
            let waited = stop.run_until_cancelled(self.wait(pace, due)).await;
            if waited.is_none() || failures == FAILURES_MAX {
                break;
            }
            if let Pace::Every { interval, .. } = pace {
                due += interval;
            }
            let late = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
            let sent_at = counters.now().saturating_sub(late);
            let tag = self.tag(operation.kind(), &sent, sent_at);
            let accepted = self.publish(*operation, &tag, &counters).await;
            failures = if accepted.is_some() { 0 } else { failures + 1 };
            self.record(&tag, accepted == Some(true), &mut sent);
        }
        (self.group.index, self.number, sent)
    }

    async fn wait(&self, pace: Pace, due: Instant) {
        if let Pace::Every { .. } = pace {
            return sleep_until(due).await;
        }
        if let Ok(Ok(permit)) = timeout(PERMIT_TIMEOUT, self.group.in_flight.acquire()).await {
            permit.forget();
        }
    }

    fn tag(&self, kind: Kind, sent: &Sent, sent_at: u64) -> Tag {
        Tag {
            kind,
            group: self.group.index,
            publisher: self.number,
            sequence: sent.messages,
            event: sent.events,
            sent_at,
        }
    }

    /// Whether the server accepted the message; `None` if it did not answer.
    async fn publish(
        &mut self,
        operation: Operation,
        tag: &Tag,
        counters: &Counters,
    ) -> Option<bool> {
        let asked = counters.now();
        let body = self.payloads.body(operation, tag);
        match self.client.post(body.into()).await {
            Ok((status, response)) if is_accepted(status, &response) => {
                counters.published.fetch_add(1, Relaxed);
                if counters.measures(tag.sent_at) {
                    let latency = counters.now() - asked;
                    counters.record_answer(latency);
                }
                Some(true)
            }
            Ok((status, response)) => {
                counters.refused.fetch_add(1, Relaxed);
                counters.note_error(|| {
                    format!("a message was refused: {status} {}", excerpt(&response))
                });
                Some(false)
            }
            Err(error) => {
                counters.unanswered.fetch_add(1, Relaxed);
                counters.note_error(|| format!("a message was not answered: {error:#}"));
                None
            }
        }
    }

    fn record(&self, tag: &Tag, accepted: bool, sent: &mut Sent) {
        sent.messages += 1;
        if !accepted {
            sent.rejected.insert(tag.sequence);
        }
        if tag.kind == Kind::Event {
            sent.events += 1;
            if !accepted {
                sent.rejected_events.insert(tag.event);
            }
        }
        if !accepted || !self.has_subscribers {
            self.group.in_flight.add_permits(1);
        }
    }
}

fn is_accepted(status: hyper::StatusCode, response: &[u8]) -> bool {
    status.is_success() && memmem::find(response, br#""errors":"#).is_none()
}

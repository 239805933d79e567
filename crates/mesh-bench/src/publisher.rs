//! One publisher: a member that sends messages over its own connection, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use memchr::memmem;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, shown};
use crate::group::Group;
use crate::stamp::{Kind, Stamp};
use crate::tally::Tally;
use crate::words::{Verb, Words};

/// How long to wait for room before a message counts as lost for the flow; it is counted
/// as lost only at the end, if it never comes.
const STALL: Duration = Duration::from_secs(2);
/// Calls without an answer, one after the other, after which a publisher gives up.
const FAILURES: u32 = 5;

/// When the next message is due.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// At fixed times, the first after `offset`.
    Every {
        /// From one message to the next.
        interval: Duration,
        /// To the first one.
        offset: Duration,
    },
    /// As soon as the group has room.
    Fast,
}

/// What a publisher sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// All messages.
    pub messages: u32,
    /// The events among them.
    pub events: u32,
    /// Messages that the stage did not take, or did not answer.
    pub not_taken: BTreeSet<u32>,
    /// The same, numbered among the events.
    pub events_not_taken: BTreeSet<u32>,
}

/// A member that publishes.
pub struct Publisher {
    /// Its connection.
    pub caller: Caller,
    /// Its group.
    pub group: Arc<Group>,
    /// Its number in the group.
    pub number: u32,
    /// What it says.
    pub words: Words,
    /// Whether room is given back by subscribers, or by the answer.
    pub heard_by_somebody: bool,
}

impl Publisher {
    /// Publishes one message that counts nowhere.
    pub async fn probe(&mut self, tally: &Tally) -> anyhow::Result<()> {
        let stamp = self.stamp(Kind::Probe, &Sent::default(), tally.now());
        let body = self.words.say(Verb::Report, &stamp);
        let (status, answer) = self.caller.post(body.into()).await?;
        anyhow::ensure!(taken(status, &answer), "{status}: {}", shown(&answer));
        Ok(())
    }

    /// Publishes until told to stop.
    pub async fn publish(
        mut self,
        row: Arc<Vec<Verb>>,
        pace: Pace,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> (u32, u32, Sent) {
        let mut sent = Sent::default();
        let mut due = match pace {
            Pace::Every { offset, .. } => Instant::now() + offset,
            Pace::Fast => Instant::now(),
        };
        let mut failures = 0;
        for verb in row.iter().cycle() {
            // A message that was due while the one before was not answered yet waited
            // because of the stage: that time counts.
            let late = match pace {
                Pace::Every { .. } => Instant::now().saturating_duration_since(due),
                Pace::Fast => Duration::ZERO,
            };
            let waiting = stop.run_until_cancelled(self.wait(pace, due)).await;
            if waiting.is_none() || failures == FAILURES {
                break;
            }
            if let Pace::Every { interval, .. } = pace {
                due += interval;
            }
            let late = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
            let stamp = self.stamp(verb.kind(), &sent, tally.now().saturating_sub(late));
            let answered = self.send(*verb, &stamp, &tally).await;
            failures = if answered.is_some() { 0 } else { failures + 1 };
            self.note(&stamp, answered == Some(true), &mut sent);
        }
        (self.group.index, self.number, sent)
    }

    async fn wait(&self, pace: Pace, due: Instant) {
        if let Pace::Every { .. } = pace {
            return sleep_until(due).await;
        }
        if let Ok(Ok(room)) = timeout(STALL, self.group.room.acquire()).await {
            room.forget();
        }
    }

    fn stamp(&self, kind: Kind, sent: &Sent, nanos: u64) -> Stamp {
        Stamp {
            kind,
            group: self.group.index,
            publisher: self.number,
            sequence: sent.messages,
            event: sent.events,
            nanos,
        }
    }

    /// Whether the stage took the message; `None` if it did not answer.
    async fn send(&mut self, verb: Verb, stamp: &Stamp, tally: &Tally) -> Option<bool> {
        let asked = tally.now();
        match self.caller.post(self.words.say(verb, stamp).into()).await {
            Ok((status, answer)) if taken(status, &answer) => {
                tally.published.fetch_add(1, Relaxed);
                if tally.measures(stamp.nanos) {
                    let taken = tally.now() - asked;
                    tally.latencies().answered.saturating_record(taken);
                }
                Some(true)
            }
            Ok((status, answer)) => {
                tally.refused.fetch_add(1, Relaxed);
                tally.trouble(|| format!("a message was refused: {status} {}", shown(&answer)));
                Some(false)
            }
            Err(error) => {
                tally.unanswered.fetch_add(1, Relaxed);
                tally.trouble(|| format!("a message was not answered: {error:#}"));
                None
            }
        }
    }

    fn note(&self, stamp: &Stamp, taken: bool, sent: &mut Sent) {
        sent.messages += 1;
        if !taken {
            sent.not_taken.insert(stamp.sequence);
        }
        if stamp.kind == Kind::Event {
            sent.events += 1;
            if !taken {
                sent.events_not_taken.insert(stamp.event);
            }
        }
        if !taken || !self.heard_by_somebody {
            self.group.room.add_permits(1);
        }
    }
}

fn taken(status: hyper::StatusCode, answer: &[u8]) -> bool {
    status.is_success() && memmem::find(answer, br#""errors":"#).is_none()
}

//! The calls of one socket, one at a time: entering its group, reports and heartbeats.

use futures_util::future::OptionFuture;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::cloud::calls::{CallError, Consequence};
use crate::cloud::close;
use crate::cloud::connection::Connection;
use crate::cloud::entry::Entered;
use crate::cloud::member::Member;
use crate::memory::Work;
use crate::model::status::SensorData;
use crate::realtime::close::Close;

/// A call that ended.
pub enum Outcome {
    Entered(Result<Box<Entered>, Close>),
    Reported(Result<Json, CallError>),
    Heartbeat(Result<Json, CallError>),
}

impl Connection {
    /// Waits for the running call, and reports what the client set last.
    pub(super) async fn finish(&mut self) {
        let pending = self.session.pending();
        match OptionFuture::from(self.running.take()).await {
            Some(Outcome::Entered(Ok(entered))) => self.member = Some(entered.member),
            Some(Outcome::Reported(Err(_))) => pending.on_postponed(),
            _ => pending.on_reported(),
        }
        if let (Some(member), Some(data)) = (&self.member, pending.begin()) {
            let _: Result<_, CallError> = member.report(&data).await;
        }
    }

    /// When the next call is to begin; `None` while one runs or before the socket is a member.
    pub(super) fn next_call(&mut self) -> Option<Instant> {
        if self.running.is_some() || self.member.is_none() {
            return None;
        }
        let report = (self.session.pending().len() > 0).then_some(self.next_report);
        Some(report.map_or(self.next_heartbeat, |at| at.min(self.next_heartbeat)))
    }

    pub(super) fn begin_call(&mut self) {
        let (Some(member), now) = (&self.member, Instant::now()) else {
            return;
        };
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + member.heartbeat_interval();
            let heartbeat = member.heartbeat();
            self.running = Some(Box::pin(async { Outcome::Heartbeat(heartbeat.await) }));
        } else if let Some(data) = self.session.pending().begin() {
            self.next_report = now + self.settings.report_interval;
            let report = member.report(&data);
            self.running = Some(Box::pin(async { Outcome::Reported(report.await) }));
        }
        self.account();
    }

    pub(super) fn on_outcome(&mut self, outcome: Outcome) -> Option<Close> {
        let now = Instant::now();
        match outcome {
            Outcome::Entered(Err(close)) => return Some(close),
            Outcome::Entered(Ok(entered)) => {
                let Entered {
                    member,
                    values,
                    permit,
                } = *entered;
                self.next_heartbeat = now + member.heartbeat_interval();
                let text = self.session.on_entered(member.slot.node.clone(), values);
                if let Some(text) = text {
                    let memory = &self.context.runner.mesh().memory;
                    if memory.admit(Work::Data, text.len()).is_err() {
                        // The node leaves as that of any closed socket.
                        self.member = Some(member);
                        return Some(close::NOT_NOW);
                    }
                    self.outbox.respond(text.into_bytes());
                }
                drop(permit);
                self.member = Some(member);
            }
            Outcome::Reported(Ok(_)) => self.session.pending().on_reported(),
            Outcome::Reported(Err(error)) => match self.consequence(&error) {
                Consequence::Repeat(after) => {
                    self.session.pending().on_postponed();
                    self.next_report = now + after.max(self.settings.report_interval);
                }
                Consequence::Close(close) => return Some(close),
                Consequence::Drop => self.restore(),
            },
            Outcome::Heartbeat(Ok(_)) => {}
            Outcome::Heartbeat(Err(error)) => match self.consequence(&error) {
                Consequence::Close(close) => return Some(close),
                Consequence::Repeat(after) => self.next_heartbeat = now + after,
                Consequence::Drop => {}
            },
        }
        self.account();
        None
    }

    fn consequence(&self, error: &CallError) -> Consequence {
        let ended = self.member.as_ref().map_or(close::ENDED, Member::ended);
        error.on_member(ended)
    }

    /// After a report was refused, the client gets the values that the group has.
    fn restore(&mut self) {
        let keys = self.session.pending().on_refused();
        let Some(project) = self.member.as_ref().map(|member| &member.project) else {
            return;
        };
        let data = keys.into_iter().filter_map(|key| {
            let value = project.value(&key)?;
            Some(SensorData { key, value })
        });
        let data: Vec<_> = data.collect();
        if let Some(text) = self.session.lines(data.iter()) {
            self.outbox.send(&text);
        }
    }
}

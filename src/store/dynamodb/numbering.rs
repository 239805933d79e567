//! Numbers of kept calls. The calls of a group that wait at this server take theirs with one
//! update of the log's record.

use std::sync::Arc;
use std::time::Duration;

use crate::model::cursor::Cursor;
use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey};
use crate::model::time::Timestamp;
use crate::store::Failure;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::{AttemptError, Cause};
use crate::store::dynamodb::group_logs::{GroupLog, NumberResult, Numbered, Waiting};
use crate::store::dynamodb::items::events::void_item;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::log::{LogState, Numbering, Used, take_numbers};
use crate::store::dynamodb::requests::Step;

const DOING: &str = "number a call";
/// How long it is known that a log is full, without reading it again.
const FULL_FOR: Duration = Duration::from_secs(1);
/// Numbers that are voided in one transaction, which has a hundred steps at most.
const VOIDS: usize = 99;
/// How often a log is made that is not there. After that, its group has ended.
const MAKES: usize = 3;

impl DynamoDb {
    /// The next number in the group's log, if the log has room for the call.
    pub(super) async fn number_call(&self, group: &Group, call: Numbering) -> NumberResult {
        let log = self.logs.of(&group.key);
        loop {
            let mut result = log.wait(call, self.settings.log_queue)?;
            let permit = tokio::select! {
                biased;
                numbered = &mut result => match numbered {
                    Ok(numbered) => return numbered,
                    // The call that took numbers for this one was dropped.
                    Err(_) => continue,
                },
                permit = log.turn.acquire() => permit,
            };
            let waiting = log.take_waiting();
            if !waiting.is_empty() {
                Box::pin(self.number_all(group, &log, waiting)).await;
            }
            drop(permit);
            if let Ok(numbered) = result.await {
                return numbered;
            }
        }
    }

    /// Takes numbers for all calls for which the log has room.
    async fn number_all(&self, group: &Group, log: &Arc<GroupLog>, mut waiting: Vec<Waiting>) {
        if let Err(error) = self.refuse_full(group, log, &mut waiting).await {
            return send(waiting, &error);
        }
        if waiting.is_empty() {
            return;
        }
        let calls: Vec<_> = waiting.iter().map(|waiting| waiting.call).collect();
        let state = match self.take_numbers(group, log, &calls).await {
            Ok(state) => state,
            Err(error) => return send(waiting, &error),
        };
        log.learn(&state);
        let used = state.used_before(&calls, self.alive_at(&calls));
        let first = state.next().saturating_sub(calls.len() as u64);
        let mut unused = Vec::new();
        let admitted = used.admit(&calls, &self.limits);
        for ((waiting, admitted), number) in waiting.into_iter().zip(admitted).zip(first..) {
            let index = waiting.call.index;
            let numbered = match (admitted, state.stamp(number)) {
                (Ok(()), Some(stamp)) => Ok(Numbered {
                    last: Cursor { stamp, index },
                    place: log.place(number),
                }),
                (Ok(()), None) => Err(Failure::new(DOING, "the log has no time").into()),
                (Err(full), _) => Err(full.into()),
            };
            // Also those of calls that do not wait any more.
            let is_used = numbered.is_ok();
            if waiting.result.send(numbered).is_err() || !is_used {
                unused.push(number);
            }
        }
        self.give_up(&group.key, &unused, latest(&calls)).await;
    }

    /// Refuses the calls for which the log has no room, as far as that is known: without a write.
    async fn refuse_full(
        &self,
        group: &Group,
        log: &GroupLog,
        waiting: &mut Vec<Waiting>,
    ) -> Result<(), AttemptError> {
        let calls: Vec<_> = waiting.iter().map(|waiting| waiting.call).collect();
        let admit = |state: &LogState| -> Vec<Result<(), ClientError>> {
            let used: Used = state.used(self.alive_at(&calls));
            used.admit(&calls, &self.limits)
        };
        let known = log.known(Duration::MAX);
        let mut admitted = admit(&known.clone().unwrap_or_default());
        // The use of a call that is refused only after it was numbered counts for a while.
        let is_full = admitted.iter().any(Result::is_err);
        if known.is_none() || is_full && log.known(FULL_FOR).is_none() {
            let state = self.read_log(&group.key).await?;
            admitted = admit(&state.unwrap_or_default());
        }
        for (call, admitted) in std::mem::take(waiting).into_iter().zip(admitted) {
            match admitted {
                Ok(()) => waiting.push(call),
                // A call that does not wait any more needs no answer.
                Err(full) => drop(call.result.send(Err(full.into()))),
            }
        }
        Ok(())
    }

    fn alive_at(&self, calls: &[Numbering]) -> impl Fn(Timestamp) -> bool + use<> {
        let (now, rules) = (latest(calls), self.rules);
        move |second| rules.event_alive(second, now)
    }

    /// Takes the next numbers. A log that is not there is made, if the group has not ended.
    async fn take_numbers(
        &self,
        group: &Group,
        log: &GroupLog,
        calls: &[Numbering],
    ) -> Result<LogState, AttemptError> {
        let event_ttl = self.rules.timings().event_ttl;
        let known = log.known(Duration::MAX);
        for _ in 0..MAKES {
            let step = take_numbers(&group.key, known.as_ref(), calls, event_ttl);
            match self.table.update(DOING, step).await {
                Ok(item) => return Ok(LogState::read(&item)?),
                Err(AttemptError::Retry(Cause::Lost, _)) => {}
                Err(error) => return Err(error),
            }
            let make = vec![
                Step::check(Key::head(&group.key)).when("attribute_exists(#pk)"),
                Step::put(LogState::item(group)).when("attribute_not_exists(#pk)"),
            ];
            match self.table.write("make a log", make).await {
                // Another server may have made it.
                Ok(()) | Err(AttemptError::Retry(..)) => {}
                Err(error) => return Err(error),
            }
        }
        self.cache.invalidate(&group.key);
        let ended = Failure::new(DOING, "the group has no log");
        Err(AttemptError::conflict(ended))
    }

    /// The log's record, if there is one.
    pub(super) async fn read_log(
        &self,
        group: &GroupKey,
    ) -> Result<Option<LogState>, AttemptError> {
        let found = self.table.read("read a log", &[Key::log(group)]).await?;
        let found = found.into_iter().next().flatten();
        let state = found.as_ref().map(LogState::read).transpose()?;
        if let Some(state) = &state {
            self.logs.of(group).learn(state);
        }
        Ok(state)
    }

    /// Writes that numbers are not used, unless events were written there. Fails if any was.
    pub(super) async fn void(
        &self,
        group: &GroupKey,
        numbers: &[u64],
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        let event_ttl = self.rules.timings().event_ttl;
        let void = |number: &u64| {
            let void = void_item(group, *number, event_ttl, now);
            Step::put(void).when("attribute_not_exists(#pk)")
        };
        let mut lost = Ok(());
        for numbers in numbers.chunks(VOIDS) {
            // Without the group's head, its records are being removed.
            let head = Step::check(Key::head(group)).when("attribute_exists(#pk)");
            let steps = std::iter::once(head).chain(numbers.iter().map(void));
            let written = self.table.write("void a number", steps.collect()).await;
            match written {
                Err(AttemptError::Retry(Cause::Lost, _)) => lost = written,
                _ => written?,
            }
        }
        lost
    }

    /// The same for numbers that this server took. If it fails, a poll does it.
    pub(super) async fn give_up(&self, group: &GroupKey, numbers: &[u64], now: Timestamp) {
        let error = match self.void(group, numbers, now).await {
            // A poll did it, or the group ended.
            Ok(()) | Err(AttemptError::Retry(Cause::Lost, _)) => return,
            Err(error) => crate::store::Error::from(error),
        };
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "unused numbers of a log are left to the next poll");
    }
}

/// The time of the latest call.
fn latest(calls: &[Numbering]) -> Timestamp {
    let times = calls.iter().map(|call| call.now);
    times.max().unwrap_or(Timestamp::from_millis(0))
}

fn send(waiting: Vec<Waiting>, error: &AttemptError) {
    for call in waiting {
        // A call that does not wait any more needs no answer.
        drop(call.result.send(Err(error.clone())));
    }
}

//! What this server knows of groups' logs: the calls that wait for numbers, the log's record as
//! it was last seen, and where recent pages ended. Only the waiting calls matter for correctness.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use crate::model::cursor::Cursor;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::log::{LogState, Numbering};

/// Ends of pages that are kept for one group, whose pollers continue there.
const PAGES: usize = 64;

/// A number in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The number.
    pub number: u64,
    /// The cursor of the call's last event.
    pub last: Cursor,
}

/// The result of a call that waits for its number.
pub type NumberResult = Result<Numbered, AttemptError>;

/// A call that waits for its number.
#[derive(Debug)]
pub struct Waiting {
    /// The call.
    pub call: Numbering,
    /// Takes its number.
    pub result: oneshot::Sender<NumberResult>,
}

/// A group's log.
#[derive(Debug)]
pub struct GroupLog {
    /// Who has the permit takes numbers for all that wait.
    pub turn: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    known: Option<(LogState, Instant)>,
    pages: VecDeque<(String, u64)>,
}

impl GroupLog {
    fn new() -> Self {
        Self {
            turn: Semaphore::new(1),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call to those that wait, of which there may be `most`.
    pub fn wait(
        &self,
        call: Numbering,
        most: usize,
    ) -> Result<oneshot::Receiver<NumberResult>, ClientError> {
        let mut state = self.lock();
        if state.waiting.len() >= most {
            let what = "the queue of the group's event log";
            return Err(ClientError::Full { what, limit: most });
        }
        let (result, receiver) = oneshot::channel();
        state.waiting.push(Waiting { call, result });
        Ok(receiver)
    }

    /// The calls that wait, which are removed.
    pub fn take_waiting(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// The log's record as it was last seen, if that is not longer ago.
    pub fn known(&self, within: Duration) -> Option<LogState> {
        let state = self.lock();
        let (known, at) = state.known.as_ref()?;
        (at.elapsed() <= within).then(|| known.clone())
    }

    /// Keeps the record that was just seen, unless a later one is known.
    pub fn learn(&self, seen: &LogState) {
        let mut state = self.lock();
        let is_later = |(known, _): &(LogState, _)| known.next() > seen.next();
        if !state.known.as_ref().is_some_and(is_later) {
            state.known = Some((seen.clone(), Instant::now()));
        }
    }

    /// The number of the call with the last event of a page, if `since` is the page's end.
    pub fn page_end(&self, since: &str) -> Option<u64> {
        let state = self.lock();
        let mut pages = state.pages.iter().rev();
        pages
            .find(|(end, _)| end == since)
            .map(|(_, number)| *number)
    }

    /// Keeps the end of a page.
    pub fn add_page(&self, end: String, number: u64) {
        let mut state = self.lock();
        if state.pages.iter().any(|(other, _)| *other == end) {
            return;
        }
        if state.pages.len() >= PAGES {
            state.pages.pop_front();
        }
        state.pages.push_back((end, number));
    }
}

/// The logs of the groups in use.
#[derive(Debug)]
pub struct GroupLogs {
    capacity: usize,
    logs: Mutex<HashMap<GroupKey, Arc<GroupLog>>>,
}

impl GroupLogs {
    /// Up to `capacity` logs, and those in use.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            logs: Mutex::default(),
        }
    }

    /// A group's log.
    pub fn of(&self, group: &GroupKey) -> Arc<GroupLog> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.get(group) {
            return Arc::clone(log);
        }
        if logs.len() >= self.capacity {
            logs.retain(|_, log| Arc::strong_count(log) > 1);
        }
        let log = Arc::new(GroupLog::new());
        logs.insert(group.clone(), Arc::clone(&log));
        log
    }

    /// Forgets the log of a group that ended.
    pub fn forget(&self, group: &GroupKey) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.remove(group);
    }
}

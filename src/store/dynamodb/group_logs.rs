//! What this server knows of groups' logs: the calls that wait for numbers, the log's record as
//! it was last seen, where recent pages ended, and which calls of this server are published next.
//! Only the calls matter for correctness.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, oneshot};

use crate::model::cursor::Cursor;
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::message::Message;
use crate::store::Publisher;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::log::{LogState, Numbering};

/// Ends of pages that are kept for one group, whose pollers continue there.
const PAGES: usize = 64;

/// A number in a log.
#[derive(Debug)]
pub struct Numbered {
    /// The cursor of the call's last event.
    pub last: Cursor,
    /// The number. This server publishes no later call before it is dropped.
    pub place: Place,
}

/// The place of a numbered call among those that this server publishes (decision D18). A call
/// that is not published drops it: it failed, or was dropped itself.
#[derive(Debug)]
pub struct Place {
    /// The number.
    pub number: u64,
    log: Arc<GroupLog>,
    published: Arc<Notify>,
}

impl Place {
    /// Publishes the call's message after those of this server's earlier calls, also if this is
    /// dropped. Waits for that, but not longer than `timeout`: then an earlier write hangs, which
    /// must not stop the class.
    pub async fn publish(
        self,
        publisher: &Arc<dyn Publisher>,
        message: Message,
        timeout: Duration,
    ) {
        self.log
            .set_ready(self.number, Arc::clone(publisher), message);
        let turn = async {
            while self.log.is_unpublished(self.number) {
                self.published.notified().await;
            }
        };
        if tokio::time::timeout(timeout, turn).await.is_err() {
            tracing::warn!("published before an earlier call of the group, whose write hangs");
            self.log.publish_now(self.number);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.log.give_up(self.number);
    }
}

/// A call of this server that is not published yet.
struct Unpublished {
    /// Its message, once its events were written.
    ready: Option<(Arc<dyn Publisher>, Message)>,
    published: Arc<Notify>,
}

impl Unpublished {
    fn publish(&mut self) -> bool {
        let Some((publisher, message)) = self.ready.take() else {
            return false;
        };
        publisher.publish(message);
        self.published.notify_one();
        true
    }
}

impl std::fmt::Debug for Unpublished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpublished").finish_non_exhaustive()
    }
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
    /// Numbers of this server's calls that are not published yet.
    unpublished: BTreeMap<u64, Unpublished>,
}

impl State {
    /// Publishes the calls before which none is missing. A publisher does not wait.
    fn publish_ready(&mut self) {
        while let Some(mut first) = self.unpublished.first_entry() {
            if !first.get_mut().publish() {
                return;
            }
            first.remove();
        }
    }
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

    /// Adds the call with this number to those that this server publishes. Numbers are added in
    /// their order.
    pub fn place(self: &Arc<Self>, number: u64) -> Place {
        let published = Arc::new(Notify::new());
        let unpublished = Unpublished {
            ready: None,
            published: Arc::clone(&published),
        };
        self.lock().unpublished.insert(number, unpublished);
        Place {
            number,
            log: Arc::clone(self),
            published,
        }
    }

    fn set_ready(&self, number: u64, publisher: Arc<dyn Publisher>, message: Message) {
        let mut state = self.lock();
        if let Some(call) = state.unpublished.get_mut(&number) {
            call.ready = Some((publisher, message));
        }
        state.publish_ready();
    }

    fn is_unpublished(&self, number: u64) -> bool {
        self.lock().unpublished.contains_key(&number)
    }

    fn publish_now(&self, number: u64) {
        let mut state = self.lock();
        if let Some(mut call) = state.unpublished.remove(&number) {
            call.publish();
        }
    }

    /// A call that has no message does not stop the next ones any more.
    fn give_up(&self, number: u64) {
        let mut state = self.lock();
        let call = state.unpublished.get(&number);
        if call.is_some_and(|call| call.ready.is_none()) {
            state.unpublished.remove(&number);
            state.publish_ready();
        }
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

#[cfg(test)]
mod tests;

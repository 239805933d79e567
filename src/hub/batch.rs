//! Some of a group's listeners, and what they have yet to hear.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::hub::dispatcher::{Buffers, Dispatcher};
use crate::hub::publication::Publication;
use crate::hub::selection::Selection;
use crate::hub::{Subscriber, lock};
use crate::memory::Lease;

/// Listeners of one audience: so many are spoken to before other work gets a turn.
const BATCH_MAX: usize = 256;
/// Bytes that may wait for the dispatcher; beyond that, whoever publishes speaks.
const WAITING_BYTES: usize = 256 * 1024;
/// Bytes that are rendered before they are handed on.
const RENDERED_BYTES: usize = 256 * 1024;

/// A selection that is held, and counted, as long as somebody uses it.
#[derive(Debug)]
pub struct LeasedSelection {
    selection: Selection,
    _lease: Lease,
}

impl LeasedSelection {
    /// Holds a selection.
    pub fn new(selection: Selection, lease: Lease) -> Self {
        Self {
            selection,
            _lease: lease,
        }
    }

    /// The selection.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }
}

/// Who renders for an audience.
#[derive(Clone)]
pub enum Rendering {
    /// All chose the same fields: each message is rendered once, in the selection's slot.
    Shared(usize, Arc<LeasedSelection>),
    /// Each listener renders what it chose by itself, when it can take it: a socket with
    /// many or wide selections spends its own turns on them, and nobody else's.
    PerSubscriber,
}

/// Up to [`BATCH_MAX`] listeners.
pub struct SubscriberBatch {
    rendering: Rendering,
    dispatcher: Dispatcher,
    state: Mutex<State>,
    /// Held while somebody speaks: passes follow one another.
    speaking: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    listeners: Vec<(u64, Arc<dyn Subscriber>)>,
    /// The same for a pass to take along, made anew after somebody came or went.
    shared: Option<Arc<[Arc<dyn Subscriber>]>>,
    waiting: Vec<Arc<Publication>>,
    waiting_bytes: usize,
    /// What waited when somebody came who is not to hear it.
    earlier: Vec<PendingBatch>,
    /// The dispatcher will come by.
    expected: bool,
}

struct PendingBatch {
    listeners: Arc<[Arc<dyn Subscriber>]>,
    messages: Vec<Arc<Publication>>,
}

impl SubscriberBatch {
    /// An audience of nobody, told by `dispatcher`.
    pub fn new(rendering: Rendering, dispatcher: Dispatcher) -> Arc<Self> {
        Arc::new(Self {
            rendering,
            dispatcher,
            state: Mutex::default(),
            speaking: Mutex::default(),
        })
    }

    /// Who renders for them.
    pub fn rendering(&self) -> &Rendering {
        &self.rendering
    }

    /// Whether one more has room.
    pub fn has_room(&self) -> bool {
        lock(&self.state).listeners.len() < BATCH_MAX
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        lock(&self.state).listeners.is_empty()
    }

    /// How many listen.
    pub fn len(&self) -> usize {
        lock(&self.state).listeners.len()
    }

    /// Takes a listener in; it hears nothing of what waits already.
    pub fn add(&self, id: u64, listener: Arc<dyn Subscriber>) {
        let mut state = lock(&self.state);
        if !state.waiting.is_empty() {
            let round = PendingBatch {
                listeners: state.shared(),
                messages: std::mem::take(&mut state.waiting),
            };
            state.earlier.push(round);
        }
        listener.on_subscribe();
        state.listeners.push((id, listener));
        state.shared = None;
    }

    /// Lets a listener go.
    pub fn remove(&self, id: u64) -> Option<Arc<dyn Subscriber>> {
        let mut state = lock(&self.state);
        let at = state.listeners.binary_search_by_key(&id, |(id, _)| *id);
        let (_, left) = state.listeners.remove(at.ok()?);
        state.shared = None;
        Some(left)
    }

    /// Leaves a message for the dispatcher's next pass; says whether too much waits.
    pub fn post(self: &Arc<Self>, publication: Arc<Publication>) -> bool {
        let mut state = lock(&self.state);
        state.waiting_bytes += publication.bytes();
        state.waiting.push(publication);
        let crowded = state.waiting_bytes > WAITING_BYTES;
        let first = !std::mem::replace(&mut state.expected, true);
        drop(state);
        if first {
            self.dispatcher.expect(Arc::clone(self));
        }
        crowded
    }

    /// Tells everybody what waits.
    pub fn speak(&self, desk: &mut Buffers) {
        let _pass = lock(&self.speaking);
        let (earlier, listeners) = {
            let mut state = lock(&self.state);
            state.expected = false;
            state.waiting_bytes = 0;
            std::mem::swap(&mut desk.messages, &mut state.waiting);
            (std::mem::take(&mut state.earlier), state.shared())
        };
        let (rendered, scratch) = (&mut desk.rendered, &mut desk.scratch);
        for round in &earlier {
            self.tell(&round.listeners, &round.messages, rendered, scratch);
        }
        self.tell(&listeners, &desk.messages, rendered, scratch);
        desk.clear();
    }

    fn tell(
        &self,
        listeners: &[Arc<dyn Subscriber>],
        messages: &[Arc<Publication>],
        rendered: &mut Vec<Bytes>,
        scratch: &mut Vec<u8>,
    ) {
        let Rendering::Shared(slot, held) = &self.rendering else {
            // Message by message: one that waits for many subscriptions of a socket is
            // counted there once, as long as they get it one right after the other.
            for message in messages {
                for listener in listeners {
                    Arc::clone(listener).enqueue(message);
                }
            }
            return;
        };
        let mut hand_on = |rendered: &mut Vec<Bytes>| {
            for listener in listeners.iter().filter(|_| !rendered.is_empty()) {
                listener.deliver(rendered, scratch);
            }
            rendered.clear();
        };
        let mut bytes = 0;
        for publication in messages {
            let Some(data) = publication.render_shared(*slot, held.selection()) else {
                hand_on(rendered);
                for listener in listeners {
                    listener.on_oversized();
                }
                return;
            };
            bytes += data.len();
            rendered.push(data);
            if bytes > RENDERED_BYTES {
                hand_on(rendered);
                bytes = 0;
            }
        }
        hand_on(rendered);
    }
}

impl State {
    fn shared(&mut self) -> Arc<[Arc<dyn Subscriber>]> {
        let listeners = &self.listeners;
        let shared = self
            .shared
            .get_or_insert_with(|| listeners.iter().map(|(_, l)| Arc::clone(l)).collect());
        Arc::clone(shared)
    }
}

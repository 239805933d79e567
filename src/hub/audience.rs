//! Some of a group's listeners who chose the same fields, and what they have yet to hear.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::hub::selection::Selection;
use crate::hub::speaker::{Desk, Speaker};
use crate::hub::{Listener, lock};

/// Listeners of one audience: so many are spoken to before other work gets a turn.
const SEATS: usize = 256;
/// Bytes that may wait for the speaker; beyond that, whoever publishes speaks.
const WAITING_BYTES: usize = 256 * 1024;

/// Up to [`SEATS`] listeners who chose the same fields.
pub struct Audience {
    selection: Selection,
    speaker: Speaker,
    state: Mutex<State>,
    /// Held while somebody speaks: passes follow one another.
    speaking: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    listeners: Vec<(u64, Arc<dyn Listener>)>,
    /// The same for a pass to take along, made anew after somebody came or went.
    shared: Option<Arc<[Arc<dyn Listener>]>>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    /// What waited when somebody came who is not to hear it.
    earlier: Vec<Round>,
    /// The speaker will come by.
    expected: bool,
}

struct Round {
    listeners: Arc<[Arc<dyn Listener>]>,
    messages: Vec<Bytes>,
}

impl Audience {
    /// An audience of nobody, told by `speaker`.
    pub fn new(selection: Selection, speaker: Speaker) -> Arc<Self> {
        Arc::new(Self {
            selection,
            speaker,
            state: Mutex::default(),
            speaking: Mutex::default(),
        })
    }

    /// What they chose.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Whether one more has room.
    pub fn has_room(&self) -> bool {
        lock(&self.state).listeners.len() < SEATS
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
    pub fn add(&self, id: u64, listener: Arc<dyn Listener>) {
        let mut state = lock(&self.state);
        if !state.waiting.is_empty() {
            let round = Round {
                listeners: state.shared(),
                messages: std::mem::take(&mut state.waiting),
            };
            state.earlier.push(round);
        }
        listener.welcome();
        state.listeners.push((id, listener));
        state.shared = None;
    }

    /// Lets a listener go.
    pub fn remove(&self, id: u64) -> Option<Arc<dyn Listener>> {
        let mut state = lock(&self.state);
        let at = state.listeners.binary_search_by_key(&id, |(id, _)| *id);
        let (_, left) = state.listeners.remove(at.ok()?);
        state.shared = None;
        Some(left)
    }

    /// Leaves a message for the speaker's next pass; says whether too much waits.
    pub fn post(self: &Arc<Self>, data: Bytes) -> bool {
        let mut state = lock(&self.state);
        state.waiting_bytes += data.len();
        state.waiting.push(data);
        let crowded = state.waiting_bytes > WAITING_BYTES;
        let first = !std::mem::replace(&mut state.expected, true);
        drop(state);
        if first {
            self.speaker.expect(Arc::clone(self));
        }
        crowded
    }

    /// Tells everybody what waits.
    pub fn speak(&self, desk: &mut Desk) {
        let _pass = lock(&self.speaking);
        let (earlier, listeners) = {
            let mut state = lock(&self.state);
            state.expected = false;
            state.waiting_bytes = 0;
            std::mem::swap(&mut desk.messages, &mut state.waiting);
            (std::mem::take(&mut state.earlier), state.shared())
        };
        for round in &earlier {
            for listener in round.listeners.iter() {
                listener.hear(&round.messages, &mut desk.scratch);
            }
        }
        if !desk.messages.is_empty() {
            for listener in listeners.iter() {
                listener.hear(&desk.messages, &mut desk.scratch);
            }
        }
        desk.clear();
    }
}

impl State {
    fn shared(&mut self) -> Arc<[Arc<dyn Listener>]> {
        let listeners = &self.listeners;
        let shared = self
            .shared
            .get_or_insert_with(|| listeners.iter().map(|(_, l)| Arc::clone(l)).collect());
        Arc::clone(shared)
    }
}

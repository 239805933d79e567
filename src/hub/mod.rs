//! Who listens: every group's subscribers on this server.
//!
//! A message is rendered once per distinct selection; subscribers share the bytes.
//! Publishing never waits: a listener takes what it hears at once or drops out.
//! The hub knows no store and no wire.

pub mod selection;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;

use crate::hub::selection::Selection;
use crate::model::group::GroupKey;
use crate::model::message::Message;

/// Somebody who hears messages. Both methods are called under the group's lock, in the
/// group's one order (decision D18): they must neither wait nor call the hub.
pub trait Listener: Send + Sync {
    /// Is told that it is registered, before it hears anything (decision D17).
    fn welcome(&self);

    /// Takes the rendered value of the subscription's `data`.
    fn hear(&self, data: &Bytes);
}

/// The listeners of all groups.
#[derive(Default)]
pub struct Hub {
    // The outer lock is held to find a group, the inner to speak in it: groups do not
    // wait for each other.
    groups: RwLock<HashMap<GroupKey, Arc<Mutex<Circle>>>>,
}

/// The listeners of one group, together with those who chose the same fields.
#[derive(Default)]
struct Circle {
    choices: Vec<Choice>,
    next_id: u64,
    /// Set when the circle was found empty and taken out of the hub.
    closed: bool,
}

/// Those who chose the same fields, in the order in which they came.
struct Choice {
    selection: Selection,
    listeners: Vec<(u64, Box<dyn Listener>)>,
}

/// A listener's place at the hub; dropping it unsubscribes.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    hub: Arc<Hub>,
    group: GroupKey,
    id: u64,
}

impl Hub {
    /// A hub that nobody listens to.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Registers a listener. Everything published after this returns reaches it (decision D17).
    pub fn listen(
        self: &Arc<Self>,
        group: &GroupKey,
        selection: Selection,
        listener: Box<dyn Listener>,
    ) -> Subscription {
        let id = loop {
            let circle = self.circle(group);
            let mut circle = lock(&circle);
            if !circle.closed {
                break circle.add(selection, listener);
            }
        };
        Subscription {
            hub: Arc::clone(self),
            group: group.clone(),
            id,
        }
    }

    /// Tells a message to everybody who listens to its group, in one order for all.
    pub fn publish(&self, message: &Message) {
        let circle = self.read().get(message.group()).cloned();
        if let Some(circle) = circle {
            for choice in &lock(&circle).choices {
                let data = choice.selection.render(message);
                for (_, listener) in &choice.listeners {
                    listener.hear(&data);
                }
            }
        }
    }

    /// How many groups have listeners.
    pub fn groups(&self) -> usize {
        self.read().len()
    }

    fn circle(&self, group: &GroupKey) -> Arc<Mutex<Circle>> {
        if let Some(circle) = self.read().get(group) {
            return Arc::clone(circle);
        }
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry(group.clone()).or_default())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<GroupKey, Arc<Mutex<Circle>>>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, group: &GroupKey, id: u64) {
        let Some(circle) = self.read().get(group).cloned() else {
            return;
        };
        let removed = lock(&circle).remove(id);
        if lock(&circle).choices.is_empty() {
            let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
            let mut circle = lock(&circle);
            if circle.choices.is_empty() && !circle.closed {
                circle.closed = true;
                groups.remove(group);
            }
        }
        // Dropped after the locks are free: a listener may hold much.
        drop(removed);
    }
}

impl Circle {
    fn add(&mut self, selection: Selection, listener: Box<dyn Listener>) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        listener.welcome();
        match self
            .choices
            .iter_mut()
            .find(|choice| choice.selection == selection)
        {
            Some(choice) => choice.listeners.push((id, listener)),
            None => self.choices.push(Choice {
                selection,
                listeners: vec![(id, listener)],
            }),
        }
        id
    }

    fn remove(&mut self, id: u64) -> Option<Box<dyn Listener>> {
        let place = |choice: &Choice| {
            choice
                .listeners
                .binary_search_by_key(&id, |(id, _)| *id)
                .ok()
        };
        let (at, place) = self
            .choices
            .iter()
            .enumerate()
            .find_map(|(at, choice)| Some((at, place(choice)?)))?;
        let (_, listener) = self.choices[at].listeners.remove(place);
        if self.choices[at].listeners.is_empty() {
            self.choices.swap_remove(at);
        }
        Some(listener)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(&self.group, self.id);
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("groups", &self.groups())
            .finish()
    }
}

fn lock(circle: &Arc<Mutex<Circle>>) -> MutexGuard<'_, Circle> {
    circle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::selection::{Field, Pick};
    use crate::model::group::End;
    use crate::model::message::Dissolution;

    #[derive(Clone, Default)]
    struct Ear(Arc<Mutex<Vec<Bytes>>>);

    impl Listener for Ear {
        fn welcome(&self) {}

        fn hear(&self, data: &Bytes) {
            self.0.lock().unwrap().push(data.clone());
        }
    }

    impl Ear {
        fn heard(&self) -> Vec<Bytes> {
            self.0.lock().unwrap().clone()
        }
    }

    fn group(id: &str) -> GroupKey {
        GroupKey::parse(id, "d").unwrap()
    }

    fn selection(field: Field) -> Selection {
        Selection::new("onMessageInGroup", vec![Pick::leaf("x", field)])
    }

    fn message(id: &str) -> Message {
        Message::Dissolved(Dissolution::by_end(group(id), End::TimeUp))
    }

    #[test]
    fn a_message_is_rendered_once_and_its_bytes_are_shared() {
        let (hub, one, two) = (Hub::new(), Ear::default(), Ear::default());
        let _a = hub.listen(
            &group("g"),
            selection(Field::GroupId),
            Box::new(one.clone()),
        );
        let _b = hub.listen(
            &group("g"),
            selection(Field::GroupId),
            Box::new(two.clone()),
        );
        hub.publish(&message("g"));
        assert_eq!(&one.heard()[0], r#"{"onMessageInGroup":{"x":"g"}}"#);
        assert_eq!(one.heard()[0].as_ptr(), two.heard()[0].as_ptr());
    }

    #[test]
    fn each_selection_and_each_group_hears_its_own() {
        let (hub, one, two, other) = (Hub::new(), Ear::default(), Ear::default(), Ear::default());
        let _a = hub.listen(
            &group("g"),
            selection(Field::GroupId),
            Box::new(one.clone()),
        );
        let _b = hub.listen(&group("g"), selection(Field::Domain), Box::new(two.clone()));
        let _c = hub.listen(
            &group("h"),
            selection(Field::Domain),
            Box::new(other.clone()),
        );
        hub.publish(&message("g"));
        assert_eq!(&two.heard()[0], r#"{"onMessageInGroup":{"x":"d"}}"#);
        assert_eq!((one.heard().len(), other.heard().len()), (1, 0));
    }

    #[test]
    fn a_dropped_subscription_hears_nothing_and_leaves_nothing_behind() {
        let (hub, one, two) = (Hub::new(), Ear::default(), Ear::default());
        let a = hub.listen(
            &group("g"),
            selection(Field::GroupId),
            Box::new(one.clone()),
        );
        let b = hub.listen(
            &group("g"),
            selection(Field::GroupId),
            Box::new(two.clone()),
        );
        drop(a);
        hub.publish(&message("g"));
        assert_eq!((one.heard().len(), two.heard().len()), (0, 1));
        drop(b);
        assert_eq!(hub.groups(), 0);
        let _again = hub.listen(
            &group("g"),
            selection(Field::GroupId),
            Box::new(one.clone()),
        );
        hub.publish(&message("g"));
        assert_eq!(one.heard().len(), 1);
    }
}

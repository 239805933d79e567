//! By which selection a message is rendered, and for how many subscribers.

use std::sync::Arc;

use crate::hub::selection::Selection;
use crate::memory::Lease;

/// A selection with a lease of its bytes.
#[derive(Debug)]
pub struct LeasedSelection {
    selection: Selection,
    _lease: Lease,
}

impl LeasedSelection {
    /// A selection that is accounted for by `lease`.
    pub fn new(selection: Selection, lease: Lease) -> Self {
        Self {
            selection,
            _lease: lease,
        }
    }

    /// Whether both render the same.
    pub fn is_same(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || self.selection == other.selection
    }

    /// The selection.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }
}

/// Where a batch's messages are rendered.
#[derive(Clone)]
pub enum Rendering {
    /// By the hub: all subscribers have the same selection, and each message is rendered
    /// once, in the selection's slot.
    Shared(usize, Arc<LeasedSelection>),
    /// By each subscriber, when its peer can take the message: a connection with many or
    /// wide selections spends its own task's turns on them.
    PerSubscriber,
}

impl Rendering {
    /// Whether subscribers of both can be in one batch.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Shared(slot, _), Self::Shared(other, _)) => slot == other,
            (Self::PerSubscriber, Self::PerSubscriber) => true,
            _ => false,
        }
    }
}

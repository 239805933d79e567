//! Who may read the counters.

use crate::auth::Role;

/// Who may read the counters on the listeners of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Callers with any valid key.
    AnyKey,
    /// Callers with an operator's key.
    Operators,
    /// They are on a listener of their own.
    OwnListener,
}

impl MetricsAccess {
    /// Whether a caller with a key of this role may read them.
    pub fn admits(self, role: Role) -> bool {
        self == Self::AnyKey || role == Role::Operator
    }
}

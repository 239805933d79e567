//! Join codes. The code of a group that ended is free when the group is removed.

use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey};
use crate::model::join_code::JoinCode;
use crate::model::time::Timestamp;
use crate::store::embedded::state::State;

/// Codes that are tried for a new group. There are 16.7 million: of a hundred thousand groups one
/// in 160 needs a second try.
const ATTEMPTS: usize = 64;

impl State {
    /// See [`Store::group_by_code`](crate::store::Store::group_by_code).
    pub fn group_by_code(&self, code: JoinCode, now: Timestamp) -> Option<Group> {
        let group = self.live(self.by_code.get(&code)?, self.at(now))?;
        Some(group.group.clone())
    }

    /// See [`Store::code_of`](crate::store::Store::code_of).
    pub fn code_of(&self, group: &GroupKey, now: Timestamp) -> Option<JoinCode> {
        self.live(group, self.at(now))?.group.join_code
    }

    /// A code that no group has: the first one, or a random one.
    pub(super) fn free_code(&self, first: JoinCode) -> Result<JoinCode, ClientError> {
        let random = std::iter::repeat_with(JoinCode::random);
        std::iter::once(first)
            .chain(random)
            .take(ATTEMPTS)
            .find(|code| !self.by_code.contains_key(code))
            .ok_or(ClientError::Full {
                what: "the server",
                limit: self.groups.len(),
            })
    }
}

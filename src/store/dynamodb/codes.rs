//! Join codes (decision D33): a record per code says which group has it.
//!
//! The group's own record decides whether the group is alive. A code's record is written with its
//! group and removed with it. Where that did not happen, it may be taken over when its group has
//! expired.

use crate::model::group::{Group, GroupKey};
use crate::model::join_code::JoinCode;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::attributes::number;
use crate::store::dynamodb::items::keys::Key;
use crate::store::dynamodb::items::{group_reference, referenced_group, ttl, ttl_of};
use crate::store::dynamodb::requests::Step;

/// The step that takes a code for a new group, unless a group that has not expired has it.
pub(super) fn take_code(code: JoinCode, group: &Group) -> Step {
    let record = group_reference(&Key::code(code), &group.key, ttl(group));
    Step::put(record)
        .when("attribute_not_exists(#pk) OR #ttl < :living")
        .with(":living", number(ttl_of(group.created_at)))
}

impl DynamoDb {
    /// See [`Store::group_by_code`](crate::store::Store::group_by_code).
    pub(super) async fn find_code(
        &self,
        code: JoinCode,
        now: Timestamp,
    ) -> Result<Option<Group>, AttemptError> {
        const DOING: &str = "find a group by its join code";
        let found = self.table.read(DOING, &[Key::code(code)]).await?.remove(0);
        let Some(key) = found.as_ref().map(referenced_group).transpose()? else {
            return Ok(None);
        };
        // Not from the cache: another server may have dissolved it.
        let record = self.group_record(DOING, &key).await?;
        let found = record.filter(|record| {
            record.ended.is_none()
                && record.group.join_code == Some(code)
                && self.rules.admit(&record.group, now).is_ok()
        });
        Ok(found.map(|record| record.group))
    }

    /// Frees the code of a group that is being removed, unless another group has taken it.
    pub(super) async fn free_code(
        &self,
        group: &GroupKey,
        code: JoinCode,
    ) -> Result<(), AttemptError> {
        self.remove_reference("free a join code", Key::code(code), group)
            .await
    }
}

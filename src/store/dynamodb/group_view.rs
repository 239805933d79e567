//! Reading a group with the records that a call needs.

use crate::model::error::ClientError;
use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::Result;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items;
use crate::store::dynamodb::items::group::{EndCause, GroupRecord};
use crate::store::dynamodb::items::head::GroupHead;
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::node::Node;
use crate::store::dynamodb::items::tombstone::Record;

/// A live group and the records read with it.
#[derive(Debug)]
pub(super) struct GroupView {
    pub group: Group,
    pub node: Option<Node>,
    pub head: Option<GroupHead>,
    pub reverse: Option<GroupKey>,
}

/// The records to read with a group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Include<'a> {
    pub node: Option<&'a NodeId>,
    pub reverse: Option<&'a NodeId>,
    pub head: bool,
}

impl DynamoDb {
    /// Reads the group and the included records in one request; refuses if the group is not
    /// alive.
    pub(super) async fn read_group(
        &self,
        key: &GroupKey,
        include: Include<'_>,
        now: Timestamp,
    ) -> Result<GroupView, AttemptError> {
        let cached = self.cache.group(key);
        let cached = cached.filter(|group| self.rules.admit(group, now).is_ok());
        let keys = [
            cached.is_none().then(|| Key::group(key)),
            include.node.map(|node| Key::node(key, node)),
            include.head.then(|| Key::head(key)),
            include.reverse.map(Key::reverse),
        ];
        let mut found = self.read_some("read a group", &keys).await?.into_iter();
        let mut next = || found.next().flatten();
        let [record, node, head, reverse] = [next(), next(), next(), next()];
        let group = match cached {
            Some(group) => group,
            None => self.admit(key, record.as_ref(), now)?,
        };
        Ok(GroupView {
            group,
            node: node.as_ref().map(Node::read).transpose()?,
            head: head.as_ref().map(GroupHead::read).transpose()?,
            reverse: reverse.as_ref().map(items::referenced_group).transpose()?,
        })
    }

    /// The same with a node's record as this server wrote it last, if that is cached. It may be out
    /// of date (`requests/node_cache.rs`).
    pub(super) async fn group_of_known(
        &self,
        key: &GroupKey,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Option<GroupView>, AttemptError> {
        let Some(record) = self.table.take_node(&Key::node(key, node)) else {
            return Ok(None);
        };
        let view = self.read_group(key, Include::default(), now).await?;
        let node = Some(Node::read(&record)?);
        Ok(Some(GroupView { node, ..view }))
    }

    /// Reads the keys that are not `None`; the results have the same positions.
    async fn read_some<const N: usize>(
        &self,
        doing: &'static str,
        keys: &[Option<Key>; N],
    ) -> Result<[Option<Item>; N], AttemptError> {
        let wanted: Vec<Key> = keys.iter().flatten().cloned().collect();
        let mut found = Vec::new();
        if !wanted.is_empty() {
            found = self.table.read(doing, &wanted).await?;
        }
        let mut found = found.into_iter();
        Ok(std::array::from_fn(|at| {
            keys[at].as_ref().and_then(|_| found.next().flatten())
        }))
    }

    /// The group of a record just read, if it is alive; checks docs/api.md, The group check.
    fn admit(
        &self,
        key: &GroupKey,
        record: Option<&Item>,
        now: Timestamp,
    ) -> Result<Group, AttemptError> {
        let record = record.map(Record::read).transpose()?;
        let ended = |tombstone| Err(Rules::refuse_ended(key, &tombstone, now));
        let admitted = match record {
            Some(Record::Group(GroupRecord {
                group, ended: None, ..
            })) => self.rules.admit(&group, now).map(drop).map(|()| group),
            Some(Record::Group(GroupRecord {
                group,
                ended: Some((EndCause::Ended(reason), at)),
                ..
            })) => ended(self.rules.tombstone(&group, reason, at)),
            Some(Record::Tombstone(tombstone)) => ended(tombstone),
            Some(Record::Group(_)) | None => Err(ClientError::GroupNotFound(key.clone())),
        };
        match &admitted {
            Ok(group) => self.cache.insert(group),
            Err(_) => self.cache.invalidate(key),
        }
        Ok(admitted?)
    }

    /// The group, if it is alive.
    pub(super) async fn live_group(&self, key: &GroupKey, now: Timestamp) -> Result<Option<Group>> {
        match self.read_group(key, Include::default(), now).await {
            Ok(view) => Ok(Some(view.group)),
            Err(AttemptError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

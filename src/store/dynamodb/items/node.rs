//! A node's record.

use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::model::authority::TokenHash;
use crate::model::cursor::Cursor;
use crate::model::error::ClientError;
use crate::model::event::Fingerprint;
use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::log_quota::Usage;
use crate::model::nickname::Nickname;
use crate::model::origin::Network;
use crate::model::places::Place;
use crate::model::readings::{Layer, Readings};
use crate::model::rules::Rules;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{
    Reader, Unreadable, bytes, list, map, number, text,
};
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::items::{count, cursor, group_reference, ttl};

/// A node in a group: one record, so that a report or a heartbeat is one write.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Changes with every write; a write's condition names the version that was read.
    pub version: String,
    /// When it joined, and whether it requested WebSockets.
    pub membership: Option<(Timestamp, Option<bool>)>,
    /// The site that it joined from, if that is not the group's.
    pub foreign: Option<Network>,
    /// Until when it is alive; none for a node that neither joined nor reported.
    pub alive_until: Option<Timestamp>,
    /// Its variables; hidden while the node is expired (decision D31).
    pub readings: Readings,
    /// Bytes of a response that are reserved for them: at least what they take.
    pub reserved: usize,
    /// Its calls with a fingerprint within the event TTL (decision D15).
    pub calls: Vec<RecentCall>,
    /// What its calls as a member use of the log by second, within the event TTL.
    pub logged: Vec<(i64, Usage)>,
    /// When the table's TTL removes it.
    pub ttl: i64,
    /// The digest of its token, if it was made with one (decision D34).
    pub token: Option<TokenHash>,
    /// The nickname that it gave when it joined.
    pub nickname: Option<Nickname>,
    /// Whether the host removed it, so that it may not come back.
    pub is_removed: bool,
}

/// An appended call, by which a repetition is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentCall {
    /// The call's fingerprint.
    pub fingerprint: Vec<u8>,
    /// The cursor of its last event.
    pub last: Cursor,
    /// The request that appended it: distinguishes a retry of that request from a repetition.
    pub request_id: String,
}

impl Node {
    /// A node without a record.
    pub fn new(id: &NodeId, group: &Group) -> Self {
        Self {
            id: id.clone(),
            version: String::new(),
            membership: None,
            foreign: None,
            alive_until: None,
            readings: Readings::default(),
            reserved: 0,
            calls: Vec::new(),
            logged: Vec::new(),
            ttl: ttl(group),
            token: None,
            nickname: None,
            is_removed: false,
        }
    }

    /// Whether it counts as a node of the group.
    pub fn is_counted(&self) -> bool {
        self.alive_until.is_some()
    }

    /// As what it is in the group, if it counts.
    pub fn place(&self) -> Option<Place> {
        let foreign = self.foreign;
        self.alive_until?;
        Some(match self.membership {
            Some(_) => Place::Member { foreign },
            None => Place::Reporter,
        })
    }

    /// Whether its variables count with those of nodes outside.
    pub fn is_outside(&self) -> bool {
        self.place().is_some_and(Place::is_outside)
    }

    /// Whether it is alive.
    pub fn alive(&self, now: Timestamp) -> bool {
        self.alive_until
            .is_some_and(|until| Rules::node_alive(until, now))
    }

    /// Whether it joined without WebSockets.
    pub fn polls(&self) -> bool {
        matches!(self.membership, Some((_, Some(false))))
    }

    /// Admits a call of the node, which may have been removed.
    pub fn check_removed(&self) -> Result<(), ClientError> {
        if self.is_removed {
            Err(ClientError::Removed)
        } else {
            Ok(())
        }
    }

    /// Extends its life; returns whether that changed anything.
    pub fn refresh(&mut self, until: Timestamp) -> bool {
        self.alive_until.replace(until) != Some(until)
    }

    /// The earlier call with this fingerprint.
    pub fn find_call(&self, fingerprint: &Fingerprint) -> Option<&RecentCall> {
        self.calls
            .iter()
            .find(|call| call.fingerprint == fingerprint.as_bytes())
    }

    /// The record to write.
    pub fn item(&self, group: &GroupKey) -> Item {
        let mut item = group_reference(&Key::node(group, &self.id), group, self.ttl);
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("nodeId", text(self.id.as_str()));
        put("version", text(&*self.version));
        if let Some((joined_at, use_websocket)) = self.membership {
            put("joinedAt", text(joined_at.to_string()));
            if let Some(requested) = use_websocket {
                put("useWebSocket", Value::Bool(requested));
            }
        }
        if let Some(site) = self.foreign {
            put("from", text(site.to_string()));
        }
        if let Some(until) = self.alive_until {
            put("aliveUntil", number(until.seconds()));
        }
        if !self.readings.layers().is_empty() {
            put("status", list(self.readings.layers().iter().map(layer)));
        }
        if let Some(token) = &self.token {
            put("token", bytes(token.as_bytes()));
        }
        if let Some(nickname) = &self.nickname {
            put("nickname", text(nickname.as_str()));
        }
        if self.is_removed {
            put("removed", Value::Bool(true));
        }
        if self.reserved > 0 {
            put("reserved", number(count(self.reserved)));
        }
        if !self.calls.is_empty() {
            put("calls", list(self.calls.iter().map(recent_call)));
        }
        if !self.logged.is_empty() {
            put("logged", logged(&self.logged));
        }
        item
    }

    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        let membership = match item.maybe_text("joinedAt")? {
            None => None,
            Some(_) => Some((item.iso("joinedAt")?, item.maybe_flag("useWebSocket")?)),
        };
        let layers = item
            .items("status")?
            .map(read_layer)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            id: NodeId::parse("nodeId", item.text("nodeId")?).map_err(|_| Unreadable("nodeId"))?,
            version: item.text("version")?.into(),
            membership,
            foreign: item
                .maybe_text("from")?
                .map(|site| Network::try_from(site).map_err(|_| Unreadable("from")))
                .transpose()?,
            alive_until: item
                .maybe_number("aliveUntil")?
                .map(Timestamp::from_seconds),
            readings: Readings::from(layers),
            reserved: item.maybe_number("reserved")?.unwrap_or(0),
            calls: item
                .items("calls")?
                .map(read_recent_call)
                .collect::<Result<_, _>>()?,
            logged: read_logged(item)?,
            ttl: item.number("ttl")?,
            token: item.token("token")?,
            nickname: item
                .maybe_text("nickname")?
                .map(|nickname| Nickname::parse(nickname).map_err(|_| Unreadable("nickname")))
                .transpose()?,
            is_removed: item.maybe_flag("removed")?.unwrap_or(false),
        })
    }
}

/// Bytes of a second in `logged`: the second, its calls and their bytes.
const SECOND_BYTES: usize = 16;

/// The window as bytes: it is in every record of a node that records.
fn logged(window: &[(i64, Usage)]) -> Value {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let seconds = window.iter().flat_map(|(second, usage)| {
        let numbers = [number(usage.calls), number(usage.bytes)].concat();
        [second.to_be_bytes().to_vec(), numbers].concat()
    });
    Value::B(Blob::new(seconds.collect::<Vec<u8>>()))
}

fn read_logged(item: Reader<'_>) -> Result<Vec<(i64, Usage)>, Unreadable> {
    let bytes = item.maybe_bytes("logged")?.unwrap_or_default();
    let (seconds, rest) = bytes.as_chunks::<SECOND_BYTES>();
    if !rest.is_empty() {
        return Err(Unreadable("logged"));
    }
    let number = |bytes: &[u8]| {
        let numbers = bytes.iter().map(|byte| i64::from(*byte));
        numbers.fold(0, |number, byte| number << 8 | byte)
    };
    let window = seconds.iter().map(|bytes| {
        let usage = |bytes| usize::try_from(number(bytes)).unwrap_or(0);
        let usage = Usage {
            calls: usage(&bytes[8..12]),
            bytes: usage(&bytes[12..]),
        };
        (number(&bytes[..8]), usage)
    });
    Ok(window.collect())
}

fn layer(layer: &Layer) -> Value {
    let data = layer
        .data
        .iter()
        .map(|d| map([("key", text(&*d.key)), ("value", text(&*d.value))]));
    map([
        ("timestamp", text(layer.timestamp.to_string())),
        ("data", list(data)),
    ])
}

fn read_layer(item: Reader<'_>) -> Result<Layer, Unreadable> {
    let data = item.items("data")?.map(|data| {
        Ok(SensorData {
            key: data.text("key")?.into(),
            value: data.text("value")?.into(),
        })
    });
    Ok(Layer {
        timestamp: item.iso("timestamp")?,
        data: Arc::new(data.collect::<Result<_, _>>()?),
    })
}

fn recent_call(call: &RecentCall) -> Value {
    let Cursor { stamp, index } = call.last;
    map([
        ("what", Value::B(Blob::new(call.fingerprint.clone()))),
        ("at", number(stamp.at.millis())),
        ("call", number(i64::from(stamp.call))),
        ("index", number(i64::from(index))),
        ("by", text(&*call.request_id)),
    ])
}

fn read_recent_call(item: Reader<'_>) -> Result<RecentCall, Unreadable> {
    Ok(RecentCall {
        fingerprint: item.bytes("what")?.to_vec(),
        last: cursor(item)?,
        request_id: item.text("by")?.into(),
    })
}

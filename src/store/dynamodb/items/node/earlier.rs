//! Records of the form before the compact one, of groups that lived while their server was
//! upgraded. They are read and never written.

use std::sync::Arc;

use uuid::Uuid;

use super::{Node, RecentCall, Version, shortened};
use crate::model::ids::NodeId;
use crate::model::log_quota::Usage;
use crate::model::nickname::Nickname;
use crate::model::origin::Network;
use crate::model::readings::{Layer, Readings};
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable};
use crate::store::dynamodb::items::cursor;

/// Reads the record.
pub fn read(item: Reader<'_>) -> Result<Node, Unreadable> {
    let membership = match item.maybe_text("joinedAt")? {
        None => None,
        Some(_) => Some((item.iso("joinedAt")?, item.maybe_flag("useWebSocket")?)),
    };
    let layers: Result<Vec<_>, _> = item.items("status")?.map(layer).collect();
    Ok(Node {
        id: id(item)?,
        version: Version::Earlier(item.text("version")?.into()),
        membership,
        foreign: item
            .maybe_text("from")?
            .map(|site| Network::try_from(site).map_err(|_| Unreadable("from")))
            .transpose()?,
        alive_until: item
            .maybe_number("aliveUntil")?
            .map(Timestamp::from_seconds),
        readings: Readings::from(layers?),
        reserved: item.maybe_number("reserved")?.unwrap_or(0),
        calls: item.items("calls")?.map(call).collect::<Result<_, _>>()?,
        logged: window(item)?,
        ttl: item.number("ttl")?,
        token: item.token("token")?,
        nickname: item
            .maybe_text("nickname")?
            .map(|nickname| Nickname::parse(nickname).map_err(|_| Unreadable("nickname")))
            .transpose()?,
        is_removed: item.maybe_flag("removed")?.unwrap_or(false),
    })
}

/// The node's id.
pub fn id(item: Reader<'_>) -> Result<NodeId, Unreadable> {
    NodeId::parse("nodeId", item.text("nodeId")?).map_err(|_| Unreadable("nodeId"))
}

fn layer(item: Reader<'_>) -> Result<Layer, Unreadable> {
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

fn call(item: Reader<'_>) -> Result<RecentCall, Unreadable> {
    let fingerprint = item.bytes("what")?.try_into();
    Ok(RecentCall {
        fingerprint: shortened(fingerprint.map_err(|_| Unreadable("what"))?),
        last: cursor(item)?,
        request_id: Uuid::parse_str(item.text("by")?).map_err(|_| Unreadable("by"))?,
    })
}

/// Each second has 16 bytes: the second, its calls and their bytes.
fn window(item: Reader<'_>) -> Result<Vec<(i64, Usage)>, Unreadable> {
    let bytes = item.maybe_bytes("logged")?.unwrap_or_default();
    let (seconds, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(Unreadable("logged"));
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | i64::from(*byte));
    let count = |bytes| usize::try_from(number(bytes)).unwrap_or(0);
    let window = seconds.iter().map(|bytes| {
        let usage = Usage {
            calls: count(&bytes[8..12]),
            bytes: count(&bytes[12..]),
        };
        (number(&bytes[..8]), usage)
    });
    Ok(window.collect())
}

//! A group's record, and its room.

use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::heartbeat::rules::Rules;
use crate::model::event::{Cursor, Stamp};
use crate::model::group::{Delivery, EndReason, Group};
use crate::model::ids::{GroupName, NodeId};
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, list, map, number, text};
use crate::store::dynamodb::items::keys::{self, Item, Key};
use crate::store::dynamodb::items::{count, group_key, tidy_at};

/// A group's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The group.
    pub group: Group,
    /// The second at which its watch comes due.
    pub watch: i64,
    /// Set once it has ended and is being removed: why, and since when.
    pub ended: Option<(Why, Timestamp)>,
}

/// Why a group is being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its host dissolved it.
    Dissolved,
    /// It ended by itself.
    By(EndReason),
}

impl Why {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dissolved => "dissolved",
            Self::By(EndReason::HostSilent) => "host silent",
            Self::By(EndReason::TimeUp) => "time up",
            Self::By(EndReason::Replaced) => "replaced",
        }
    }

    /// Reads it back.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        [
            EndReason::HostSilent,
            EndReason::TimeUp,
            EndReason::Replaced,
        ]
        .map(Self::By)
        .into_iter()
        .chain([Self::Dissolved])
        .find(|why| why.as_str() == text)
        .ok_or(Unreadable("ended"))
    }
}

/// The first second at which a group has ended, if no heartbeat comes.
pub fn due(group: &Group, rules: &Rules) -> i64 {
    let silent = group.heartbeat_at.seconds() + i64::from(rules.timings().host_ttl);
    silent.min(group.expires_at.seconds()) + 1
}

impl Standing {
    /// The record to write.
    pub fn item(&self) -> Item {
        let Group {
            key,
            name,
            host,
            created_at,
            expires_at,
            heartbeat_at,
            delivery,
        } = &self.group;
        let mut item = Key::group(key).attributes();
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("id", text(key.id.as_str()));
        put("domain", text(key.domain.as_str()));
        put("fullId", text(key.to_string()));
        put("name", text(name.as_str()));
        put("hostId", text(host.as_str()));
        put("createdAt", text(created_at.to_string()));
        put("expiresAt", text(expires_at.to_string()));
        put("heartbeatAt", epoch(*heartbeat_at));
        put("useWebSocket", Value::Bool(delivery.uses_websocket()));
        put("pollingIntervalSeconds", polling(*delivery));
        put("watch", number(self.watch));
        put("ttl", number(tidy_at(&self.group)));
        if let Some((why, at)) = self.ended {
            put("ended", text(why.as_str()));
            put("endedAt", epoch(at));
        } else {
            // Only a living group stands in the indexes.
            put("gsi_pk", text(keys::by_id(key.id.as_str())));
            put("gsi_sk", text(keys::domain(&key.domain)));
            put(
                "gsi2_pk",
                text(keys::by_name(name.as_str()).unwrap_or_default()),
            );
            put("gsi2_sk", text(name.as_str()));
        }
        item
    }

    /// Reads the record back.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        let delivery = match item.maybe_number("pollingIntervalSeconds")? {
            None => Delivery::WebSocket,
            Some(every_seconds) => Delivery::Polling { every_seconds },
        };
        let ended = match item.maybe_text("ended")? {
            None => None,
            Some(why) => Some((Why::parse(why)?, item.epoch("endedAt")?)),
        };
        let id = |name| item.text(name);
        let group = Group {
            key: group_key(item, "id")?,
            name: GroupName::parse("name", id("name")?).map_err(|_| Unreadable("name"))?,
            host: NodeId::parse("hostId", id("hostId")?).map_err(|_| Unreadable("hostId"))?,
            created_at: item.iso("createdAt")?,
            expires_at: item.iso("expiresAt")?,
            heartbeat_at: item.epoch("heartbeatAt")?,
            delivery,
        };
        Ok(Self {
            group,
            watch: item.number("watch")?,
            ended,
        })
    }
}

/// Epoch seconds, as the contract has it, with the milliseconds as a fraction.
pub fn epoch(at: Timestamp) -> Value {
    let (seconds, millis) = (at.millis() / 1000, at.millis() % 1000);
    Value::N(if millis == 0 {
        seconds.to_string()
    } else {
        format!("{seconds}.{millis:03}")
    })
}

/// The interval of a polling group, NULL for others.
pub fn polling(delivery: Delivery) -> Value {
    delivery
        .polling_interval()
        .map_or(Value::Null(true), |seconds| number(i64::from(seconds)))
}

/// A group's log head and counts: what its calls and joins meet at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many nodes are known.
    pub nodes: usize,
    /// Bytes of an answer that are kept for the nodes' variables (decision D24).
    pub status_bytes: usize,
    /// Whether the group's delivery is polling.
    pub polling: bool,
    /// Until when a poll counts (decision D13).
    pub polled_until: Option<Timestamp>,
    /// The parts of the nodes that joined without WebSockets.
    pub pollers: Vec<String>,
    /// The last kept call's last event.
    pub last: Option<Cursor>,
    /// Second, calls and bytes of what was kept lately.
    pub window: Vec<(i64, usize, usize)>,
}

impl Room {
    /// The record of a new group.
    pub fn item(&self, group: &Group) -> Item {
        let mut item = Key::room(&group.key).attributes();
        item.insert("nodes".into(), number(count(self.nodes)));
        item.insert("polling".into(), Value::Bool(self.polling));
        item.insert("ttl".into(), number(tidy_at(group)));
        item
    }

    /// Reads the record back.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        let last = match item.maybe_number::<i64>("lastAt")? {
            None => None,
            Some(at) => Some(Cursor {
                stamp: Stamp {
                    at: Timestamp::from_millis(at),
                    call: item.number("lastCall")?,
                },
                index: item.number("lastIndex")?,
            }),
        };
        Ok(Self {
            nodes: item.number("nodes")?,
            status_bytes: item.maybe_number("statusBytes")?.unwrap_or(0),
            polling: item.flag("polling")?,
            polled_until: item
                .maybe_number("polledUntil")?
                .map(Timestamp::from_millis),
            pollers: item.texts("pollers")?,
            last,
            window: item
                .items("window")?
                .map(|slot| {
                    Ok((
                        slot.number("second")?,
                        slot.number("calls")?,
                        slot.number("bytes")?,
                    ))
                })
                .collect::<Result<_, _>>()?,
        })
    }

    /// The window as an attribute.
    pub fn window_value(&self) -> Value {
        list(self.window.iter().map(|(second, calls, bytes)| {
            map([
                ("second", number(*second)),
                ("calls", number(count(*calls))),
                ("bytes", number(count(*bytes))),
            ])
        }))
    }
}

//! What stands in the table, and how it is read back. Texts stand as they are: in
//! attributes any Unicode is allowed.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::heartbeat::rules::Rules;
use crate::model::event::{Cursor, Event, EventInput, Fingerprint, Stamp};
use crate::model::group::{Delivery, End, Group, GroupKey};
use crate::model::ids::{Domain, GroupId, GroupName, NodeId};
use crate::model::status::{Layer, Readings, SensorData};
use crate::model::time::Timestamp;
use crate::store::dynamodb::attributes::{Reader, Unreadable, list, map, number, text};
use crate::store::dynamodb::keys::{self, Item, Key};

/// How long a record may lie after its time before DynamoDB tidies it. Reads decide
/// about life; the table's TTL only removes what no server was there to remove.
const TIDY_AFTER: u32 = 3600;
/// The same for events, which come in numbers.
const TIDY_EVENTS_AFTER: u32 = 60;

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
    By(End),
}

impl Why {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dissolved => "dissolved",
            Self::By(End::HostSilent) => "host silent",
            Self::By(End::TimeUp) => "time up",
            Self::By(End::Replaced) => "replaced",
        }
    }

    fn parse(text: &str) -> Result<Self, Unreadable> {
        [End::HostSilent, End::TimeUp, End::Replaced]
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

/// When the table may tidy what belongs to a group.
pub fn tidy_at(group: &Group) -> i64 {
    group.expires_at.plus_seconds(TIDY_AFTER).seconds()
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

fn group_key(item: Reader<'_>, id: &'static str) -> Result<GroupKey, Unreadable> {
    let domain = Domain::parse("domain", item.text("domain")?);
    let group = GroupId::parse("groupId", item.text(id)?);
    Ok(GroupKey {
        domain: domain.map_err(|_| Unreadable("domain"))?,
        id: group.map_err(|_| Unreadable("groupId"))?,
    })
}

/// A record that only points at a group: host lock, reverse record and watch.
pub fn pointer(key: &Key, group: &GroupKey, tidy_at: i64) -> Item {
    let mut item = key.attributes();
    item.insert("groupId".into(), text(group.id.as_str()));
    item.insert("domain".into(), text(group.domain.as_str()));
    item.insert("ttl".into(), number(tidy_at));
    item
}

/// The group that a record points at.
pub fn points_at(item: &Item) -> Result<GroupKey, Unreadable> {
    group_key(Reader(item), "groupId")
}

/// A group's log head and counts: what its calls and joins meet at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many nodes are known.
    pub nodes: usize,
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

/// A number of things, as DynamoDB counts.
pub fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What is known of a node in a group: one record, so that a report or a sign of life
/// is one write.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The node.
    pub id: NodeId,
    /// Changes with every write: whoever writes names the one that it read.
    pub version: String,
    /// When it joined, and whether it asked for WebSockets.
    pub membership: Option<(Timestamp, Option<bool>)>,
    /// Until when it counts; none for one that neither joined nor reported.
    pub alive_until: Option<Timestamp>,
    /// What it reported.
    pub readings: Readings,
    /// Its calls within the event TTL that can be told from a repetition (decision D15).
    pub calls: Vec<Remembered>,
    /// When the table may tidy it.
    pub tidy_at: i64,
}

/// A call that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The call's fingerprint.
    pub fingerprint: Vec<u8>,
    /// The cursor of its last event.
    pub last: Cursor,
    /// Who took it: tells a caller's own write from an earlier call.
    pub taken_by: String,
}

impl Node {
    /// A node of which nothing is known.
    pub fn unknown(id: &NodeId, group: &Group) -> Self {
        Self {
            id: id.clone(),
            version: String::new(),
            membership: None,
            alive_until: None,
            readings: Readings::default(),
            calls: Vec::new(),
            tidy_at: tidy_at(group),
        }
    }

    /// Whether it counts as a node of the group.
    pub fn known(&self) -> bool {
        self.alive_until.is_some()
    }

    /// Whether it is known and still counts.
    pub fn alive(&self, now: Timestamp) -> bool {
        self.alive_until
            .is_some_and(|until| Rules::node_alive(until, now))
    }

    /// Whether it joined without WebSockets.
    pub fn polls(&self) -> bool {
        matches!(self.membership, Some((_, Some(false))))
    }

    /// Renews its time and says whether that changed anything. Readings of a node past
    /// its time are no longer told, so they must not come back.
    pub fn touch(&mut self, until: Timestamp, now: Timestamp) -> bool {
        if !self.alive(now) {
            self.readings = Readings::default();
        }
        self.alive_until.replace(until) != Some(until)
    }

    /// The answer given to this call before, if there was one.
    pub fn remembers(&self, fingerprint: &Fingerprint) -> Option<&Remembered> {
        self.calls
            .iter()
            .find(|call| call.fingerprint == fingerprint.as_bytes())
    }

    /// The record to write.
    pub fn item(&self, group: &GroupKey) -> Item {
        let mut item = pointer(&Key::node(group, &self.id), group, self.tidy_at);
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("nodeId", text(self.id.as_str()));
        put("version", text(&*self.version));
        if let Some((joined_at, use_websocket)) = self.membership {
            put("joinedAt", text(joined_at.to_string()));
            if let Some(asked) = use_websocket {
                put("useWebSocket", Value::Bool(asked));
            }
        }
        if let Some(until) = self.alive_until {
            put("aliveUntil", number(until.seconds()));
        }
        if !self.readings.layers().is_empty() {
            put("status", list(self.readings.layers().iter().map(layer)));
        }
        if !self.calls.is_empty() {
            put("calls", list(self.calls.iter().map(remembered)));
        }
        item
    }

    /// Reads the record back.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        let membership = match item.maybe_text("joinedAt")? {
            None => None,
            Some(_) => Some((item.iso("joinedAt")?, item.maybe_flag("useWebSocket")?)),
        };
        let layers = item
            .items("status")?
            .map(read_layer)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id: NodeId::parse("nodeId", item.text("nodeId")?).map_err(|_| Unreadable("nodeId"))?,
            version: item.text("version")?.into(),
            membership,
            alive_until: item
                .maybe_number("aliveUntil")?
                .map(Timestamp::from_seconds),
            readings: Readings::from_layers(layers),
            calls: item
                .items("calls")?
                .map(read_remembered)
                .collect::<Result<_, _>>()?,
            tidy_at: item.number("ttl")?,
        })
    }
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
        data: data.collect::<Result<_, _>>()?,
    })
}

fn remembered(call: &Remembered) -> Value {
    let Cursor { stamp, index } = call.last;
    map([
        ("what", Value::B(Blob::new(call.fingerprint.clone()))),
        ("at", number(stamp.at.millis())),
        ("call", number(i64::from(stamp.call))),
        ("index", number(i64::from(index))),
        ("by", text(&*call.taken_by)),
    ])
}

fn read_remembered(item: Reader<'_>) -> Result<Remembered, Unreadable> {
    Ok(Remembered {
        fingerprint: item.bytes("what")?.to_vec(),
        last: cursor(item)?,
        taken_by: item.text("by")?.into(),
    })
}

fn cursor(item: Reader<'_>) -> Result<Cursor, Unreadable> {
    Ok(Cursor {
        stamp: Stamp {
            at: Timestamp::from_millis(item.number("at")?),
            call: item.number("call")?,
        },
        index: item.number("index")?,
    })
}

/// Events of one call that stand together: all of them, unless they are too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Who sent them.
    pub node: NodeId,
    /// Where the last of them stands.
    pub last: Cursor,
    /// Where the log ended before them: a reader sees by it that none is missing.
    pub after: Option<Cursor>,
    /// The events, in log order.
    pub events: Vec<EventInput>,
}

impl Stretch {
    /// The record to write.
    pub fn item(&self, group: &GroupKey, event_ttl: u32) -> Item {
        let tidy_at = self.last.stamp.at.plus_seconds(event_ttl);
        let tidy_at = tidy_at.plus_seconds(TIDY_EVENTS_AFTER).seconds();
        let mut item = pointer(&Key::events(group, self.last), group, tidy_at);
        let mut put = |name: &str, value| item.insert(name.into(), value);
        put("firedByNodeId", text(self.node.as_str()));
        put("timestamp", text(self.last.stamp.at.to_string()));
        put("at", number(self.last.stamp.at.millis()));
        put("call", number(i64::from(self.last.stamp.call)));
        put("index", number(i64::from(self.last.index)));
        if let Some(after) = self.after {
            put("after", text(after.to_string()));
        }
        put("events", list(self.events.iter().map(event)));
        item
    }

    /// Reads the record back; of `after` its text.
    pub fn read(item: &Item) -> Result<(Self, Option<String>), Unreadable> {
        let item = Reader(item);
        let node = NodeId::parse("nodeId", item.text("firedByNodeId")?);
        let events = Self {
            node: node.map_err(|_| Unreadable("firedByNodeId"))?,
            last: cursor(item)?,
            after: None,
            events: item
                .items("events")?
                .map(read_event)
                .collect::<Result<_, _>>()?,
        };
        Ok((events, item.maybe_text("after")?.map(Into::into)))
    }

    /// The events as they are polled.
    pub fn polled(self) -> impl Iterator<Item = Event> {
        let Self {
            node, last, events, ..
        } = self;
        let first = (last.index + 1).saturating_sub(u32::try_from(events.len()).unwrap_or(0));
        events
            .into_iter()
            .zip(first..)
            .map(move |(event, index)| Event {
                name: event.name,
                fired_by: node.clone(),
                payload: event.payload,
                timestamp: last.stamp.at.to_string(),
                cursor: Some(Cursor {
                    stamp: last.stamp,
                    index,
                }),
                order_key: event.order_key.filter(|key| !key.is_empty()),
            })
    }
}

fn event(event: &EventInput) -> Value {
    let optional = [("payload", &event.payload), ("orderKey", &event.order_key)];
    let optional = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, text(value.as_deref()?))));
    map([
        ("eventName", text(&*event.name)),
        ("firedAt", text(&*event.fired_at)),
    ]
    .into_iter()
    .chain(optional))
}

fn read_event(item: Reader<'_>) -> Result<EventInput, Unreadable> {
    Ok(EventInput {
        name: item.text("eventName")?.into(),
        payload: item.maybe_text("payload")?.map(Into::into),
        fired_at: item.text("firedAt")?.into(),
        order_key: item.maybe_text("orderKey")?.map(Into::into),
    })
}

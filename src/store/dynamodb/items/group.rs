//! A group's record.

use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::model::group::{Delivery, EndReason, Group};
use crate::model::ids::{GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::lesson::LessonState;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::store::dynamodb::items::attributes::{Reader, Unreadable, bytes, number, text};
use crate::store::dynamodb::items::keys::{self, Item, Key};
use crate::store::dynamodb::items::{group_key, ttl};

/// A group's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// The group.
    pub group: Group,
    /// The second at which its watch is due.
    pub watch: i64,
    /// Why and since when it is being removed, if it ended.
    pub ended: Option<(EndCause, Timestamp)>,
}

/// Why a group is being removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Its host dissolved it.
    Dissolved,
    /// It expired or was replaced.
    Ended(EndReason),
}

impl EndCause {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dissolved => "dissolved",
            Self::Ended(EndReason::HostSilent) => "host silent",
            Self::Ended(EndReason::TimeUp) => "time up",
            Self::Ended(EndReason::Replaced) => "replaced",
        }
    }

    /// Parses the stored text.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        [
            EndReason::HostSilent,
            EndReason::TimeUp,
            EndReason::Replaced,
        ]
        .map(Self::Ended)
        .into_iter()
        .chain([Self::Dissolved])
        .find(|cause| cause.as_str() == text)
        .ok_or(Unreadable("ended"))
    }
}

/// The first second at which a group has ended unless a heartbeat comes.
pub fn end_second(group: &Group, rules: &Rules) -> i64 {
    let silent = group.heartbeat_at.seconds() + i64::from(rules.host_ttl(group));
    silent.min(group.expires_at.seconds()) + 1
}

impl GroupRecord {
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
            origin,
            token,
            join_code,
            lesson,
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
        if let Some(origin) = origin {
            put("origin", text(origin.to_string()));
        }
        if let Some(token) = token {
            put("token", bytes(token.as_bytes()));
        }
        if let Some(code) = join_code {
            put("joinCode", text(code.to_string()));
        }
        if let Some(seconds) = lesson.host_ttl {
            put("hostTtl", number(seconds.into()));
        }
        if !lesson.is_default() {
            put("locked", Value::Bool(lesson.is_locked));
            put("pausedUntil", paused_until(*lesson));
            put("chatMuted", Value::Bool(lesson.is_chat_muted));
        }
        put("watch", number(self.watch));
        put("ttl", number(ttl(&self.group)));
        if let Some((cause, at)) = self.ended {
            put("ended", text(cause.as_str()));
            put("endedAt", epoch(at));
        } else {
            // Only groups that have not ended are in the indexes.
            put("gsi_pk", text(keys::by_id(key.id.as_str())));
            put("gsi_sk", text(keys::domain(&key.domain)));
            let name = name.search_form();
            put(
                "gsi2_pk",
                text(keys::by_name(name.as_str()).unwrap_or_default()),
            );
            put("gsi2_sk", text(name.as_str()));
        }
        item
    }

    /// Reads the record.
    pub fn read(item: &Item) -> Result<Self, Unreadable> {
        let item = Reader(item);
        let delivery = match item.maybe_number("pollingIntervalSeconds")? {
            None => Delivery::WebSocket,
            Some(every_seconds) => Delivery::Polling { every_seconds },
        };
        let ended = match item.maybe_text("ended")? {
            None => None,
            Some(cause) => Some((EndCause::parse(cause)?, item.epoch("endedAt")?)),
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
            origin: item.maybe_origin("origin")?,
            token: item.token("token")?,
            join_code: read_code(item)?,
            lesson: lesson(item)?,
        };
        Ok(Self {
            group,
            watch: item.number("watch")?,
            ended,
        })
    }
}

fn read_code(item: Reader<'_>) -> Result<Option<JoinCode>, Unreadable> {
    let code = item.maybe_text("joinCode")?;
    let code = code.map(|code| JoinCode::parse("joinCode", code));
    code.transpose().map_err(|_| Unreadable("joinCode"))
}

/// Epoch seconds as in the contract, with the milliseconds as a fraction.
pub fn epoch(at: Timestamp) -> Value {
    let (seconds, millis) = (at.millis() / 1000, at.millis() % 1000);
    Value::N(if millis == 0 {
        seconds.to_string()
    } else {
        format!("{seconds}.{millis:03}")
    })
}

/// The interval of a polling group; NULL for others.
pub fn polling(delivery: Delivery) -> Value {
    delivery
        .polling_interval()
        .map_or(Value::Null(true), |seconds| number(i64::from(seconds)))
}

/// When a pause ends, by the clock; NULL if there is none.
pub fn paused_until(lesson: LessonState) -> Value {
    let until = lesson.paused_until.map(|until| text(until.to_string()));
    until.unwrap_or(Value::Null(true))
}

/// What the host decided; nothing of groups that an earlier version made.
fn lesson(item: Reader<'_>) -> Result<LessonState, Unreadable> {
    let flag = |name| Ok(item.maybe_flag(name)?.unwrap_or(false));
    let paused_until = item.maybe_text("pausedUntil")?;
    Ok(LessonState {
        host_ttl: item.maybe_number("hostTtl")?,
        is_locked: flag("locked")?,
        paused_until: match paused_until {
            None => None,
            Some(_) => Some(item.iso("pausedUntil")?),
        },
        is_chat_muted: flag("chatMuted")?,
    })
}

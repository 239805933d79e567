//! The value of a root field, in types of the model, and how it is written as JSON by the
//! selected fields: no tree of values is built, and writing stops at a limit.

use crate::hub::selection::{Field, JsonWriter, SelectedField};
use crate::model::event::Event;
use crate::model::group::{Group, GroupKey};
use crate::model::message::Message;
use crate::model::status::{NodeStatus, SensorData};
use crate::resolvers::node::{SeenMember, display_name};

/// A field's value before it is written.
#[derive(Debug)]
pub enum FieldValue {
    /// The message that a mutation published.
    Message(Message),
    /// Groups, and their hosts' heartbeat interval in seconds.
    Groups(Vec<Group>, u32),
    /// A group's members.
    Members(Vec<SeenMember>),
    /// One node's variables, if it has any.
    Status(Option<NodeStatus>),
    /// Every node's variables.
    Statuses(Vec<NodeStatus>),
    /// A page of a group's events.
    Events(GroupKey, Vec<Event>),
    /// A page of a group's events, and every node's variables.
    Poll(GroupKey, Vec<Event>, Vec<NodeStatus>),
}

impl FieldValue {
    /// Approximate bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Message(Message::Status(status)) | Self::Status(Some(status)) => {
                status_bytes(status)
            }
            Self::Message(Message::Events(batch)) => events_bytes(&batch.events),
            Self::Message(Message::Dissolved(_)) | Self::Status(None) => 0,
            Self::Groups(groups, _) => size_of_val(groups.as_slice()),
            Self::Members(members) => size_of_val(members.as_slice()),
            Self::Statuses(statuses) => statuses.iter().map(status_bytes).sum(),
            Self::Events(_, events) => events_bytes(events),
            Self::Poll(_, events, statuses) => {
                events_bytes(events) + statuses.iter().map(status_bytes).sum::<usize>()
            }
        }
    }

    /// Writes the selected fields. Of a page of events, as many are written as fit into
    /// `share` bytes, and at least one. `None` when the value does not fit into `limit`.
    pub fn write(&self, fields: &[SelectedField], share: usize, limit: usize) -> Option<Vec<u8>> {
        let events = self.events();
        if events.is_empty() {
            return self.write_with(fields, events, limit);
        }
        if let Some(json) = self.write_with(fields, events, share) {
            return Some(json);
        }
        let without_events = self.write_with(fields, &[], limit)?.len();
        let mut remaining = share.saturating_sub(without_events);
        let fitting = events.iter().take_while(|event| {
            let bytes = self.event_bytes(fields, event, remaining);
            remaining -= bytes.unwrap_or_default();
            bytes.is_some()
        });
        let fitting = fitting.count().max(1);
        self.write_with(fields, &events[..fitting], limit)
    }

    fn events(&self) -> &[Event] {
        match self {
            Self::Events(_, events) | Self::Poll(_, events, _) => events,
            _ => &[],
        }
    }

    /// The bytes that one event adds to its page, commas included, if within the limit.
    fn event_bytes(&self, fields: &[SelectedField], event: &Event, limit: usize) -> Option<usize> {
        let mut json = JsonWriter::with_limit(limit);
        match self {
            Self::Events(group, _) => {
                json.raw(",");
                json.event(fields, event, group);
            }
            Self::Poll(group, ..) => {
                for list in fields.iter().filter(|field| field.field == Field::Events) {
                    json.raw(",");
                    json.event(&list.inner, event, group);
                }
            }
            _ => {}
        }
        json.finish().map(|json| json.len())
    }

    fn write_with(
        &self,
        fields: &[SelectedField],
        events: &[Event],
        limit: usize,
    ) -> Option<Vec<u8>> {
        let mut json = JsonWriter::with_limit(limit);
        match self {
            Self::Message(message) => json.message(fields, message),
            Self::Groups(groups, interval) => json.list(groups, |json, group| {
                write_group(json, fields, group, *interval);
            }),
            Self::Members(members) => {
                json.list(members, |json, member| write_member(json, fields, member));
            }
            Self::Status(None) => json.raw("null"),
            Self::Status(Some(status)) => json.status(fields, status),
            Self::Statuses(statuses) => {
                json.list(statuses, |json, status| json.status(fields, status));
            }
            Self::Events(group, _) => {
                json.list(events, |json, event| json.event(fields, event, group));
            }
            Self::Poll(group, _, statuses) => {
                json.object(fields, |json, field| match field.field {
                    Field::Typename => json.raw("\"PollGroupData\""),
                    Field::Events => {
                        json.list(events, |json, event| json.event(&field.inner, event, group));
                    }
                    _ => json.list(statuses, |json, status| json.status(&field.inner, status)),
                });
            }
        }
        json.finish()
    }
}

/// A group in a list: its join code is null there (docs/api.md).
fn write_group(json: &mut JsonWriter, fields: &[SelectedField], group: &Group, interval: u32) {
    json.object(fields, |json, field| match field.field {
        Field::Typename => json.raw("\"Group\""),
        Field::Id => json.value(&group.key.id),
        Field::Domain => json.value(&group.key.domain),
        Field::FullId => json.value(&group.key.to_string()),
        Field::Name => json.value(&group.name),
        Field::HostId => json.value(&group.host),
        Field::ExpiresAt => json.unescaped(&group.expires_at),
        Field::HeartbeatIntervalSeconds => json.value(&interval),
        Field::UseWebSocket => json.value(&group.delivery.uses_websocket()),
        Field::PollingIntervalSeconds => json.value(&group.delivery.polling_interval()),
        Field::Locked => json.value(&group.lesson.is_locked),
        Field::PausedUntil => match &group.lesson.paused_until {
            Some(until) => json.unescaped(until),
            None => json.raw("null"),
        },
        Field::ChatMuted => json.value(&group.lesson.is_chat_muted),
        _ => json.raw("null"),
    });
}

/// A member in a list: the fields about its group's end and delivery are null there
/// (docs/api.md).
fn write_member(json: &mut JsonWriter, fields: &[SelectedField], seen: &SeenMember) {
    let member = &seen.member;
    json.object(fields, |json, field| match field.field {
        Field::Typename => json.raw("\"Node\""),
        Field::Id => json.value(&member.node),
        Field::Name => json.value(&display_name(&member.node)),
        Field::GroupId => json.value(&member.group.id),
        Field::Domain => json.value(&member.group.domain),
        Field::Nickname => json.value(&member.nickname),
        Field::LastSeenAt => json.unescaped(&seen.at),
        Field::Transport => json.value(&seen.transport()),
        _ => json.raw("null"),
    });
}

fn status_bytes(status: &NodeStatus) -> usize {
    let data = status.data.iter();
    let texts: usize = data.map(|data| data.key.len() + data.value.len()).sum();
    size_of::<NodeStatus>() + status.data.len() * size_of::<SensorData>() + texts
}

fn events_bytes(events: &[Event]) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let events = events.iter().map(|event| {
        let texts = event.name.len() + event.timestamp.len();
        size_of::<Event>() + texts + text(&event.payload) + text(&event.order_key)
    });
    events.sum()
}

#[cfg(test)]
mod tests;

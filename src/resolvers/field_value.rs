//! What a field of the root comes to, in the model's words, and the writing of it by what
//! was selected: no tree of values is built, and writing stops at a limit.

use crate::hub::selection::{Field, JsonWriter, SelectedField};
use crate::model::event::Event;
use crate::model::group::{Group, GroupKey, Member};
use crate::model::message::Message;
use crate::model::status::{NodeStatus, SensorData};
use crate::resolvers::node::name_of;

/// A field's value before it is written.
#[derive(Debug)]
pub enum FieldValue {
    /// What a mutation told its group.
    Message(Message),
    /// Groups, and how often their hosts show that they live, in seconds.
    Groups(Vec<Group>, u32),
    /// A group's members.
    Members(Vec<Member>),
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
    /// About how many bytes it holds.
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

    /// Writes what was selected, as far as the limit of bytes allows; of a page of events
    /// as many as fit into `share` bytes, and at least one. `None` when the rest does not
    /// fit into `left`.
    pub fn write(&self, picks: &[SelectedField], share: usize, left: usize) -> Option<Vec<u8>> {
        let events = self.events();
        if events.is_empty() {
            return self.write_with(picks, events, left);
        }
        if let Some(whole) = self.write_with(picks, events, share) {
            return Some(whole);
        }
        let rest = self.write_with(picks, &[], left)?.len();
        let mut room = share.saturating_sub(rest);
        let fitting = events.iter().take_while(|event| {
            let bytes = self.event_bytes(picks, event, room);
            room -= bytes.unwrap_or_default();
            bytes.is_some()
        });
        let fitting = fitting.count().max(1);
        self.write_with(picks, &events[..fitting], left)
    }

    fn events(&self) -> &[Event] {
        match self {
            Self::Events(_, events) | Self::Poll(_, events, _) => events,
            _ => &[],
        }
    }

    /// What one event of a page adds, its commas included, if that is within the limit.
    fn event_bytes(&self, picks: &[SelectedField], event: &Event, limit: usize) -> Option<usize> {
        let mut out = JsonWriter::with_limit(limit);
        match self {
            Self::Events(group, _) => {
                out.raw(",");
                out.event(picks, event, group);
            }
            Self::Poll(group, ..) => {
                for list in picks.iter().filter(|pick| pick.field == Field::Events) {
                    out.raw(",");
                    out.event(&list.inner, event, group);
                }
            }
            _ => {}
        }
        out.finish().map(|text| text.len())
    }

    fn write_with(
        &self,
        picks: &[SelectedField],
        events: &[Event],
        limit: usize,
    ) -> Option<Vec<u8>> {
        let mut out = JsonWriter::with_limit(limit);
        match self {
            Self::Message(message) => out.message(picks, message),
            Self::Groups(groups, interval) => out.list(groups, |out, group| {
                write_group(out, picks, group, *interval);
            }),
            Self::Members(members) => {
                out.list(members, |out, member| write_member(out, picks, member));
            }
            Self::Status(None) => out.raw("null"),
            Self::Status(Some(status)) => out.status(picks, status),
            Self::Statuses(statuses) => {
                out.list(statuses, |out, status| out.status(picks, status));
            }
            Self::Events(group, _) => {
                out.list(events, |out, event| out.event(picks, event, group));
            }
            Self::Poll(group, _, statuses) => out.object(picks, |out, pick| match pick.field {
                Field::Typename => out.raw("\"PollGroupData\""),
                Field::Events => {
                    out.list(events, |out, event| out.event(&pick.inner, event, group));
                }
                _ => out.list(statuses, |out, status| out.status(&pick.inner, status)),
            }),
        }
        out.finish()
    }
}

fn write_group(out: &mut JsonWriter, picks: &[SelectedField], group: &Group, interval: u32) {
    out.object(picks, |out, pick| match pick.field {
        Field::Typename => out.raw("\"Group\""),
        Field::Id => out.value(&group.key.id),
        Field::Domain => out.value(&group.key.domain),
        Field::FullId => out.value(&group.key.to_string()),
        Field::Name => out.value(&group.name),
        Field::HostId => out.value(&group.host),
        Field::ExpiresAt => out.unescaped(&group.expires_at),
        Field::HeartbeatIntervalSeconds => out.value(&interval),
        Field::UseWebSocket => out.value(&group.delivery.uses_websocket()),
        Field::PollingIntervalSeconds => out.value(&group.delivery.polling_interval()),
        _ => out.raw("null"),
    });
}

/// A member in a list: what belongs to its group's life is null there (docs/api.md).
fn write_member(out: &mut JsonWriter, picks: &[SelectedField], member: &Member) {
    out.object(picks, |out, pick| match pick.field {
        Field::Typename => out.raw("\"Node\""),
        Field::Id => out.value(&member.node),
        Field::Name => out.value(&name_of(&member.node)),
        Field::GroupId => out.value(&member.group.id),
        Field::Domain => out.value(&member.group.domain),
        _ => out.raw("null"),
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

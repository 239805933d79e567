//! Events: what is sent in, what is heard, and where each stands in its group's log.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

/// An event as a node sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInput {
    /// Its name.
    pub name: String,
    /// Its payload, if any.
    pub payload: Option<String>,
    /// When it happened by the sender's clock, an ISO 8601 time as it was sent.
    pub fired_at: String,
    /// The sender's own order of its events.
    pub order_key: Option<String>,
}

impl EventInput {
    /// Where it stands among the recorded events of its call.
    fn order(&self) -> &str {
        self.order_key.as_deref().unwrap_or_default()
    }
}

/// Whether a call came over the channel that is heard or the one that is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// fireEventsByNode.
    Fired,
    /// recordEventsByNode.
    Recorded,
}

/// One call of fireEventsByNode or recordEventsByNode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCall {
    /// The group.
    pub group: GroupKey,
    /// The sender.
    pub node: NodeId,
    /// Which of the two.
    pub channel: Channel,
    /// The events in the sender's order.
    pub events: Arc<Vec<EventInput>>,
}

impl EventCall {
    /// The events in the order of the group's log: as fired; recorded ones by
    /// `orderKey` (text order), then position (decision D12).
    pub fn in_log_order(&self) -> Vec<&EventInput> {
        let mut events: Vec<_> = self.events.iter().collect();
        if self.channel == Channel::Recorded {
            events.sort_by_key(|e| e.order());
        }
        events
    }

    /// What a repetition of this call would share with it, if it can be told from a
    /// new call: only when every event has an order key (decision D15).
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        let told_apart = |e: &EventInput| e.order_key.as_deref().is_some_and(|key| !key.is_empty());
        if self.events.is_empty() || !self.events.iter().all(told_apart) {
            return None;
        }
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(match self.channel {
            Channel::Fired => "fired",
            Channel::Recorded => "recorded",
        });
        add(self.node.as_str());
        for event in self.events.iter() {
            add(&event.name);
            add(if event.payload.is_some() {
                "payload"
            } else {
                "none"
            });
            add(event.payload.as_deref().unwrap_or_default());
            add(&event.fired_at);
            add(event.order_key.as_deref().unwrap_or_default());
        }
        Some(Fingerprint(hash.finalize().into()))
    }

    /// The batch that subscribers hear: the sender's own times, so that events keep
    /// their spacing when they are replayed.
    pub fn batch(&self, timestamp: Timestamp) -> EventBatch {
        let heard = |e: &EventInput| Event {
            name: e.name.clone(),
            fired_by: self.node.clone(),
            payload: e.payload.clone().filter(|p| !p.is_empty()),
            timestamp: e.fired_at.clone(),
            order_key: e.order_key.clone().filter(|k| !k.is_empty()),
            cursor: None,
        };
        EventBatch {
            group: self.group.clone(),
            fired_by: self.node.clone(),
            timestamp,
            events: self.in_log_order().into_iter().map(heard).collect(),
        }
    }

    /// Puts the events in the order of the group's log; a fingerprint is of the order in
    /// which they were sent.
    pub fn sort(&mut self) {
        if self.channel == Channel::Recorded {
            Arc::make_mut(&mut self.events).sort_by(|a, b| a.order().cmp(b.order()));
        }
    }

    /// How many bytes the call's texts have.
    pub fn bytes(&self) -> usize {
        let text = |t: &Option<String>| t.as_ref().map_or(0, String::len);
        let one = |e: &EventInput| {
            e.name.len() + e.fired_at.len() + text(&e.payload) + text(&e.order_key)
        };
        self.events.iter().map(one).sum()
    }
}

/// A digest of a whole call, the same for its repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// An event as it is heard or polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Who sent it.
    pub fired_by: NodeId,
    /// Its payload.
    pub payload: Option<String>,
    /// Heard: the sender's time as it was sent. Polled: the server's.
    pub timestamp: String,
    /// Its place in the group's log; polled events only.
    pub cursor: Option<Cursor>,
    /// The sender's order key.
    pub order_key: Option<String>,
}

/// The events of one call, as subscribers hear them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// The group.
    pub group: GroupKey,
    /// Who sent them.
    pub fired_by: NodeId,
    /// When the server took them.
    pub timestamp: Timestamp,
    /// The events.
    pub events: Vec<Event>,
}

/// What every cursor begins with.
pub const CURSOR_PREFIX: &str = "EVENT#";

/// Where a reader of a group's log continues: after a cursor or a time, or at the
/// beginning when the text is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since<'a> {
    /// Just there (getEventsSince).
    Exactly(&'a str),
    /// The same, but a plain time counts from one polling interval earlier: an editor's
    /// first poll sends its own clock, two seconds after it joined (decision D14).
    Polled(&'a str),
}

impl<'a> Since<'a> {
    /// The text as it was sent.
    pub fn text(self) -> &'a str {
        match self {
            Self::Exactly(text) | Self::Polled(text) => text,
        }
    }
}

/// The server's stamp of a call: it only grows within a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// The millisecond.
    pub at: Timestamp,
    /// The call's number within that millisecond.
    pub call: u32,
}

impl Stamp {
    /// The most calls one millisecond can number; text order needs a fixed width.
    const CALLS: u32 = 1_000_000;

    /// The stamp of a call at `now` in a log that ends with `last`.
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        match last {
            Some(last) if last.at >= now && last.call + 1 < Self::CALLS => Self {
                at: last.at,
                call: last.call + 1,
            },
            Some(last) if last.at >= now => Self {
                at: last.at.next(),
                call: 0,
            },
            _ => Self { at: now, call: 0 },
        }
    }
}

/// An event's place in its group's log (decision D12). As text it sorts like the log,
/// and against `EVENT#` + a client's ISO millisecond clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The call's stamp.
    pub stamp: Stamp,
    /// The event's place within the call.
    pub index: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{CURSOR_PREFIX}{}#{:06}#{:06}",
            self.stamp.at, self.stamp.call, self.index
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ids::{Domain, GroupId};

    fn call(channel: Channel, events: &[(&str, Option<&str>)]) -> EventCall {
        let event = |(name, key): &(&str, Option<&str>)| EventInput {
            name: (*name).into(),
            payload: Some(String::new()),
            fired_at: "2026-11-21T04:40:35.740Z".into(),
            order_key: key.map(Into::into),
        };
        EventCall {
            group: GroupKey {
                domain: Domain::parse("domain", "d").unwrap(),
                id: GroupId::parse("groupId", "g").unwrap(),
            },
            node: NodeId::parse("nodeId", "n").unwrap(),
            channel,
            events: Arc::new(events.iter().map(event).collect()),
        }
    }

    #[test]
    fn recorded_events_stand_by_order_key_then_position_and_fired_ones_as_sent() {
        let sent = [("c", Some("2")), ("a", Some("1")), ("b", Some("1"))];
        let names = |channel| {
            call(channel, &sent)
                .in_log_order()
                .iter()
                .map(|e| e.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Channel::Recorded), ["a", "b", "c"]);
        assert_eq!(names(Channel::Fired), ["c", "a", "b"]);
    }

    #[test]
    fn only_calls_with_every_order_key_can_be_told_from_their_repetition() {
        let with_keys = call(Channel::Fired, &[("a", Some("1")), ("b", Some("1"))]);
        assert_eq!(with_keys.fingerprint(), with_keys.clone().fingerprint());
        assert_ne!(
            with_keys.fingerprint(),
            call(Channel::Recorded, &[("a", Some("1")), ("b", Some("1"))]).fingerprint()
        );
        assert_ne!(
            with_keys.fingerprint(),
            call(Channel::Fired, &[("a", Some("1"))]).fingerprint()
        );
        for unclear in [
            vec![],
            vec![("a", None)],
            vec![("a", Some("1")), ("b", Some(""))],
        ] {
            assert_eq!(call(Channel::Fired, &unclear).fingerprint(), None);
        }
    }

    #[test]
    fn an_empty_payload_is_heard_as_none() {
        let batch = call(Channel::Fired, &[("a", Some(""))]).batch(Timestamp::from_millis(5));
        assert_eq!(
            (
                batch.events[0].payload.as_ref(),
                batch.events[0].order_key.as_ref()
            ),
            (None, None)
        );
        assert_eq!(batch.events[0].timestamp, "2026-11-21T04:40:35.740Z");
    }

    proptest! {
        #[test]
        fn stamps_only_grow_whatever_the_clock_does(clock in prop::collection::vec(0i64..1000, 1..50)) {
            let mut last = None;
            for now in clock {
                let stamp = Stamp::after(last, Timestamp::from_millis(now));
                prop_assert!(last.is_none_or(|l| l < stamp) && stamp.at >= Timestamp::from_millis(now));
                last = Some(stamp);
            }
        }

        #[test]
        fn cursors_sort_as_text_as_they_do_as_values(
            a in (0i64..4_000_000_000_000, 0u32..1_000_000, 0u32..10_000),
            b in (0i64..4_000_000_000_000, 0u32..1_000_000, 0u32..10_000),
        ) {
            let cursor = |(at, call, index): (i64, u32, u32)| {
                Cursor { stamp: Stamp { at: Timestamp::from_millis(at), call }, index }
            };
            let (a, b) = (cursor(a), cursor(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn a_cursor_is_later_than_the_clients_clock_of_its_own_millisecond(at in 0i64..4_000_000_000_000) {
            let cursor = Cursor { stamp: Stamp { at: Timestamp::from_millis(at), call: 0 }, index: 0 };
            let clock = |millis| format!("{CURSOR_PREFIX}{}", Timestamp::from_millis(millis));
            prop_assert!(cursor.to_string() > clock(at));
            prop_assert!(cursor.to_string() < clock(at + 1));
        }
    }
}

//! The state of one cloud socket: texts and messages go in, actions and texts come out. Nothing
//! here waits or touches a socket.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::cloud::close;
use crate::cloud::pending::Pending;
use crate::cloud::protocol::{ClientMessage, Handshake, set_message};
use crate::model::ids::NodeId;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::projects::Value;
use crate::realtime::close::Close;

/// What is to be done after a client's text.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Find the group and join it.
    Enter(Handshake),
    /// Set the variable `to` to the value of `from`.
    Rename {
        /// The old key.
        from: String,
        /// The new one.
        to: String,
    },
    /// Close the socket.
    Close(Close),
}

/// The state of one socket.
#[derive(Debug, Default)]
pub struct Session {
    has_shaken_hands: bool,
    /// The socket's node, once it is a member.
    node: Option<NodeId>,
    pending: Pending,
    /// The times of the values that the client got as it joined: messages that came meanwhile
    /// may be older, or bring the same; with the values' digests. Dropped with the first message that
    /// is newer than all.
    joined_with: HashMap<String, (Timestamp, u64)>,
    /// The bytes of these.
    joined_bytes: usize,
    digests: RandomState,
}

/// What a time takes beside its key.
const ENTRY_BYTES: usize = 64;

impl Session {
    /// Whether the handshake came.
    pub fn has_shaken_hands(&self) -> bool {
        self.has_shaken_hands
    }

    /// The variables that wait to be reported.
    pub fn pending(&mut self) -> &mut Pending {
        &mut self.pending
    }

    /// The bytes that it holds.
    pub fn bytes(&self) -> usize {
        self.pending.bytes() + self.joined_bytes
    }

    /// Handles a client's text: a message in each of its lines.
    pub fn on_text(&mut self, text: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match ClientMessage::parse(line) {
                Ok(message) => actions.extend(self.on_message(message)),
                Err(close) => actions.push(Action::Close(close)),
            }
            if matches!(actions.last(), Some(Action::Close(_))) {
                break;
            }
        }
        actions
    }

    fn on_message(&mut self, message: ClientMessage) -> Option<Action> {
        match message {
            ClientMessage::Handshake(handshake) if !self.has_shaken_hands => {
                self.has_shaken_hands = true;
                Some(Action::Enter(handshake))
            }
            // A second handshake, or none before the first variable.
            ClientMessage::Handshake(_) => Some(Action::Close(close::BAD_MESSAGE)),
            _ if !self.has_shaken_hands => Some(Action::Close(close::BAD_MESSAGE)),
            ClientMessage::Set { key, value } => {
                self.pending.set(key, value);
                None
            }
            ClientMessage::Rename { from, to } => Some(Action::Rename { from, to }),
            ClientMessage::Ignored => None,
        }
    }

    /// The socket is the member `node` now. Returns the text with all values but those that the
    /// client has set meanwhile, oldest first, if there are any.
    pub fn on_entered(&mut self, node: NodeId, mut values: Vec<Value>) -> Option<String> {
        self.node = Some(node);
        values.sort_by(|a, b| (a.at, &a.data.key).cmp(&(b.at, &b.data.key)));
        let known = values.iter().map(|Value { data, at }| {
            let known = (*at, self.digests.hash_one(&data.value));
            (data.key.clone(), known)
        });
        self.joined_with = known.collect();
        let keys = self.joined_with.keys();
        self.joined_bytes = keys.map(|key| key.len() + ENTRY_BYTES).sum();
        self.lines(values.iter().map(|value| &value.data))
    }

    /// The text for the client when the group shows a report, if it has news.
    pub fn on_status(&mut self, status: &NodeStatus) -> Option<String> {
        if self.node.as_ref() == Some(&status.node) {
            self.pending.on_seen(&status.data);
            return None;
        }
        let joined = &self.joined_with;
        if !joined.is_empty() && joined.values().all(|(at, _)| *at < status.timestamp) {
            self.joined_with = HashMap::new();
            self.joined_bytes = 0;
        }
        let is_old = |data: &&SensorData| {
            let known = self.joined_with.get(&data.key);
            known.is_some_and(|(at, digest)| {
                let is_same = || self.digests.hash_one(&data.value) == *digest;
                status.timestamp < *at || (status.timestamp == *at && is_same())
            })
        };
        self.lines(status.data.iter().filter(|data| !is_old(data)))
    }

    /// A message for each variable that the client did not set since, in one text.
    pub fn lines<'a>(&self, data: impl Iterator<Item = &'a SensorData>) -> Option<String> {
        let news = data.filter(|data| !self.pending.is_newer(&data.key));
        let lines: Vec<_> = news
            .map(|data| set_message(&data.key, &data.value))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::GroupKey;

    const HANDSHAKE: &str = r#"{"method":"handshake","project_id":"1","user":"u"}"#;
    const SET: &str = r#"{"method":"set","name":"☁ a","value":1}"#;

    fn data(key: &str, value: &str) -> SensorData {
        let (key, value) = (key.into(), value.into());
        SensorData { key, value }
    }

    fn value(key: &str, value: &str, at: i64) -> Value {
        let at = Timestamp::from_millis(at);
        let data = data(key, value);
        Value { data, at }
    }

    fn node(id: &str) -> NodeId {
        NodeId::parse("nodeId", id).unwrap()
    }

    fn status(id: &str, of: &[(&str, &str)], at: i64) -> NodeStatus {
        let data: Vec<_> = of.iter().map(|(key, value)| data(key, value)).collect();
        NodeStatus {
            node: node(id),
            group: GroupKey::parse("g", "d").unwrap(),
            data: data.into(),
            timestamp: Timestamp::from_millis(at),
        }
    }

    fn entered(values: Vec<Value>) -> (Session, Option<String>) {
        let mut session = Session::default();
        assert!(matches!(session.on_text(HANDSHAKE)[..], [Action::Enter(_)]));
        let text = session.on_entered(node("own"), values);
        (session, text)
    }

    fn names(text: Option<String>) -> Vec<String> {
        let text = text.unwrap_or_default();
        let messages = text.lines().map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{}={}", message["name"], message["value"]).replace(['"', '☁', ' '], "")
        });
        messages.collect()
    }

    #[test]
    fn one_handshake_comes_before_all_else() {
        let closes = |session: &mut Session, text: &str| {
            let actions = session.on_text(text);
            matches!(actions.last(), Some(Action::Close(close)) if close.code == 4000)
        };
        assert!(closes(&mut Session::default(), SET));
        assert!(closes(&mut Session::default(), "no JSON"));
        let mut session = Session::default();
        let several = format!("{HANDSHAKE}\n{SET}\n\n");
        assert_eq!(session.on_text(&several).len(), 1);
        assert_eq!(session.pending().len(), 1);
        assert!(closes(&mut session, HANDSHAKE));
    }

    #[test]
    fn a_client_gets_all_values_oldest_first_but_those_that_it_set() {
        let mut session = Session::default();
        session.on_text(HANDSHAKE);
        session.on_text(SET);
        let values = vec![value("c", "3", 9), value("a", "9", 5), value("b", "2", 7)];
        let text = session.on_entered(node("own"), values);
        assert_eq!(names(text), ["b=2", "c=3"]);
    }

    #[test]
    fn messages_older_than_the_values_at_the_start_bring_no_news() {
        let (mut session, _) = entered(vec![value("a", "2", 20), value("b", "1", 5)]);
        let old = status("other", &[("a", "1"), ("b", "2"), ("c", "3")], 10);
        assert_eq!(names(session.on_status(&old)), ["b=2", "c=3"]);
        let same = status("other", &[("a", "2")], 20);
        assert_eq!(session.on_status(&same), None);
        let next = status("other", &[("a", "4")], 20);
        assert_eq!(
            names(session.on_status(&next)),
            ["a=4"],
            "of one millisecond"
        );
        let new = status("other", &[("a", "3")], 21);
        assert_eq!(names(session.on_status(&new)), ["a=3"]);
        assert!(session.joined_with.is_empty());
    }

    #[test]
    fn no_client_gets_its_own_values_or_older_ones_than_its_own() {
        let (mut session, _) = entered(Vec::new());
        session.on_text(SET);
        let other = status("other", &[("a", "5"), ("b", "6")], 1);
        assert_eq!(names(session.on_status(&other)), ["b=6"]);
        let report = session.pending().begin().unwrap();
        session.pending().on_reported();
        assert_eq!(session.on_status(&status("own", &[("a", "1")], 2)), None);
        assert_eq!(report, [data("a", "1")]);
        let later = status("other", &[("a", "7")], 3);
        assert_eq!(names(session.on_status(&later)), ["a=7"]);
    }
}

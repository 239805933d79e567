//! The documents of the run, as the editor's client writes them, and the texts that
//! publishers send with them.

use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::group::Group;
use crate::mix::Mix;
use crate::stamp::{Kind, Stamp};

/// What the host asks for.
pub const CREATE: &str = "mutation CreateGroup($name: String!, $hostId: ID!, $domain: String!) { createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: true) { id domain fullId name hostId expiresAt heartbeatIntervalSeconds useWebSocket pollingIntervalSeconds } }";
/// What a member asks for.
pub const JOIN: &str = "mutation JoinGroup($groupId: ID!, $domain: String!, $nodeId: ID!, $useWebSocket: Boolean) { joinGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId, useWebSocket: $useWebSocket) { id groupId domain heartbeatIntervalSeconds } }";
/// The host's sign of life.
pub const RENEW: &str = "mutation RenewHeartbeat($groupId: ID!, $domain: String!, $hostId: ID!) { renewHeartbeat(groupId: $groupId, domain: $domain, hostId: $hostId) { groupId domain expiresAt heartbeatIntervalSeconds } }";
/// A member's sign of life.
pub const BEAT: &str = "mutation SendMemberHeartbeat($groupId: ID!, $domain: String!, $nodeId: ID!) { sendMemberHeartbeat(groupId: $groupId, domain: $domain, nodeId: $nodeId) { nodeId groupId domain expiresAt heartbeatIntervalSeconds } }";
/// The end.
pub const DISSOLVE: &str = "mutation DissolveGroup($groupId: ID!, $domain: String!, $hostId: ID!) { dissolveGroup(groupId: $groupId, domain: $domain, hostId: $hostId) { groupId domain groupDissolve { groupId domain message } } }";
/// What a subscriber hears.
pub const LISTEN: &str = "subscription OnMessageInGroup($groupId: ID!, $domain: String!) { onMessageInGroup(groupId: $groupId, domain: $domain) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey } firedByNodeId groupId domain timestamp } groupDissolve { groupId domain message } } }";
/// What a poller reads.
pub const POLL: &str = "query PollGroupData($groupId: ID!, $domain: String!, $since: String!) { pollGroupData(groupId: $groupId, domain: $domain, since: $since) { events { name firedByNodeId groupId domain payload timestamp cursor orderKey } nodeStatuses { nodeId groupId domain data { key value } timestamp } } }";
const REPORT: &str = "mutation ReportDataByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $data: [SensorDataInput!]!) { reportDataByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, data: $data) { groupId domain nodeStatus { nodeId groupId domain data { key value } timestamp } } }";
const FIRE: &str = "mutation FireEventsByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) { fireEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) { groupId domain batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey } firedByNodeId groupId domain timestamp } } }";
const RECORD: &str = "mutation RecordEventsByNode($groupId: ID!, $domain: String!, $nodeId: ID!, $events: [EventInput!]!) { recordEventsByNode(groupId: $groupId, domain: $domain, nodeId: $nodeId, events: $events) { groupId domain recordedCount nextSince } }";

/// Where the stamp goes in a body.
const STAMP: &str = "<stamp>";
/// Where the number goes in an event's order key.
const ORDER: &str = "<order>";

/// How a message is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// reportDataByNode
    Report,
    /// fireEventsByNode
    Fire,
    /// recordEventsByNode
    Record,
}

impl Verb {
    /// What kind of message it makes.
    pub fn kind(self) -> Kind {
        match self {
            Self::Report => Kind::Report,
            Self::Fire | Self::Record => Kind::Event,
        }
    }

    /// A mix as an endless row: each kind spread evenly over as many calls as it has parts.
    pub fn row(mix: Mix) -> Vec<Self> {
        let kinds = [
            (Self::Report, mix.reports),
            (Self::Fire, mix.fires),
            (Self::Record, mix.records),
        ];
        let mut row: Vec<(f64, Self)> = Vec::new();
        for (verb, parts) in kinds {
            let place = |part| (f64::from(part) + 0.5) / f64::from(parts);
            row.extend((0..parts).map(|part| (place(part), verb)));
        }
        row.sort_by(|one, other| one.0.total_cmp(&other.0));
        row.into_iter().map(|(_, verb)| verb).collect()
    }
}

/// What one publisher sends, ready but for the stamp.
pub struct Words {
    report: String,
    fire: String,
    record: String,
}

impl Words {
    /// The words of a node in its group.
    pub fn of(node: &str, group: &Group, args: &BenchArgs) -> Self {
        let padding = ".".repeat(args.payload as usize - Stamp::LENGTH);
        let text = format!("{STAMP}{padding}");
        let data: Vec<_> = (1..=args.variables)
            .map(|number| json!({"key": format!("v{number}"), "value": text}))
            .collect();
        let events = json!([{"eventName": "go", "payload": text,
            "firedAt": "2026-02-07T01:02:03.456Z", "orderKey": format!("20260207010203-{ORDER}")}]);
        let body = |document, name: &str, content: Value| {
            let mut variables =
                json!({"groupId": group.id, "domain": group.domain, "nodeId": node});
            variables[name] = content;
            json!({"query": document, "variables": variables}).to_string()
        };
        Self {
            report: body(REPORT, "data", Value::from(data)),
            fire: body(FIRE, "events", events.clone()),
            record: body(RECORD, "events", events),
        }
    }

    /// The body of a call.
    pub fn say(&self, verb: Verb, stamp: &Stamp) -> String {
        let body = match verb {
            Verb::Report => &self.report,
            Verb::Fire => &self.fire,
            Verb::Record => &self.record,
        };
        let body = body.replace(STAMP, &stamp.to_string());
        match verb {
            Verb::Report => body,
            _ => body.replace(ORDER, &format!("{:07}", stamp.event)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_spreads_the_kinds_of_a_mix() {
        let row = Verb::row("reports=4,fires=2".parse().expect("a mix"));
        let fires = row
            .iter()
            .enumerate()
            .filter(|(_, verb)| **verb == Verb::Fire);
        assert_eq!(row.len(), 6);
        assert_eq!(fires.map(|(at, _)| at).collect::<Vec<_>>(), [1, 4]);
    }
}

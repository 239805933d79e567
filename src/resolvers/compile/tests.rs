//! Our rendering equals the engine's execution, for documents made at random.

use std::fmt::Write as _;

use async_graphql::{Request, Variables};
use futures_util::StreamExt as _;
use proptest::prelude::*;
use serde_json::json;

use crate::mesh::Mesh;
use crate::model::cursor::{Cursor, Stamp};
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{EndReason, GroupKey};
use crate::model::ids::NodeId;
use crate::model::message::{Dissolution, Message};
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::property::cases;
use crate::resolvers::document::{Document, Documents, GraphQlRequest};
use crate::resolvers::message::Heard;
use crate::resolvers::{DocumentLimits, Schema, compile, response, schema};

/// The fields of each type: name, and the type of what it holds.
fn fields(of: &str) -> &'static [(&'static str, &'static str)] {
    match of {
        "MeshMessage" => &[
            ("__typename", ""),
            ("groupId", ""),
            ("domain", ""),
            ("nodeStatus", "NodeStatus"),
            ("batchEvent", "BatchEvent"),
            ("groupDissolve", "GroupDissolvePayload"),
        ],
        "NodeStatus" => &[
            ("__typename", ""),
            ("nodeId", ""),
            ("groupId", ""),
            ("domain", ""),
            ("data", "SensorData"),
            ("timestamp", ""),
        ],
        "SensorData" => &[("__typename", ""), ("key", ""), ("value", "")],
        "BatchEvent" => &[
            ("__typename", ""),
            ("events", "Event"),
            ("firedByNodeId", ""),
            ("groupId", ""),
            ("domain", ""),
            ("timestamp", ""),
        ],
        "Event" => &[
            ("__typename", ""),
            ("name", ""),
            ("firedByNodeId", ""),
            ("groupId", ""),
            ("domain", ""),
            ("payload", ""),
            ("timestamp", ""),
            ("cursor", ""),
            ("orderKey", ""),
        ],
        _ => &[
            ("__typename", ""),
            ("groupId", ""),
            ("domain", ""),
            ("message", ""),
        ],
    }
}

/// A field or fragment of a type; numbers are taken as they come.
#[derive(Clone, Debug)]
struct Item {
    field: usize,
    aliased: bool,
    wrapping: u8,
    directive: u8,
    inner: Vec<Item>,
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let parts = || (0usize..72, prop::bool::weighted(0.3), 0u8..6, 0u8..8);
    let item = |(field, aliased, wrapping, directive), inner| Item {
        field,
        aliased,
        wrapping,
        directive,
        inner,
    };
    let leaf = parts().prop_map(move |p| item(p, Vec::new()));
    let tree = leaf.prop_recursive(4, 40, 5, move |inner| {
        (parts(), prop::collection::vec(inner, 1..5)).prop_map(move |(p, inner)| item(p, inner))
    });
    prop::collection::vec(tree, 1..6)
}

/// Writes random selections as a document.
#[derive(Default)]
struct Writer {
    fragments: String,
    named: usize,
}

impl Writer {
    fn set(&mut self, of: &str, items: &[Item]) -> String {
        let mut text: Vec<String> = items.iter().map(|item| self.item(of, item)).collect();
        // A set may come to nothing by its directives, but must not be empty as text.
        text.push("__typename".into());
        format!("{{ {} }}", text.join(" "))
    }

    fn item(&mut self, of: &str, item: &Item) -> String {
        let all = fields(of);
        let (name, holds) = all[item.field % all.len()];
        self.named += 1;
        let number = self.named;
        let alias = if item.aliased {
            format!("a{number}: ")
        } else {
            String::new()
        };
        let directive = [
            "",
            "",
            "",
            "@include(if: $yes)",
            "@skip(if: $yes)",
            "@include(if: $no)",
            "@skip(if: $no)",
            "@include(if: true) @skip(if: $absent)",
        ][usize::from(item.directive)];
        let inner = if holds.is_empty() {
            String::new()
        } else {
            self.set(holds, &item.inner)
        };
        let field = format!("{alias}{name} {inner}");
        match item.wrapping {
            0 => format!("... on {of} {directive} {{ {field} }}"),
            1 => format!("... {directive} {{ {field} }}"),
            2 => {
                let fragment = format!("F{number}");
                writeln!(self.fragments, "fragment {fragment} on {of} {{ {field} }}").unwrap();
                format!("...{fragment} {directive}")
            }
            _ => format!("{alias}{name} {directive} {inner}"),
        }
    }
}

fn document(items: &[Item]) -> String {
    let mut writer = Writer::default();
    let set = writer.set("MeshMessage", items);
    let used =
        "u1: domain @include(if: $yes) u2: domain @include(if: $no) u3: domain @skip(if: $absent)";
    let set = set.replacen('{', &format!("{{ {used} "), 1);
    format!(
        "subscription S($g: ID!, $yes: Boolean!, $no: Boolean!, $absent: Boolean = false) \
         {{ heard: onMessageInGroup(groupId: $g, domain: \"d\") {set} }}\n{}",
        writer.fragments
    )
}

fn messages() -> Vec<Message> {
    let group = GroupKey::parse("g \"1\" 🐱", "d").unwrap();
    let node = NodeId::parse("nodeId", "こども").unwrap();
    let at = Timestamp::from_millis(1_766_915_894_726);
    let data = |key: &str, value: &str| SensorData {
        key: key.into(),
        value: value.into(),
    };
    let status = NodeStatus {
        node: node.clone(),
        group: group.clone(),
        data: vec![data("a\n\"\\", "\u{1}\u{7f}"), data("", "🎈")].into(),
        timestamp: at,
    };
    let event = |name: &str, payload: Option<&str>, key: Option<&str>| EventInput {
        name: name.into(),
        payload: payload.map(Into::into),
        fired_at: "2026-11-21T04:40:35+09:00".into(),
        order_key: key.map(Into::into),
    };
    let events = vec![
        event("go", Some("x"), Some("1")),
        event("", None, None),
        event("\\", Some(""), Some("")),
    ];
    let call = EventCall {
        group: group.clone(),
        node,
        kind: EventKind::Fired,
        events: events.into(),
    };
    let mut batch = call.batch(at);
    batch.events[1].cursor = Some(Cursor {
        stamp: Stamp { at, call: 1 },
        index: 2,
    });
    vec![
        Message::Status(status),
        Message::Events(batch),
        Message::Dissolved(Dissolution::by_end(group, EndReason::HostSilent)),
    ]
}

fn stage() -> Schema {
    schema(
        Mesh::in_memory(),
        DocumentLimits {
            depth: 100,
            complexity: 10_000,
            aliases: 10_000,
            nesting: 1000,
        },
    )
}

fn variables() -> Variables {
    Variables::from_json(json!({"g": "g", "yes": true, "no": false}))
}

fn open(query: &str) -> Document {
    let ask = GraphQlRequest {
        query: query.into(),
        variables: None,
        operation_name: None,
    };
    Documents::new(DocumentLimits {
        nesting: 1000,
        ..DocumentLimits::default()
    })
    .get(&ask)
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(150)))]

    #[test]
    fn a_message_is_rendered_as_the_engine_would(items in items()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let text = document(&items);
        let document = open(&text);
        let selection = compile::operation(document.parsed(), document.operation(), &variables()).unwrap();
        let heard = Heard::delivering(messages());
        let request = Request::new(text).variables(variables()).data(heard);
        let executed: Vec<_> = runtime.block_on(stage().execute_stream(request).collect());
        prop_assert!(executed.len() == 3, "{:?}", executed);
        for (message, executed) in messages().iter().zip(&executed) {
            prop_assert!(executed.errors.is_empty(), "{:?}", executed.errors);
            let engine = String::from_utf8(response::text(executed)).unwrap();
            let ours = String::from_utf8(selection.render(message).unwrap()).unwrap();
            prop_assert_eq!(format!("{{\"data\":{ours}}}"), engine);
        }
    }
}

#[test]
fn two_fields_are_no_subscription() {
    let twice = open(
        "subscription($g: ID!) { a: onMessageInGroup(groupId: $g, domain: \"d\") { domain } \
         b: onMessageInGroup(groupId: $g, domain: \"d\") { domain } }",
    );
    assert!(compile::operation(twice.parsed(), twice.operation(), &variables()).is_none());
}

#[test]
fn equal_fields_of_a_query_are_one_call_and_mutations_never() {
    let firsts = |text: &str| {
        let document = open(text);
        let roots = compile::roots(document.parsed(), document.operation(), &variables());
        roots.iter().map(|root| root.first).collect::<Vec<_>>()
    };
    let same = firsts(
        "query($g: ID!, $d: String! = \"d\") { \
         a: listGroupStatuses(groupId: $g, domain: \"d\") { nodeId } \
         b: listGroupStatuses(domain: $d, groupId: \"g\") { domain } \
         c: listGroupStatuses(groupId: $g, domain: \"e\") { domain } \
         d: listNodesInGroup(groupId: $g, domain: \"d\") { id } \
         a: listGroupStatuses(groupId: $g, domain: \"d\") { groupId } }",
    );
    assert_eq!(same, [0, 0, 2, 3]);
    let each = firsts("mutation { a: createDomain b: createDomain }");
    assert_eq!(each, [0, 1]);
}

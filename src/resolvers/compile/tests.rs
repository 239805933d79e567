//! Our rendering equals the engine's execution, for random documents.

use std::fmt::Write as _;
use std::sync::Arc;

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
use crate::resolvers::document::{Document, DocumentCache};
use crate::resolvers::message::SubscriptionSlot;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::{DocumentLimits, Schema, compile, response, schema};

/// The fields of a type: their names, and their types unless scalar.
fn fields(type_name: &str) -> &'static [(&'static str, &'static str)] {
    match type_name {
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

/// A field or fragment of a random document; numbers select one of the options.
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
struct DocumentWriter {
    fragments: String,
    named: usize,
}

impl DocumentWriter {
    fn set(&mut self, type_name: &str, items: &[Item]) -> String {
        let mut text: Vec<String> = items
            .iter()
            .map(|item| self.item(type_name, item))
            .collect();
        // Directives may exclude every field, but a set must not be empty as text.
        text.push("__typename".into());
        format!("{{ {} }}", text.join(" "))
    }

    fn item(&mut self, type_name: &str, item: &Item) -> String {
        let all = fields(type_name);
        let (name, value_type) = all[item.field % all.len()];
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
        let inner = if value_type.is_empty() {
            String::new()
        } else {
            self.set(value_type, &item.inner)
        };
        let field = format!("{alias}{name} {inner}");
        match item.wrapping {
            0 => format!("... on {type_name} {directive} {{ {field} }}"),
            1 => format!("... {directive} {{ {field} }}"),
            2 => {
                let fragment = format!("F{number}");
                writeln!(
                    self.fragments,
                    "fragment {fragment} on {type_name} {{ {field} }}"
                )
                .unwrap();
                format!("...{fragment} {directive}")
            }
            _ => format!("{alias}{name} {directive} {inner}"),
        }
    }
}

fn document(items: &[Item]) -> String {
    let mut writer = DocumentWriter::default();
    let set = writer.set("MeshMessage", items);
    let used =
        "u1: domain @include(if: $yes) u2: domain @include(if: $no) u3: domain @skip(if: $absent)";
    let set = set.replacen('{', &format!("{{ {used} "), 1);
    format!(
        "subscription S($g: ID!, $yes: Boolean!, $no: Boolean!, $absent: Boolean = false) \
         {{ message: onMessageInGroup(groupId: $g, domain: \"d\") {set} }}\n{}",
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
        token: None,
        group: group.clone(),
        node,
        kind: EventKind::Fired,
        events: events.into(),
    };
    let mut batch = call.batch(at);
    Arc::make_mut(&mut batch.events)[1].cursor = Some(Cursor {
        stamp: Stamp { at, call: 1 },
        index: 2,
    });
    vec![
        Message::Status(status),
        Message::Events(batch),
        Message::Dissolved(Dissolution::by_end(group, EndReason::HostSilent)),
    ]
}

fn permissive_schema() -> Schema {
    schema(
        Mesh::in_memory(),
        DocumentLimits {
            depth: 100,
            complexity: 10_000,
            aliases: 10_000,
            nesting: 1000,
            introspection: true,
        },
    )
}

fn variables() -> Variables {
    Variables::from_json(json!({"g": "g", "yes": true, "no": false}))
}

fn parse(query: &str) -> Document {
    let request = GraphQlRequest {
        query: query.into(),
        variables: None,
        operation_name: None,
    };
    DocumentCache::new(DocumentLimits {
        nesting: 1000,
        ..DocumentLimits::default()
    })
    .get(&request)
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(150)))]

    #[test]
    fn a_message_is_rendered_as_by_the_engine(items in items()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let text = document(&items);
        let document = parse(&text);
        let selection = compile::subscription(document.parsed(), document.operation(), &variables()).unwrap();
        let slot = SubscriptionSlot::with_messages(messages());
        let request = Request::new(text).variables(variables()).data(slot);
        let executed: Vec<_> = runtime.block_on(permissive_schema().execute_stream(request).collect());
        prop_assert!(executed.len() == 3, "{:?}", executed);
        for (message, executed) in messages().iter().zip(&executed) {
            prop_assert!(executed.errors.is_empty(), "{:?}", executed.errors);
            let engine = String::from_utf8(response::to_json(executed)).unwrap();
            let ours = String::from_utf8(selection.render(message).unwrap()).unwrap();
            prop_assert_eq!(format!("{{\"data\":{ours}}}"), engine);
        }
    }
}

#[test]
fn a_subscription_of_two_fields_is_not_compiled() {
    let twice = parse(
        "subscription($g: ID!) { a: onMessageInGroup(groupId: $g, domain: \"d\") { domain } \
         b: onMessageInGroup(groupId: $g, domain: \"d\") { domain } }",
    );
    assert!(compile::subscription(twice.parsed(), twice.operation(), &variables()).is_none());
}

#[test]
fn equal_fields_of_a_query_share_a_call_and_those_of_a_mutation_do_not() {
    let firsts = |text: &str| {
        let document = parse(text);
        let roots = compile::root_fields(document.parsed(), document.operation(), &variables());
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

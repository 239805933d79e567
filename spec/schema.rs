//! The schema that is served is the contract in schema/schema.graphql, and the other
//! way round.

use std::collections::BTreeMap;

use async_graphql_parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql_parser::{Positioned, parse_schema};
use mesh_v2::heartbeat::clock::Clock;
use mesh_v2::mesh::Mesh;
use mesh_v2::model::rules::{Rules, Timings};
use serde_json::{Value, json};

use crate::harness::case::current;
use crate::support::TestMesh;
use crate::support::json::{list, text};
use crate::support::mesh::SECRET;

/// What GraphiQL asks when it opens (graphql-js, getIntrospectionQuery).
const INTROSPECTION: &str = r"
    query IntrospectionQuery { __schema {
        queryType { name } mutationType { name } subscriptionType { name }
        types { ...FullType }
        directives { name description locations args { ...InputValue } }
    } }
    fragment FullType on __Type {
        kind name description
        fields(includeDeprecated: true) {
            name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason
        }
        inputFields { ...InputValue }
        interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
        possibleTypes { ...TypeRef }
    }
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
    fragment TypeRef on __Type {
        kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name } } } } } } }
    }";

/// The types that every schema has.
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

/// A type: its kind, and each field as `name(argument: Type, …): Type`, sorted by name.
type Types = BTreeMap<String, (String, Vec<String>)>;

/// On AppSync without what the stack adds (schema/appsync.graphql).
async fn served(mesh: &TestMesh) -> Value {
    let mut schema = mesh.executes(INTROSPECTION).await.value();
    if current().deployment.is_appsync() {
        let added = added_for_appsync();
        let is_contracts = |it: &Value| !added.contains(&text(&it["name"]));
        let types = schema["types"].as_array_mut().expect("types");
        types.retain(is_contracts);
        for fields in types
            .iter_mut()
            .filter_map(|it| it["fields"].as_array_mut())
        {
            fields.retain(is_contracts);
        }
    }
    schema
}

/// The names of the types and of the mutation that the stack adds.
fn added_for_appsync() -> Vec<String> {
    let schema = parse_schema(include_str!("../schema/appsync.graphql")).expect("a schema");
    let names = schema.definitions.into_iter().flat_map(|definition| {
        let TypeSystemDefinition::Type(of) = definition else {
            return Vec::new();
        };
        match of.node.kind {
            TypeKind::Object(root) => root
                .fields
                .into_iter()
                .map(|field| field.node.name.node.to_string())
                .collect(),
            _ => vec![of.node.name.node.to_string()],
        }
    });
    names.collect()
}

fn named(reference: &Value) -> String {
    match reference["kind"].as_str() {
        Some("NON_NULL") => format!("{}!", named(&reference["ofType"])),
        Some("LIST") => format!("[{}]", named(&reference["ofType"])),
        _ => text(&reference["name"]),
    }
}

fn with_arguments(name: &str, arguments: &[String], of: &str) -> String {
    if arguments.is_empty() {
        format!("{name}: {of}")
    } else {
        format!("{name}({}): {of}", arguments.join(", "))
    }
}

fn types_served(schema: &Value) -> Types {
    let own = list(&schema["types"])
        .iter()
        .filter(|kind| !text(&kind["name"]).starts_with("__"));
    let types = own.map(|kind| {
        let inputs = kind["inputFields"].as_array().into_iter().flatten();
        let inputs = inputs.map(|f| format!("{}: {}", text(&f["name"]), named(&f["type"])));
        let fields = kind["fields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|field| {
                let arguments = list(&field["args"]).iter();
                let arguments: Vec<_> = arguments
                    .map(|a| format!("{}: {}", text(&a["name"]), named(&a["type"])))
                    .collect();
                with_arguments(&text(&field["name"]), &arguments, &named(&field["type"]))
            });
        let mut members: Vec<_> = fields.chain(inputs).collect();
        members.sort();
        (text(&kind["name"]), (text(&kind["kind"]), members))
    });
    types.collect()
}

fn input(value: &InputValueDefinition) -> String {
    assert!(
        value.default_value.is_none(),
        "the contract has no defaults"
    );
    format!("{}: {}", value.name.node, value.ty.node)
}

fn field(field: &FieldDefinition) -> String {
    let arguments: Vec<_> = field.arguments.iter().map(|a| input(&a.node)).collect();
    with_arguments(&field.name.node, &arguments, &field.ty.node.to_string())
}

fn members(of: &TypeDefinition) -> (String, Vec<String>) {
    let (kind, mut members): (_, Vec<_>) = match &of.kind {
        TypeKind::Scalar => ("SCALAR", Vec::new()),
        TypeKind::Object(object) => (
            "OBJECT",
            object.fields.iter().map(|f| field(&f.node)).collect(),
        ),
        TypeKind::InputObject(object) => (
            "INPUT_OBJECT",
            object.fields.iter().map(|f| input(&f.node)).collect(),
        ),
        _ => panic!(
            "{} is neither scalar, object nor input object",
            of.name.node
        ),
    };
    members.sort();
    (kind.into(), members)
}

fn contract() -> Vec<TypeSystemDefinition> {
    parse_schema(include_str!("../schema/schema.graphql"))
        .expect("a schema")
        .definitions
}

/// The fields of Query, Mutation and Subscription.
pub fn operations() -> Vec<String> {
    let mut names = Vec::new();
    for definition in contract() {
        let TypeSystemDefinition::Type(of) = definition else {
            continue;
        };
        let is_root = ["Query", "Mutation", "Subscription"].contains(&&*of.node.name.node);
        if let TypeKind::Object(object) = of.node.kind
            && is_root
        {
            names.extend(
                object
                    .fields
                    .iter()
                    .map(|field| field.node.name.to_string()),
            );
        }
    }
    names
}

fn types_of_the_contract() -> Types {
    let types = contract()
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(of) => Some((of.node.name.to_string(), members(&of.node))),
            _ => None,
        });
    types.collect()
}

#[apply(case!)]
async fn every_type_field_and_argument_served_is_the_contracts_and_the_other_way_round() {
    let mesh = TestMesh::start().await;
    let (served, contract) = (types_served(&served(&mesh).await), types_of_the_contract());
    for (name, members) in &contract {
        assert_eq!(served.get(name), Some(members), "{name} as it is served");
    }
    let more: Vec<_> = served
        .keys()
        .filter(|name| !contract.contains_key(*name) && !BUILT_IN.contains(&name.as_str()))
        .collect();
    assert!(more.is_empty(), "served but not in the contract: {more:?}");
}

/// Descriptions by the place of what they describe: `Type`, `Type.field` or
/// `Type.field(argument)`.
type Descriptions = BTreeMap<String, String>;

fn descriptions_served(schema: &Value) -> Descriptions {
    let describe = |value: &Value| value["description"].as_str().unwrap_or_default().to_owned();
    let members = |of: &Value, kind: &str| of[kind].as_array().cloned().unwrap_or_default();
    let mut found = Descriptions::new();
    for of in list(&schema["types"]) {
        let name = text(&of["name"]);
        if name.starts_with("__") || BUILT_IN.contains(&&*name) {
            continue;
        }
        found.insert(name.clone(), describe(of));
        for field in members(of, "fields")
            .iter()
            .chain(&members(of, "inputFields"))
        {
            let place = format!("{name}.{}", text(&field["name"]));
            for argument in members(field, "args") {
                let argument_place = format!("{place}({})", text(&argument["name"]));
                found.insert(argument_place, describe(&argument));
            }
            found.insert(place, describe(field));
        }
    }
    found
}

fn descriptions_of_the_contract() -> Descriptions {
    fn describe(text: Option<&Positioned<String>>) -> String {
        text.map(|text| text.node.clone()).unwrap_or_default()
    }
    let mut found = Descriptions::new();
    for definition in contract() {
        let TypeSystemDefinition::Type(of) = definition else {
            continue;
        };
        let (of, name) = (&of.node, &of.node.name.node);
        found.insert(name.to_string(), describe(of.description.as_ref()));
        match &of.kind {
            TypeKind::Object(object) => {
                for field in object.fields.iter().map(|field| &field.node) {
                    let place = format!("{name}.{}", field.name.node);
                    for argument in field.arguments.iter().map(|argument| &argument.node) {
                        let argument_place = format!("{place}({})", argument.name.node);
                        found.insert(argument_place, describe(argument.description.as_ref()));
                    }
                    found.insert(place, describe(field.description.as_ref()));
                }
            }
            TypeKind::InputObject(object) => {
                for field in object.fields.iter().map(|field| &field.node) {
                    let place = format!("{name}.{}", field.name.node);
                    found.insert(place, describe(field.description.as_ref()));
                }
            }
            _ => {}
        }
    }
    found
}

#[apply(case!)]
async fn every_type_field_and_argument_has_a_description_and_the_served_ones_are_the_files() {
    let mesh = TestMesh::start().await;
    let (served, contract) = (
        descriptions_served(&served(&mesh).await),
        descriptions_of_the_contract(),
    );
    for (place, description) in &contract {
        assert!(!description.trim().is_empty(), "{place} has no description");
        assert_eq!(
            served.get(place),
            Some(description),
            "{place} as it is served"
        );
    }
    let more: Vec<_> = served
        .keys()
        .filter(|place| !contract.contains_key(*place))
        .collect();
    assert!(more.is_empty(), "served but not in the file: {more:?}");
}

#[apply(case!)]
async fn there_are_no_enums_unions_or_interfaces_and_nothing_is_deprecated() {
    let mesh = TestMesh::start().await;
    let schema = served(&mesh).await;
    for kind in list(&schema["types"]) {
        let (name, of) = (text(&kind["name"]), text(&kind["kind"]));
        assert!(
            name.starts_with("__") || ["OBJECT", "INPUT_OBJECT", "SCALAR"].contains(&&*of),
            "{name} is {of}"
        );
        for field in kind["fields"].as_array().into_iter().flatten() {
            assert_eq!(field["isDeprecated"], false, "{name} {field}");
        }
    }
}

#[apply(case!)]
async fn the_roots_are_query_mutation_and_subscription() {
    let mesh = TestMesh::start().await;
    let schema = served(&mesh).await;
    for (root, name) in [
        ("queryType", "Query"),
        ("mutationType", "Mutation"),
        ("subscriptionType", "Subscription"),
    ] {
        assert_eq!(schema[root]["name"], name);
    }
    let roots = contract()
        .into_iter()
        .find_map(|definition| match definition {
            TypeSystemDefinition::Schema(schema) => Some(schema.node),
            _ => None,
        });
    let roots = roots.expect("the contract names its roots");
    let names = [roots.query, roots.mutation, roots.subscription];
    assert_eq!(
        names.map(|name| name.expect("a root").to_string()),
        ["Query", "Mutation", "Subscription"]
    );
}

/// The mutations that the directive of onMessageInGroup names, in their order.
fn delivered_mutations(definitions: &[TypeSystemDefinition]) -> Vec<String> {
    let subscription = definitions.iter().find_map(|definition| match definition {
        TypeSystemDefinition::Type(of) if of.node.name.node == "Subscription" => {
            Some(&of.node.kind)
        }
        _ => None,
    });
    let Some(TypeKind::Object(object)) = subscription else {
        panic!("no subscription")
    };
    let [field] = object.fields.as_slice() else {
        panic!("one subscription is awaited")
    };
    let directives = field.node.directives.iter();
    let mutations = directives
        .filter(|directive| directive.node.name.node == "aws_subscribe")
        .find_map(|directive| directive.node.get_argument("mutations"));
    let mutations = mutations.expect("aws_subscribe with mutations");
    serde_json::from_value(mutations.node.clone().into_json().expect("JSON"))
        .expect("a list of names")
}

#[apply(case!)]
fn the_subscription_names_the_three_mutations_it_delivers() {
    let store = mesh_v2::store::embedded::Embedded::in_memory(
        Rules::new(Timings::STG).expect("times"),
        mesh_v2::model::limits::Limits::default(),
    );
    let mesh = Mesh {
        store: std::sync::Arc::new(store),
        hub: mesh_v2::hub::Hub::new(),
        rules: Rules::new(Timings::STG).expect("times"),
        clock: Clock::system(),
        limits: mesh_v2::model::limits::Limits::default(),
        memory: mesh_v2::memory::Memory::unlimited(),
        metrics: mesh_v2::metrics::Metrics::default(),
        polling_lines: std::sync::Arc::default(),
        rate_limits: mesh_v2::rate_limits::RateLimits::off(),
        start_hold: mesh_v2::heartbeat::hold::StartHold::NONE,
        projects: mesh_v2::projects::Projects::default(),
        domains: mesh_v2::domains::DomainKey::new(SECRET),
        policy: mesh_v2::auth::Policy::default(),
        next_since: mesh_v2::mesh::NextSince::default(),
    };
    let sdl =
        mesh_v2::resolvers::schema(mesh.into(), mesh_v2::resolvers::DocumentLimits::default())
            .sdl();
    let served = parse_schema(sdl)
        .expect("the served schema as text")
        .definitions;
    let expected = ["reportDataByNode", "fireEventsByNode", "dissolveGroup"];
    assert_eq!(delivered_mutations(&contract()), expected);
    assert_eq!(delivered_mutations(&served), expected);
}

#[apply(case!)]
async fn a_group_has_no_created_at() {
    let mesh = TestMesh::start().await;
    let reply = mesh
        .executes(r#"{ listGroupsByDomain(domain: "d") { createdAt } }"#)
        .await;
    assert_eq!(reply.json["data"], Value::Null);
    reply.cannot_run();
}

#[apply(case!)]
async fn creating_needs_to_say_whether_over_websockets() {
    let mesh = TestMesh::start().await;
    let document = r#"mutation { createGroup(name: "n", hostId: "h", domain: "d") { id } }"#;
    mesh.executes(document).await.cannot_run();
}

#[apply(case!)]
async fn a_time_needs_an_offset_before_any_resolver_sees_it() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    for (fired_at, good) in [
        (json!("2026-11-21T04:40:35.740Z"), true),
        (json!("2026-11-21T04:40:35+09:00"), true),
        (json!("2026-11-21T04:40:35"), false),
        (json!("2026-11-21"), false),
        (json!("yesterday"), false),
        (json!(1_763_700_035), false),
        (Value::Null, false),
    ] {
        let events = json!([{"eventName": "go", "firedAt": fired_at}]);
        let reply = group
            .calls("fireEventsByNode", json!({"nodeId": "n", "events": events}))
            .await;
        if good {
            reply.value();
        } else {
            reply.cannot_run();
        }
    }
}

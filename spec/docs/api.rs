//! The requests of docs/api.md and docs/write-a-client.md, run in their order against one server.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::page::{Block, Page};
use super::shown::Shown;
use crate::support::Socket;

/// The longest line of an answer.
const WIDTH: usize = 92;

#[apply(case!)]
async fn every_example_of_the_api_is_what_the_server_answers() {
    Box::pin(compare("api.md")).await;
}

#[apply(case!)]
async fn every_example_for_writers_of_clients_is_what_the_server_answers() {
    Box::pin(compare("write-a-client.md")).await;
}

async fn compare(name: &str) {
    let page = Page::read(name);
    let mut shown = Shown::start().await;
    let (mut texts, mut answer, mut subscriber) = (Vec::new(), None, None);
    for block in &page.blocks {
        let text = match block.kind.as_str() {
            "graphql" => {
                assert!(answer.is_none(), "an answer follows each request");
                shown.mesh.passes(seconds_before(block)).await;
                if block.text.starts_with("subscription") {
                    subscriber = Some(subscribed(&shown, &block.text).await);
                } else {
                    answer = Some(shown.runs(&block.text).await);
                }
                block.text.clone()
            }
            "json" => pretty(&answer.take().expect("a request before its answer")),
            "json message" => {
                let subscriber = subscriber.as_mut().expect("a subscription");
                pretty(&message(&mut shown, subscriber).await)
            }
            _ => block.text.clone(),
        };
        texts.push(text);
    }
    page.settle(&texts);
}

#[apply(case!)]
fn every_operation_has_a_heading_and_an_example() {
    let page = Page::read("api.md");
    let (mut before, mut examples) = (String::new(), String::new());
    for block in &page.blocks {
        before += &block.before;
        if block.kind == "graphql" {
            examples += &block.text;
        }
    }
    let operations = crate::schema::operations();
    assert_eq!(operations.len(), 25);
    for operation in operations {
        let heading = format!("\n### {operation}\n");
        assert!(before.contains(&heading), "{operation} has no heading");
        assert!(examples.contains(&operation), "{operation} has no example");
    }
}

/// A second passes before each request, or what a comment before it says.
fn seconds_before(block: &Block) -> Duration {
    let said = block.before.lines().find_map(|line| {
        let number = line
            .strip_prefix("<!-- ")?
            .strip_suffix(" seconds later -->")?;
        Some(number.parse().expect("a number of seconds"))
    });
    Duration::from_secs(said.unwrap_or(1))
}

async fn subscribed(shown: &Shown, document: &str) -> Socket {
    let mut socket = shown.mesh.opens().await;
    socket.is_acknowledged().await;
    socket.starts("1", &shown.meant(document), json!({})).await;
    let ack = socket.receives().await;
    assert_eq!(ack, json!({"id": "1", "type": "start_ack"}));
    socket
}

async fn message(shown: &mut Shown, subscriber: &mut Socket) -> Value {
    let message = subscriber.receives().await;
    assert_eq!(message["type"], "data", "{message}");
    let payload = shown.shown(&message["payload"].to_string());
    serde_json::from_str(&payload).expect("JSON")
}

/// JSON with a line for each member of what does not fit into one.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0, 0);
    text + "\n"
}

fn write_value(text: &mut String, value: &Value, indent: usize, used: usize) {
    let short = one_line(value);
    let nested = matches!(value, Value::Object(_) | Value::Array(_));
    if !nested || indent + used + short.chars().count() <= WIDTH {
        text.push_str(&short);
        return;
    }
    let (open, close, members): (_, _, Vec<(String, &Value)>) = match value {
        Value::Object(members) => {
            let named = members
                .iter()
                .map(|(name, value)| (format!("{}: ", json!(name)), value));
            ('{', '}', named.collect())
        }
        Value::Array(items) => (
            '[',
            ']',
            items.iter().map(|item| (String::new(), item)).collect(),
        ),
        _ => return,
    };
    text.push(open);
    for (at, (name, value)) in members.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n{:width$}{name}", "", width = indent + 2);
        write_value(text, value, indent + 2, name.chars().count() + 1);
    }
    let _ = write!(text, "\n{:indent$}{close}", "");
}

fn one_line(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Object(members) => {
            let named = members
                .iter()
                .map(|(name, value)| format!("{}: {}", json!(name), one_line(value)));
            format!("{{{}}}", joined(named.collect()))
        }
        Value::Array(items) => format!("[{}]", joined(items.iter().map(one_line).collect())),
        other => other.to_string(),
    }
}

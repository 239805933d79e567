//! The Lambda door: AppSync asks for one field, the same schema answers it.
//!
//! An event (docs/protocols.md, Lambda events) is turned back into a document and run by the same
//! engine as every other request. AppSync then picks the client's fields, by name, from
//! what is returned here, and fans messages out itself: nobody listens in a Lambda.

mod fields;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_graphql_parser::parse_schema;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::domains::address_behind_appsync;
use crate::lambda::fields::{Field, Fields};
use crate::mesh::Mesh;
use crate::resolvers::DocumentLimits;
use crate::resolvers::document::{DocumentError, GraphQlRequest};
use crate::resolvers::run::Runner;

/// The most events of one batch; AppSync's own bound of `maxBatchSize`.
const MOST_EVENTS: usize = 2000;
/// The longest name of a type or field that is looked up and told, in bytes.
const LONGEST_NAME: usize = 128;

/// Answers AppSync's events over a stage.
pub struct Door {
    runner: Runner,
    fields: Fields,
}

/// An event that no client can bring about: AppSync and this function do not fit
/// together. No text here tells an argument's value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It is no direct resolver event.
    #[error("the event is no AppSync resolver event: {0}")]
    NoEvent(&'static str),
    /// It asks for a field that is not answered here.
    #[error(
        "{parent}.{field} is not answered here: \
         only fields of Query and Mutation in schema/schema.graphql are"
    )]
    UnknownField {
        /// The type that AppSync named.
        parent: String,
        /// The field that AppSync named.
        field: String,
    },
    /// It brings an argument that the field does not have.
    #[error("the event has an argument that {0} does not take")]
    UnknownArgument(String),
    /// A batch with too many events.
    #[error("a batch has at most {MOST_EVENTS} events")]
    TooMany,
}

impl Malformed {
    /// The `errorType`.
    pub const KIND: &'static str = "MalformedEvent";
}

/// Why a field has no value, as its client is told.
#[derive(Debug)]
struct Refused {
    kind: String,
    message: String,
}

/// What a well-formed event leads to.
type Outcome = Result<Value, Refused>;

impl Door {
    /// The door of a stage.
    pub fn new(mesh: Mesh) -> Self {
        let schema = parse_schema(include_str!("../schema/schema.graphql"));
        // The documents are this door's own: the bounds meant for clients do not bind them.
        let limits = DocumentLimits::default();
        Self {
            runner: Runner::new(Arc::new(mesh), limits, TaskTracker::new()),
            fields: Fields::of(&schema.expect("the contract's schema can be read")),
        }
    }

    /// Answers an event with the field's value, or with `{"error": {"type", "message"}}`
    /// for a refusal or failure, which AppSync's response handler turns into a typed
    /// error. A list of events (`BatchInvoke`) is answered one after the other with a
    /// list of `{"data"}` or `{"data": null, "errorMessage", "errorType"}`.
    pub async fn answer(&self, event: Value) -> Result<Value, Malformed> {
        match event {
            Value::Array(events) => self.batch(&events).await,
            event => Ok(match self.one(&event).await? {
                Ok(value) => value,
                Err(why) => json!({"error": {"type": why.kind, "message": why.message}}),
            }),
        }
    }

    async fn batch(&self, events: &[Value]) -> Result<Value, Malformed> {
        if events.len() > MOST_EVENTS {
            return Err(Malformed::TooMany);
        }
        let mut items = Vec::with_capacity(events.len());
        for event in events {
            let outcome = self.one(event).await.unwrap_or_else(|malformed| {
                // Here nobody else logs it: the call as a whole does not fail.
                tracing::error!(error = %malformed, "an event of a batch cannot be answered");
                Err(Refused::new(Malformed::KIND, &malformed))
            });
            items.push(match outcome {
                Ok(value) => json!({"data": value}),
                Err(why) => {
                    json!({"data": null, "errorMessage": why.message, "errorType": why.kind})
                }
            });
        }
        Ok(Value::Array(items))
    }

    async fn one(&self, event: &Value) -> Result<Outcome, Malformed> {
        let field = self.field(event)?;
        let none = Map::new();
        let arguments = match &event["arguments"] {
            Value::Null => &none,
            Value::Object(arguments) => arguments,
            _ => return Err(Malformed::NoEvent("its arguments are no object")),
        };
        let document = field.document(arguments)?;
        let variables = json_of(arguments);
        Ok(self.run(field, &document, &variables, caller(event)).await)
    }

    fn field(&self, event: &Value) -> Result<&Field, Malformed> {
        let info = &event["info"];
        let parent = name(&info["parentTypeName"])
            .ok_or(Malformed::NoEvent("info.parentTypeName is no name"))?;
        let field =
            name(&info["fieldName"]).ok_or(Malformed::NoEvent("info.fieldName is no name"))?;
        self.fields
            .get(parent, field)
            .ok_or_else(|| Malformed::UnknownField {
                parent: parent.into(),
                field: field.into(),
            })
    }

    async fn run(
        &self,
        field: &Field,
        text: &str,
        variables: &RawValue,
        caller: Caller,
    ) -> Outcome {
        let ask = GraphQlRequest {
            query: text.into(),
            variables: Some(variables),
            operation_name: None,
        };
        let document = self.runner.documents().get(&ask)?;
        let answered = self.runner.ask(document, &ask, caller).await;
        let answered = answered.ok_or_else(Refused::broken)?;
        field.value_in(serde_json::from_slice(&answered.text).map_err(|_| Refused::broken())?)
    }
}

impl Field {
    /// The field's value in an answer in AppSync's form, or its error.
    fn value_in(&self, mut answer: Value) -> Outcome {
        match &answer["errors"][0] {
            Value::Null => Ok(answer["data"][&self.name].take()),
            error => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                Err(Refused {
                    kind: text("errorType"),
                    message: text("message"),
                })
            }
        }
    }
}

impl Refused {
    fn new(kind: &str, message: &impl ToString) -> Self {
        Self {
            kind: kind.into(),
            message: message.to_string(),
        }
    }

    /// The work itself broke; why was printed where it happened.
    fn broken() -> Self {
        Self::new(
            "InternalFailure",
            &"The service is out of order. Please try again.",
        )
    }
}

impl From<DocumentError> for Refused {
    fn from(error: DocumentError) -> Self {
        Self::new("ValidationError", &error)
    }
}

/// A name of GraphQL that may be told in a log.
fn name(value: &Value) -> Option<&str> {
    let plain = |text: &&str| {
        (1..=LONGEST_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    value.as_str().filter(plain)
}

fn json_of(arguments: &Map<String, Value>) -> Box<RawValue> {
    serde_json::value::to_raw_value(arguments).expect("JSON that was read can be written")
}

/// Who calls, as far as AppSync tells it (decision D2).
fn caller(event: &Value) -> Caller {
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(text).collect(),
            one => vec![text(one)],
        }
    }
    fn text(value: &Value) -> &str {
        value.as_str().unwrap_or_default()
    }
    let source = texts(&event["identity"]["sourceIp"]);
    let forwarded = texts(&event["request"]["headers"]["x-forwarded-for"]);
    Caller {
        address: address_behind_appsync(&source, &forwarded),
    }
}

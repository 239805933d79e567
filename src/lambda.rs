//! The Lambda function's handler: AppSync requests one field, the same schema resolves it.
//!
//! An event (docs/protocols.md, Lambda events) becomes a document, which runs as every other
//! request does. AppSync then selects the client's fields by name from the returned value.
//! It also delivers the messages: a function has no subscribers. Those that no client's mutation
//! returns are pushed to it (`push`).

pub mod appsync;
mod emf;
mod fields;
#[cfg(test)]
mod fuzz;
pub mod push;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql_parser::parse_schema;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use thiserror::Error;
use tokio_util::task::TaskTracker;

use crate::auth::Caller;
use crate::domains::{EDGE_HOPS, address_behind_appsync};
use crate::heartbeat::reaper;
use crate::lambda::emf::{Call, Ending};
use crate::lambda::fields::{Field, Fields};
use crate::lambda::push::Push;
use crate::mesh::Mesh;
use crate::realtime::credentials::join_code_in;
use crate::resolvers::DocumentLimits;
use crate::resolvers::document::DocumentError;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::run::Runner;

pub use crate::lambda::emf::Emf;

/// The maximum number of events in a batch: AppSync's limit of `maxBatchSize`.
const MAX_BATCH_EVENTS: usize = 2000;
/// How long after an event's start messages are still sent: Lambda ends it after 30 seconds.
const EVENT_TIME: Duration = Duration::from_secs(25);
/// The maximum length in bytes of a type's or field's name; a longer one is neither looked
/// up nor logged.
const MAX_NAME_BYTES: usize = 128;

/// Handles AppSync's events on a mesh.
pub struct Handler {
    runner: Runner,
    fields: Fields,
    domain_hops: usize,
    emf: Option<Emf>,
    push: Option<Arc<Push>>,
}

/// An event that no client can cause: AppSync and this function are of different versions.
/// No message contains an argument's value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MalformedEvent {
    /// It is not a direct resolver event.
    #[error("the event is no AppSync resolver event: {0}")]
    NotAResolverEvent(&'static str),
    /// It requests a field that this function does not resolve.
    #[error(
        "{parent}.{field} is not answered here: \
         only the root fields in schema/schema.graphql are"
    )]
    UnknownField {
        /// The type in the event.
        parent: String,
        /// The field in the event.
        field: String,
    },
    /// It has an argument that the field does not have.
    #[error("the event has an argument that {0} does not take")]
    UnknownArgument(String),
    /// A batch with too many events.
    #[error("a batch has at most {MAX_BATCH_EVENTS} events")]
    TooManyEvents,
}

impl MalformedEvent {
    /// The `errorType`.
    pub const KIND: &'static str = "MalformedEvent";
}

/// The error of a field, as its client receives it.
#[derive(Debug)]
struct FieldError {
    kind: String,
    message: String,
}

/// The result of a well-formed event.
type FieldResult = Result<Value, FieldError>;

impl Handler {
    /// A handler on a mesh.
    pub fn new(mesh: Mesh) -> Self {
        let schema = parse_schema(include_str!("../schema/schema.graphql"));
        // The handler writes its documents itself: the limits for clients are not reached.
        let limits = DocumentLimits::default();
        Self {
            runner: Runner::new(Arc::new(mesh), limits, TaskTracker::new()),
            fields: Fields::new(&schema.expect("the schema file is valid")),
            domain_hops: EDGE_HOPS,
            emf: None,
            push: None,
        }
    }

    /// The same handler where AWS appends `hops` addresses to `X-Forwarded-For` behind the API's
    /// custom domain.
    #[must_use]
    pub fn with_domain_hops(self, hops: usize) -> Self {
        Self {
            domain_hops: hops,
            ..self
        }
    }

    /// The same, which writes its metrics into the log.
    #[must_use]
    pub fn with_metrics(self, emf: Emf) -> Self {
        Self {
            emf: Some(emf),
            ..self
        }
    }

    /// The same where the mesh's store publishes to `push`.
    #[must_use]
    pub fn pushing(self, push: Arc<Push>) -> Self {
        Self {
            push: Some(push),
            ..self
        }
    }

    /// Returns the field's value, or `{"error": {"type", "message"}}`, which AppSync's
    /// response handler turns into a typed error. A list of events (`BatchInvoke`) is handled
    /// in order and returns a list of `{"data"}` or
    /// `{"data": null, "errorMessage", "errorType"}`. What the event published has been sent.
    pub async fn handle(&self, event: Value) -> Result<Value, MalformedEvent> {
        let deadline = tokio::time::Instant::now() + EVENT_TIME;
        let mut calls = Vec::new();
        let result = self.result(event, deadline, &mut calls).await;
        let began = Instant::now();
        if let Some(push) = &self.push {
            push.flush(deadline).await;
        }
        if let Some(emf) = &self.emf {
            let (flush, now) = (began.elapsed(), self.runner.mesh().clock.now());
            for mut call in calls {
                // The client waits for the push as well.
                call.took += flush;
                emf.count(&call, now);
            }
        }
        result
    }

    async fn result<'a>(
        &'a self,
        event: Value,
        deadline: tokio::time::Instant,
        calls: &mut Vec<Call<'a>>,
    ) -> Result<Value, MalformedEvent> {
        match event {
            Value::Array(events) => self.handle_batch(&events, calls).await,
            // No resolver can send it: theirs have a context's members.
            event if event == json!({"reap": true}) => Ok(self.reap(deadline).await),
            event => Ok(match self.handle_one(&event, calls).await? {
                Ok(value) => value,
                Err(error) => json!({"error": {"type": error.kind, "message": error.message}}),
            }),
        }
    }

    /// The schedule's event: ends the groups that are due, as a server's reaper does.
    async fn reap(&self, deadline: tokio::time::Instant) -> Value {
        let mesh = self.runner.mesh();
        let reaping = reaper::reap(&*mesh.store, &mesh.clock);
        let reaped = match &self.push {
            Some(push) => push.flush_during(reaping, deadline).await,
            None => reaping.await,
        };
        match reaped {
            Ok(ended) => json!({"ended": ended}),
            Err(error) => {
                tracing::error!(%error, "could not reap");
                json!({"error": {"type": "InternalFailure", "message": "could not reap"}})
            }
        }
    }

    async fn handle_batch<'a>(
        &'a self,
        events: &[Value],
        calls: &mut Vec<Call<'a>>,
    ) -> Result<Value, MalformedEvent> {
        if events.len() > MAX_BATCH_EVENTS {
            return Err(MalformedEvent::TooManyEvents);
        }
        let mut items = Vec::with_capacity(events.len());
        for event in events {
            let result = self.handle_one(event, calls).await;
            let result = result.unwrap_or_else(|malformed| {
                // The call does not fail, so the runtime does not log it.
                tracing::error!(error = %malformed, "an event of a batch is malformed");
                Err(FieldError::new(MalformedEvent::KIND, &malformed))
            });
            items.push(match result {
                Ok(value) => json!({"data": value}),
                Err(error) => {
                    json!({"data": null, "errorMessage": error.message, "errorType": error.kind})
                }
            });
        }
        Ok(Value::Array(items))
    }

    async fn handle_one<'a>(
        &'a self,
        event: &Value,
        calls: &mut Vec<Call<'a>>,
    ) -> Result<FieldResult, MalformedEvent> {
        let field = self.field(event)?;
        let empty = Map::new();
        let arguments = match &event["arguments"] {
            Value::Null => &empty,
            Value::Object(arguments) => arguments,
            _ => {
                return Err(MalformedEvent::NotAResolverEvent(
                    "its arguments are no object",
                ));
            }
        };
        let document = field.document(arguments)?;
        let variables = to_json(arguments);
        let caller = caller(event, self.domain_hops);
        let began = Instant::now();
        let result = self.run(field, &document, &variables, caller).await;
        let ending = match &result {
            Ok(_) => Ending::Answered,
            Err(error) if error.kind == "InternalFailure" => Ending::Failed,
            Err(_) => Ending::Refused,
        };
        calls.push(Call {
            field: &field.name,
            ending,
            took: began.elapsed(),
        });
        Ok(result)
    }

    fn field(&self, event: &Value) -> Result<&Field, MalformedEvent> {
        let info = &event["info"];
        let parent = name(&info["parentTypeName"]).ok_or(MalformedEvent::NotAResolverEvent(
            "info.parentTypeName is no name",
        ))?;
        let field = name(&info["fieldName"]).ok_or(MalformedEvent::NotAResolverEvent(
            "info.fieldName is no name",
        ))?;
        self.fields
            .get(parent, field)
            .ok_or_else(|| MalformedEvent::UnknownField {
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
    ) -> FieldResult {
        let request = GraphQlRequest {
            query: text.into(),
            variables: Some(variables),
            operation_name: None,
        };
        let document = self.runner.documents().get(&request)?;
        if field.is_subscription() {
            let variables = request
                .variables()
                .ok_or_else(FieldError::internal_failure)?;
            let target = self.runner.subscribe(&document, variables, caller).await;
            return match target {
                Ok(_) => Ok(Value::Null),
                Err(errors) => field.value_in(json!({"errors": errors})),
            };
        }
        let response = self.runner.execute(document, &request, caller).await;
        let response = response.ok_or_else(FieldError::internal_failure)?;
        let response = serde_json::from_slice(&response.text);
        field.value_in(response.map_err(|_| FieldError::internal_failure())?)
    }
}

impl Field {
    /// The field's value or error in a response in AppSync's format.
    fn value_in(&self, mut response: Value) -> FieldResult {
        match &response["errors"][0] {
            Value::Null => Ok(response["data"][&self.name].take()),
            error => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                Err(FieldError {
                    kind: text("errorType"),
                    message: text("message"),
                })
            }
        }
    }
}

impl FieldError {
    fn new(kind: &str, message: &impl ToString) -> Self {
        Self {
            kind: kind.into(),
            message: message.to_string(),
        }
    }

    /// A failure whose cause is already logged.
    fn internal_failure() -> Self {
        Self::new(
            "InternalFailure",
            &"The service is out of order. Please try again.",
        )
    }
}

impl From<DocumentError> for FieldError {
    fn from(error: DocumentError) -> Self {
        Self::new("ValidationError", &error)
    }
}

/// A GraphQL name that may be logged.
fn name(value: &Value) -> Option<&str> {
    let plain = |text: &&str| {
        (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    value.as_str().filter(plain)
}

fn to_json(arguments: &Map<String, Value>) -> Box<RawValue> {
    serde_json::value::to_raw_value(arguments).expect("parsed JSON can be serialized")
}

/// The caller, with the address that AppSync gives (decision D2).
fn caller(event: &Value, domain_hops: usize) -> Caller {
    fn strings(value: &Value) -> Vec<&str> {
        match value {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(string).collect(),
            value => vec![string(value)],
        }
    }
    fn string(value: &Value) -> &str {
        value.as_str().unwrap_or_default()
    }
    let headers = &event["request"]["headers"];
    let source = strings(&event["identity"]["sourceIp"]);
    let forwarded = strings(&headers["x-forwarded-for"]);
    // AppSync names the custom domain of a request, and null for its own address. A caller of its
    // own address could forge an entry if the custom domain's hops counted there.
    let hops = match &event["request"]["domainName"] {
        Value::String(_) => domain_hops,
        _ => EDGE_HOPS,
    };
    Caller {
        address: address_behind_appsync(&source, &forwarded, hops),
        join_code: headers.as_object().and_then(join_code_in),
        ..Caller::default()
    }
}

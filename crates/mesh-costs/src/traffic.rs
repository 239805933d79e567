//! The bytes that a lesson sends to its clients. Those of messages are measured by `mesh-v2 bench`;
//! the others follow from the schema and the editor's documents.

use crate::lesson::Lesson;

/// A message to a subscriber, with the frame around it.
pub const MESSAGE_BYTES: f64 = 450.0;
/// Around each message or response: TLS, TCP and IP.
pub const WIRE_BYTES: f64 = 80.0;
/// A response to a mutation, with its headers.
pub const RESPONSE_BYTES: f64 = 700.0;
/// A member's variables, ten of them, in listGroupStatuses and pollGroupData.
pub const STATUS_BYTES: f64 = 800.0;
/// How many times smaller a list of statuses is compressed, as AppSync answers browsers.
pub const COMPRESSION: f64 = 8.0;

/// The message that ends the group.
pub const END: f64 = 1.0;

/// Messages to subscribers of `published` ones.
pub fn deliveries(lesson: &Lesson, published: f64) -> f64 {
    published * lesson.subscribers()
}

/// Gigabytes to the clients: messages, and responses to `requests`, of which `lists` are lists of
/// statuses.
pub fn gigabytes(
    lesson: &Lesson,
    messages: f64,
    requests: f64,
    lists: f64,
    compression: f64,
) -> f64 {
    let statuses = lists * STATUS_BYTES * f64::from(lesson.pupils) / compression;
    let bytes = messages * (MESSAGE_BYTES + WIRE_BYTES)
        + requests * (RESPONSE_BYTES + WIRE_BYTES)
        + statuses;
    bytes / 1e9
}

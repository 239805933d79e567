//! The product in sentences: everything is asked through the real doors.
//!
//! With `APPSYNC_ENDPOINT` and `APPSYNC_API_KEY` set, the same sentences are asked of that
//! stage (times of stage stg); moved time is then waited for, and tests that need settings
//! of their own say so and start their own server all the same. `MESH_SPEC_STORE` chooses
//! the store of the servers that the suite starts, `MESH_TEST_CA` whom it trusts over TLS.
//! `MESH_SPEC_STORE=appsync` puts each stage behind the AppSync stand-in; sentences that
//! differ there say so and start a standalone server (`support/differences.rs`).

mod answers;
mod bad_frames;
mod bad_input;
#[cfg(feature = "bench")]
mod bench;
mod browsers;
mod command_line;
mod dissolving;
mod domains;
mod durability;
mod editor_polls;
mod errors;
mod event_log;
mod events;
mod groups;
mod http;
mod idiom;
#[cfg(feature = "lambda")]
mod lambda;
mod memory;
mod nodes;
#[cfg(feature = "lambda")]
mod on_appsync;
#[cfg(feature = "dynamodb")]
mod on_dynamodb;
mod polling;
mod realtime_appsync;
mod realtime_credentials;
mod realtime_legacy;
mod realtime_transport;
mod restarts;
mod schema;
mod settings;
mod slow_readers;
mod statuses;
mod subscription;
mod support;
mod time;
mod unread_answers;

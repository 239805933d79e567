//! Mesh v2: realtime group messaging for Scratch-style classrooms.
//!
//! Children's projects form a group, share variables and fire events at each other.
//! The rooms, from the doors down:
//!
//! - [`config`]: every knob of the program, and what is wrong with a set of them
//! - [`stage`]: puts a stage together from its settings and runs it
//! - [`server`]: HTTP, WebSocket upgrades, TLS, health, the GraphiQL page
//! - `lambda`: an AppSync event to the same schema, and its answer back
//! - [`realtime`]: GraphQL over WebSocket: protocols, sessions, connections, outboxes
//! - [`resolvers`]: the schema, one file per noun; documents compiled to selections
//! - [`mesh`]: all that a resolver may reach for
//! - [`memory`]: the bytes that the whole process may hold
//! - [`heartbeat`]: who is alive: rules, clock, reaper, the hold after a start
//! - [`hub`]: publish and subscribe: each message rendered once per selection
//! - [`store`]: what is remembered: the contract, and the stores that keep it
//! - [`auth`] and [`domains`]: who calls, and where their classmates are
//! - [`model`]: the words: ids, groups, statuses, events, messages, refusals
//!
//! What is absent says as much: [`model`] imports nothing of ours, does no I/O and
//! reads no clock. [`store`] and [`hub`] do not know each other: a resolver stores
//! first, then publishes. [`realtime`] knows no store. [`resolvers`] know no axum and no
//! socket, and `lambda` knows neither. Only [`config`], [`stage`] and the binaries see
//! settings. Only the command line knows the load tool, which is a crate of its own
//! (`crates/mesh-bench`) and knows nothing of ours. No lock is held over an await.

pub mod auth;
pub mod config;
pub mod domains;
pub mod heartbeat;
pub mod hub;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod memory;
pub mod mesh;
pub mod model;
#[cfg(test)]
mod property;
pub mod realtime;
pub mod resolvers;
pub mod server;
pub mod stage;
pub mod store;

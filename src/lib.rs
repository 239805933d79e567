//! Mesh v2: realtime group messaging for Scratch-style classrooms.
//!
//! Children's projects form a group, share variables and fire events at each other.
//!
//! A line of this table may import only from the lines below it, and modules on one line do not
//! import each other:
//!
//! ```text
//! main, bin                the command line; the Lambda function
//! stage                    assembles a server or a function from its settings, and runs it
//! config                   every setting, and its validation
//! lambda | server          AppSync events | HTTP, WebSocket upgrades, event streams, TLS, health, pages
//! cloud                    cloud variables of Scratch and TurboWarp projects, over WebSocket
//! realtime                 GraphQL over WebSocket and event streams: protocols, sessions, connections, outboxes
//! resolvers                the GraphQL schema, one file per noun; compiled documents
//! mesh                     the application state of resolvers
//! rate_limits              how often nodes, groups, connections and addresses may call
//! heartbeat                the clock, the reaper, the hold after a start
//! hub | store | projects   publish and subscribe | storage: the contract and its stores | what cloud sockets of a group share
//! auth | domains | memory  keys, tokens and roles | domains of addresses | the memory budget
//! metrics                  the server's counters
//! model                    ids, groups, statuses, events, messages, errors, liveness rules
//! ```
//!
//! Besides, `realtime` does not import `store`: a resolver stores, and the store publishes. These
//! crates are imported only where this table says:
//!
//! ```text
//! async_graphql                         resolvers
//! aws_config, aws_sdk_*, aws_smithy_*   lambda/appsync, store/dynamodb
//! aws_sigv4                             lambda/appsync
//! axum, hyper, tower, tower_http        server
//! clap_complete, clap_mangen            config
//! governor                              rate_limits
//! lambda_runtime                        bin
//! opentelemetry*, tracing_opentelemetry  stage/traces
//! prometheus_client                     metrics
//! tokio_tungstenite                     cloud, realtime, server
//! ```
//!
//! A test (`imports.rs`) checks both tables. [`model`] does no I/O and reads no clock. The load
//! tool, the price model and the network check are crates of their own (`crates/mesh-bench`,
//! `crates/mesh-costs`, `crates/mesh-doctor`), used by the command line only. No lock is held over an await.

pub mod auth;
pub mod cloud;
pub mod config;
pub mod domains;
#[cfg(test)]
mod fuzz;
pub mod heartbeat;
pub mod hub;
#[cfg(test)]
mod imports;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod memory;
pub mod mesh;
pub mod metrics;
pub mod model;
pub mod projects;
#[cfg(test)]
mod property;
pub mod rate_limits;
pub mod realtime;
pub mod resolvers;
pub mod server;
pub mod stage;
pub mod store;

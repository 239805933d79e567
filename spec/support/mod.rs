//! What the cases are made of: servers, clients, and the program.

#[cfg(feature = "lambda")]
pub mod appsync;
pub mod clients;
pub mod dice;
pub mod documents;
#[cfg(feature = "dynamodb")]
#[path = "../../src/store/dynamodb/tests/engine.rs"]
mod engine;
pub mod event_stream;
#[cfg(feature = "bench")]
pub mod fault_proxy;
#[cfg(feature = "doctor")]
pub mod faulty_network;
#[cfg(feature = "oidc")]
pub mod issuer;
pub mod json;
pub mod mesh;
#[cfg(target_os = "linux")]
pub mod probe;
pub mod program;
pub mod project;
pub mod raw;
pub mod reply;
mod requests;
#[cfg(feature = "lambda")]
pub mod runtime_api;
pub mod socket;
pub mod store;
pub mod trust;

pub use clients::{Group, Node};
pub use mesh::{Setup, TestMesh};
pub use reply::Reply;
pub use socket::{Socket, TestSubscriber};

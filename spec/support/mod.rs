//! What the sentences of the suite are made of: a stage to talk to, people who talk to
//! it, and what they hear.

#[cfg(feature = "lambda")]
pub mod appsync;
pub mod documents;
#[cfg(feature = "dynamodb")]
#[path = "../../src/store/dynamodb/tests/engine.rs"]
mod engine;
#[cfg(feature = "bench")]
pub mod meddler;
pub mod people;
pub mod program;
pub mod raw;
pub mod reply;
#[cfg(feature = "lambda")]
pub mod runtime_api;
pub mod socket;
pub mod stage;
pub mod store;
pub mod trust;

pub use people::{Group, Node};
pub use reply::Reply;
pub use socket::{Ear, Socket};
pub use stage::{Setup, TestMesh};

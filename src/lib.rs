//! Mesh v2: realtime group messaging for Scratch-style classrooms.
pub mod heartbeat;
pub mod hub;
pub mod model;
pub mod store;

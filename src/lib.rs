//! Mesh v2: realtime group messaging for Scratch-style classrooms.
pub mod auth;
pub mod config;
pub mod domains;
pub mod heartbeat;
pub mod hub;
pub mod mesh;
pub mod model;
pub mod realtime;
pub mod resolvers;
pub mod server;
pub mod stage;
pub mod store;

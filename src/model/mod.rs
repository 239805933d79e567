//! Domain types: ids, groups, nodes, statuses, events, messages, client errors, and the
//! liveness rules.
//!
//! Nothing here does I/O, reads a clock, or imports another module of this crate.

pub mod authority;
pub mod cursor;
pub mod error;
pub mod event;
pub mod group;
pub mod group_quota;
pub mod ids;
pub mod join_code;
pub mod json_size;
pub mod lesson;
pub mod limits;
pub mod log_quota;
pub mod message;
pub mod nickname;
pub mod origin;
pub mod places;
pub mod quota;
pub mod readings;
pub mod rules;
pub mod status;
pub mod time;
pub mod visible;

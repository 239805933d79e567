//! The words of the product: ids, groups, nodes, statuses, events, messages, refusals.
//!
//! Nothing here does I/O, reads a clock or knows a wire; nothing here imports another room.

pub mod error;
pub mod event;
pub mod group;
pub mod ids;
pub mod limits;
pub mod message;
pub mod rendered;
pub mod status;
pub mod time;

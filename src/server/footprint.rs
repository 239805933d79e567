//! The memory that a connection takes, and how many connections fit the budget.

use crate::memory::Memory;

/// A WebSocket on which little happens, about (docs/performance.md).
pub const SOCKET_BYTES: usize = 8 * 1024;
/// An event stream on which little happens, beside its connection, about.
pub const STREAM_BYTES: usize = 4 * 1024;
/// What a connection takes beside that while it serves HTTP.
pub const HTTP_BYTES: usize = 24 * 1024;
/// What TLS takes beside that.
pub const TLS_BYTES: usize = 32 * 1024;
/// The most of the memory budget that connections may take, in percent. While they send
/// full heads they take half as much again.
const PERCENT: usize = 50;

/// How many connections there may be: as many as are `set`, or as fit into their part of
/// the budget.
pub fn connections(set: usize, memory: &Memory) -> usize {
    let fit = memory.share(PERCENT) / (SOCKET_BYTES + HTTP_BYTES);
    if fit < set {
        tracing::info!(
            connections = fit,
            "fewer connections than MESH_MAX_CONNECTIONS fit into MESH_MAX_MEMORY"
        );
    }
    fit.min(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_budget_has_room_for_fewer_connections() {
        assert_eq!(connections(25_000, &Memory::unlimited()), 25_000);
        let small = Memory::new(64 << 20);
        assert_eq!(connections(100, &small), 100);
        let fit = connections(25_000, &small);
        assert!(
            fit > 1_000 && fit * HTTP_BYTES <= small.share(PERCENT),
            "{fit}"
        );
    }
}

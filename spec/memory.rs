//! What the started program holds in memory.

use crate::support::program::{Server, folder};

#[test]
fn the_memory_of_a_started_server_can_be_read() {
    let folder = folder();
    let server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    let (now, peak) = (server.rss(), server.peak_rss());
    assert!(now > 1_000_000, "{now}");
    assert!(peak >= now / 2 && peak < 1_000_000_000, "{peak}");
}

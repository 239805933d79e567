//! The limits of a server: each count, size, byte total and time-out is a setting.

use std::time::Duration;

use clap::Args;

macro_rules! bounds {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:literal, $env:literal, $range:expr;)*) => {
        /// How much of anything the server takes or holds.
        #[derive(Debug, Args)]
        #[command(next_help_heading = "Limits")]
        pub struct BoundArgs {
            /// Bytes of memory that the server means to use, such as 800M or 2G; new groups
            /// are refused from 70 % of it on, new nodes from 80 %, new data from 90 %
            /// [default: 60 % of the machine's memory or of its control group's limit]
            #[arg(long, env = "MESH_MAX_MEMORY", value_name = "BYTES", value_parser = memory)]
            pub max_memory: Option<usize>,

            $($(#[$doc])*
            #[arg(long, env = $env, default_value = $default, value_name = "N", hide_short_help = true,
                value_parser = clap::value_parser!($type).range($range))]
            pub $field: $type,)*
        }

        impl BoundArgs {
            /// Every bound by its variable, for `mesh-v2 check`.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$(($env, u64::from(self.$field)),)*]
            }
        }
    };
}

/// The least memory that a server can work in.
const LEAST_MEMORY: usize = 32 * 1024 * 1024;

/// A number of bytes; K, M and G count 1,024 each.
fn memory(text: &str) -> Result<usize, String> {
    let upper = text.trim().to_ascii_uppercase();
    let short = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B'));
    let short = short.unwrap_or(&upper);
    let (number, unit) = match short.char_indices().next_back() {
        Some((at, 'K')) => (&short[..at], 1 << 10),
        Some((at, 'M')) => (&short[..at], 1 << 20),
        Some((at, 'G')) => (&short[..at], 1 << 30),
        _ => (short, 1),
    };
    let bytes: Option<usize> = number.trim().parse().ok();
    let bytes = bytes.and_then(|number| number.checked_mul(unit));
    match bytes {
        None => Err("it is a number of bytes, such as 838860800, 800M or 2G".into()),
        Some(few) if few < LEAST_MEMORY => Err("the server needs at least 32M".into()),
        Some(bytes) => Ok(bytes),
    }
}

bounds! {
    /// Connections at once, WebSockets included; more wait to be accepted
    max_connections: u32 = "25000", "MESH_MAX_CONNECTIONS", 1..;
    /// Those of one address (IPv6: of one site); more are closed at once. When four fifths of all
    /// are open, only addresses with a hundredth of them (on a small server 64 or a quarter) get
    /// more. Behind a trusted proxy its clients' WebSockets count; this machine's connections do not
    max_connections_per_address: u32 = "5000", "MESH_MAX_CONNECTIONS_PER_ADDRESS", 1..;
    /// Leading bits of an IPv6 address that count as one address: 48 is what a school has, 56 what a
    /// household has, 64 one network
    ipv6_site_bits: u32 = "48", "MESH_IPV6_SITE_BITS", 32..=64;
    /// Bytes of a request's body
    max_body_bytes: u32 = "262144", "MESH_MAX_BODY_BYTES", 1024..;
    /// Bytes of a request's head
    max_head_bytes: u32 = "32768", "MESH_MAX_HEAD_BYTES", 8192..;
    /// Requests at once on one HTTP/2 connection
    max_streams: u32 = "100", "MESH_MAX_STREAMS", 1..;
    /// Event streams that are reserved (by PUT) and not yet open; one address may have half of them
    max_stream_reservations: u32 = "2000", "MESH_MAX_STREAM_RESERVATIONS", 2..;
    /// Seconds for which an event stream is reserved
    stream_reservation: u32 = "10", "MESH_STREAM_RESERVATION_SECONDS", 1..=600;
    /// Bytes of one answer to a query or mutation; pages of events are shortened to fit
    max_answer_bytes: u32 = "5242880", "MESH_MAX_ANSWER_BYTES", 1_048_576..;
    /// Bytes of answers that one connection may leave unread before no more is run for it
    max_unread_bytes: u32 = "8388608", "MESH_MAX_UNREAD_BYTES", 65_536..;
    /// Seconds for a connection's first request, a request's body or a TLS handshake
    request_patience: u32 = "10", "MESH_REQUEST_PATIENCE_SECONDS", 1..;
    /// Seconds between checks of a connection, which is closed without a request since the last
    idle: u32 = "75", "MESH_IDLE_SECONDS", 1..;
    /// Seconds over which sockets are closed when the server stops; 0 where no other server
    /// can take over, 5 suits several behind a balancer once they share a bus
    drain: u32 = "0", "MESH_DRAIN_SECONDS", 0..;
    /// Milliseconds after a start with living groups for which reports, events and dissolves
    /// wait, so that clients are back to receive them
    start_hold: u32 = "1000", "MESH_START_HOLD_MILLISECONDS", 0..=60_000;
    /// Levels of selection sets in a document
    max_depth: u32 = "16", "MESH_MAX_DEPTH", 1..;
    /// Fields in a document
    max_complexity: u32 = "400", "MESH_MAX_COMPLEXITY", 1..;
    /// Aliases in a document
    max_aliases: u32 = "50", "MESH_MAX_ALIASES", 0..;
    /// Brackets within brackets in a document's text
    max_nesting: u32 = "64", "MESH_MAX_NESTING", 8..=128;
    /// Subscriptions of one WebSocket
    max_subscriptions: u32 = "100", "MESH_MAX_SUBSCRIPTIONS", 1..;
    /// Bytes of one WebSocket message from a client
    max_message_bytes: u32 = "262144", "MESH_MAX_MESSAGE_BYTES", 1024..;
    /// Bytes that may wait for a slow WebSocket before it is closed (code 1013); an answer
    /// to a query on it counts apart. Any one message fits into the least, 524288
    max_outbox_bytes: u32 = "1048576", "MESH_MAX_OUTBOX_BYTES", 524_288..;
    /// Messages of a group that are kept for clients that come back after a break and resume
    resume_messages: u32 = "1000", "MESH_RESUME_MESSAGES", 0..=100_000;
    /// Bytes of the same; they should fit into half of what may wait for a WebSocket
    resume_bytes: u32 = "524288", "MESH_RESUME_BYTES", 0..;
    /// Seconds for which they are kept
    resume_seconds: u32 = "60", "MESH_RESUME_SECONDS", 1..=3600;
    /// Bytes of the selections of one WebSocket's subscriptions
    max_selection_bytes: u32 = "524288", "MESH_MAX_SELECTION_BYTES", 16_384..;
    /// Seconds for a WebSocket to send `connection_init` (else code 4408)
    init_timeout: u32 = "15", "MESH_INIT_TIMEOUT_SECONDS", 1..;
    /// Seconds between two keep-alives on a WebSocket; some clients leave after 30
    keep_alive: u32 = "20", "MESH_KEEP_ALIVE_SECONDS", 1..=25;
    /// Seconds that AppSync clients should wait for a keep-alive (`connectionTimeoutMs`);
    /// some take less than 60 for 300
    connection_timeout: u32 = "90", "MESH_CONNECTION_TIMEOUT_SECONDS", 60..=300;
    /// Seconds after which a silent peer is given up: by pings, TCP keep-alive and user time-out
    peer_timeout: u32 = "180", "MESH_PEER_TIMEOUT_SECONDS", 60..=86_400;
    /// The same for WebSockets while less than a tenth of the connections is free
    short_peer_timeout: u32 = "60", "MESH_SHORT_PEER_TIMEOUT_SECONDS", 60..=86_400;
    /// Seconds in which a slow reader may come to the close code that ends its WebSocket
    close_timeout: u32 = "60", "MESH_CLOSE_TIMEOUT_SECONDS", 1..=600;
    /// Milliseconds between two reports of one socket with cloud variables; what a project sets
    /// meanwhile goes together
    cloud_report_interval: u32 = "40", "MESH_CLOUD_REPORT_MILLISECONDS", 0..=10_000;
    /// Seconds for which the node of a closed socket with cloud variables stays in its group, so
    /// that a project that is loaded again is the same node
    cloud_leave: u32 = "10", "MESH_CLOUD_LEAVE_SECONDS", 0..=600;
    /// Seconds for which the values of cloud variables are kept after the last project was closed
    cloud_keep: u32 = "60", "MESH_CLOUD_KEEP_SECONDS", 0..=3600;
    /// Seconds between two lines with metrics for AWS of one instance of the function behind AppSync;
    /// 0: none
    lambda_metrics: u32 = "60", "MESH_LAMBDA_METRICS_SECONDS", 0..=3600;
    /// Keys in the file of `--keys`; each costs a call some nanoseconds
    max_api_keys: u32 = "1000", "MESH_MAX_API_KEYS", 1..=10_000;
    /// Seconds between two looks at the key file and the certificate; a change is used at the
    /// second look that finds it
    reload: u32 = "3", "MESH_RELOAD_SECONDS", 1..=3600;
    /// Groups on the server
    max_groups: u32 = "20000", "MESH_MAX_GROUPS", 1..;
    /// Groups in one domain
    max_groups_per_domain: u32 = "1000", "MESH_MAX_GROUPS_PER_DOMAIN", 1..;
    /// Groups from one address (IPv6: one site). When a domain or the server is four fifths full,
    /// only addresses with fewer than 8 groups get one
    max_groups_per_address: u32 = "500", "MESH_MAX_GROUPS_PER_ADDRESS", 1..;
    /// Members of one group; those from other networks than the group's own may take half of
    /// the places
    max_nodes_per_group: u32 = "1000", "MESH_MAX_NODES_PER_GROUP", 1..;
    /// Nodes of one group that report and did not join; its host always may
    max_reporters_per_group: u32 = "100", "MESH_MAX_REPORTERS_PER_GROUP", 0..;
    /// Nodes that a group's host may remove; their ids are kept until the group ends
    max_removed_per_group: u32 = "200", "MESH_MAX_REMOVED_PER_GROUP", 1..=10_000;
    /// Variables of one node
    max_keys_per_node: u32 = "1000", "MESH_MAX_KEYS_PER_NODE", 1..;
    /// Bytes of one node's variables
    max_status_bytes: u32 = "65536", "MESH_MAX_STATUS_BYTES", 1..;
    /// Bytes that the variables of a group's nodes take in an answer, names included; keep it
    /// well below what an answer may take
    max_status_bytes_per_group: u32 = "4194304", "MESH_MAX_STATUS_BYTES_PER_GROUP", 1024..;
    /// Events in one call; a call of more than 240 KB as it is published, some 900 usual
    /// events, is refused too
    max_events_per_call: u32 = "1000", "MESH_MAX_EVENTS_PER_CALL", 1..=100_000;
    /// Event calls that a group remembers within the event TTL
    max_calls_per_group: u32 = "20000", "MESH_MAX_CALLS_PER_GROUP", 1..;
    /// Bytes of events that a group holds within the event TTL
    max_event_bytes_per_group: u32 = "8388608", "MESH_MAX_EVENT_BYTES_PER_GROUP", 1024..;
    /// Ended groups that are remembered for a while, so that their members learn why
    max_ended_groups: u32 = "20000", "MESH_MAX_ENDED_GROUPS", 0..;
}

impl BoundArgs {
    /// A span of whole seconds.
    pub fn seconds(value: u32) -> Duration {
        Duration::from_secs(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bytes_or_a_number_with_a_unit() {
        for (text, bytes) in [
            ("33554432", 32 << 20),
            ("800M", 800 << 20),
            ("800 MiB", 800 << 20),
            ("2g", 2 << 30),
            ("65536kb", 64 << 20),
        ] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "M",
            "1.5G",
            "-1",
            "all",
            "9999999999999G",
            "あ",
            "31M",
            "0",
        ] {
            assert!(memory(text).is_err(), "{text}");
        }
    }
}

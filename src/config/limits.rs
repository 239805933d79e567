//! From the settings to the limits and times of each part of the server.

use std::time::Duration;

use crate::cloud::CloudSettings;
use crate::config::{BoundArgs, ServeArgs};
use crate::domains::SiteBits;
use crate::hub::HistoryLimits;
use crate::model::limits::Limits;
use crate::model::rules::Timings;
use crate::realtime::SocketLimits;
use crate::resolvers::DocumentLimits;
use crate::server::HttpLimits;

/// How long groups live, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lives {
    pub default: u32,
    pub max: u32,
}

impl Lives {
    /// A maximum that is set alone lowers the default with it, and never raises it.
    pub fn on_a_server(args: &ServeArgs) -> Self {
        let (given, of_stage) = (&args.times, args.stage.timings());
        let max = given.max_connection_time.unwrap_or(of_stage.max_connection);
        let default = given
            .default_connection_time
            .unwrap_or_else(|| of_stage.default_connection.min(max));
        Self { default, max }
    }

    /// Whatever is set alone is both, as it always was there.
    pub fn behind_appsync(args: &ServeArgs) -> Self {
        let given = &args.times;
        let default = given
            .default_connection_time
            .or(given.max_connection_time)
            .unwrap_or(args.stage.timings().default_connection);
        let max = given.max_connection_time.unwrap_or(default);
        Self { default, max }
    }
}

pub(super) fn timings(args: &ServeArgs, lives: Lives) -> Timings {
    let (given, of_stage) = (&args.times, args.stage.timings());
    Timings {
        host_interval: given
            .host_heartbeat_interval
            .unwrap_or(of_stage.host_interval),
        host_ttl: given.host_heartbeat_ttl.unwrap_or(of_stage.host_ttl),
        member_interval: given
            .member_heartbeat_interval
            .unwrap_or(of_stage.member_interval),
        member_ttl: given.member_heartbeat_ttl.unwrap_or(of_stage.member_ttl),
        default_connection: lives.default,
        max_connection: lives.max,
        event_ttl: given.event_ttl.unwrap_or(of_stage.event_ttl),
        polling_interval: given.polling_interval.unwrap_or(of_stage.polling_interval),
    }
}

pub(super) fn documents(bounds: &BoundArgs, introspection: bool) -> DocumentLimits {
    DocumentLimits {
        depth: bounds.max_depth as usize,
        complexity: bounds.max_complexity as usize,
        aliases: bounds.max_aliases as usize,
        nesting: bounds.max_nesting as usize,
        introspection,
    }
}

pub(super) fn cloud(bounds: &BoundArgs, open: bool) -> CloudSettings {
    CloudSettings {
        open,
        report_interval: Duration::from_millis(bounds.cloud_report_interval.into()),
        leave: BoundArgs::seconds(bounds.cloud_leave),
        keep: BoundArgs::seconds(bounds.cloud_keep),
    }
}

pub(super) fn sockets(bounds: &BoundArgs) -> SocketLimits {
    SocketLimits {
        operations: bounds.max_subscriptions as usize,
        message_bytes: bounds.max_message_bytes as usize,
        outbox_bytes: bounds.max_outbox_bytes as usize,
        init: BoundArgs::seconds(bounds.init_timeout),
        keep_alive: BoundArgs::seconds(bounds.keep_alive),
        selection_bytes: bounds.max_selection_bytes as usize,
        connection_timeout: BoundArgs::seconds(bounds.connection_timeout),
        peer_timeout: BoundArgs::seconds(bounds.peer_timeout),
        short_peer_timeout: BoundArgs::seconds(bounds.short_peer_timeout),
        close_timeout: BoundArgs::seconds(bounds.close_timeout),
    }
}

pub(super) fn history(bounds: &BoundArgs) -> HistoryLimits {
    HistoryLimits {
        messages: bounds.resume_messages as usize,
        bytes: bounds.resume_bytes as usize,
        age: BoundArgs::seconds(bounds.resume_seconds),
    }
}

pub(super) fn site(bounds: &BoundArgs) -> SiteBits {
    SiteBits::new(bounds.ipv6_site_bits)
}

pub(super) fn http(bounds: &BoundArgs) -> HttpLimits {
    HttpLimits {
        connections: bounds.max_connections as usize,
        connections_per_address: bounds.max_connections_per_address as usize,
        site: site(bounds),
        body_bytes: bounds.max_body_bytes as usize,
        head_bytes: bounds.max_head_bytes as usize,
        streams: bounds.max_streams,
        stream_reservations: bounds.max_stream_reservations as usize,
        stream_reservation: BoundArgs::seconds(bounds.stream_reservation),
        unread_bytes: bounds.max_unread_bytes as usize,
        request_timeout: BoundArgs::seconds(bounds.request_patience),
        idle: BoundArgs::seconds(bounds.idle),
        drain: BoundArgs::seconds(bounds.drain),
    }
}

pub(super) fn limits(bounds: &BoundArgs) -> Limits {
    Limits {
        groups: bounds.max_groups as usize,
        groups_per_domain: bounds.max_groups_per_domain as usize,
        groups_per_address: bounds.max_groups_per_address as usize,
        nodes_per_group: bounds.max_nodes_per_group as usize,
        reporters_per_group: bounds.max_reporters_per_group as usize,
        removed_per_group: bounds.max_removed_per_group as usize,
        keys_per_node: bounds.max_keys_per_node as usize,
        status_bytes: bounds.max_status_bytes as usize,
        status_bytes_per_group: bounds.max_status_bytes_per_group as usize,
        events_per_call: bounds.max_events_per_call as usize,
        calls_per_group: bounds.max_calls_per_group as usize,
        event_bytes_per_group: bounds.max_event_bytes_per_group as usize,
        ended_groups: bounds.max_ended_groups as usize,
        response_bytes: bounds.max_answer_bytes as usize,
    }
}

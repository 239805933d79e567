//! The times by which groups, nodes and events expire.

use thiserror::Error;

/// The server's times, in seconds. The defaults are those of stg (docs/limits.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// Time between two heartbeats of a host.
    pub host_interval: u32,
    /// How long a group lives after its host's last heartbeat.
    pub host_ttl: u32,
    /// Time between two heartbeats of a member.
    pub member_interval: u32,
    /// How long a node is alive after its last heartbeat, join, report or event.
    pub member_ttl: u32,
    /// A group's lifetime if the host requests none, as editors do.
    pub default_connection: u32,
    /// The longest lifetime that a host may request.
    pub max_connection: u32,
    /// How long an event can be polled.
    pub event_ttl: u32,
    /// Time between two polls of a member of a polling group.
    pub polling_interval: u32,
}

impl Timings {
    /// The times of stg and stg2.
    pub const STG: Self = Self {
        host_interval: 15,
        host_ttl: 60,
        member_interval: 15,
        member_ttl: 60,
        default_connection: 300,
        max_connection: 300,
        event_ttl: 10,
        polling_interval: 2,
    };

    /// The times of prod.
    pub const PROD: Self = Self {
        host_interval: 60,
        host_ttl: 150,
        member_interval: 120,
        member_ttl: 600,
        default_connection: 2100,
        max_connection: 6000,
        event_ttl: 10,
        polling_interval: 2,
    };

    /// Checks that the times are possible and fit each other.
    pub(super) fn validate(&self) -> Result<(), InvalidTimings> {
        let Timings {
            host_interval,
            host_ttl,
            member_interval,
            member_ttl,
            default_connection,
            max_connection,
            event_ttl,
            polling_interval,
        } = *self;
        for (name, value) in [
            ("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", host_interval),
            ("MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS", member_interval),
            ("MESH_DEFAULT_CONNECTION_TIME_SECONDS", default_connection),
            ("MESH_MAX_CONNECTION_TIME_SECONDS", max_connection),
            ("MESH_POLLING_INTERVAL_SECONDS", polling_interval),
        ] {
            if value == 0 {
                return Err(InvalidTimings::Zero(name));
            }
        }
        for (role, prefix, ttl, interval) in [
            ("host", "HOST", host_ttl, host_interval),
            ("member", "MEMBER", member_ttl, member_interval),
        ] {
            if ttl <= interval {
                return Err(InvalidTimings::TtlWithinInterval {
                    role,
                    prefix,
                    ttl,
                    interval,
                });
            }
        }
        if default_connection > max_connection {
            return Err(InvalidTimings::DefaultBeyondMax {
                default: default_connection,
                max: max_connection,
            });
        }
        if event_ttl <= polling_interval {
            return Err(InvalidTimings::EventsGoneBeforePolled {
                ttl: event_ttl,
                interval: polling_interval,
            });
        }
        Ok(())
    }
}

/// Why timings are invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTimings {
    /// A node that sends its heartbeats on time would still expire.
    #[error(
        "{role} heartbeat TTL ({ttl} s) must be longer than its interval ({interval} s): raise \
         MESH_{prefix}_HEARTBEAT_TTL_SECONDS or lower MESH_{prefix}_HEARTBEAT_INTERVAL_SECONDS"
    )]
    TtlWithinInterval {
        /// Host or member.
        role: &'static str,
        /// The same in a setting's name.
        prefix: &'static str,
        /// The TTL.
        ttl: u32,
        /// The interval.
        interval: u32,
    },
    /// A time must be at least a second.
    #[error("{0} must be at least 1 second")]
    Zero(&'static str),
    /// The default lifetime is longer than the longest one.
    #[error(
        "a group's life ({default} s) cannot be longer than the longest that may be asked for \
         ({max} s): raise MESH_MAX_CONNECTION_TIME_SECONDS or lower \
         MESH_DEFAULT_CONNECTION_TIME_SECONDS"
    )]
    DefaultBeyondMax {
        /// The default lifetime.
        default: u32,
        /// The longest lifetime.
        max: u32,
    },
    /// Pollers would miss events.
    #[error(
        "the event TTL ({ttl} s) must be longer than the polling interval ({interval} s): raise \
         MESH_EVENT_TTL_SECONDS or lower MESH_POLLING_INTERVAL_SECONDS"
    )]
    EventsGoneBeforePolled {
        /// The event TTL.
        ttl: u32,
        /// The polling interval.
        interval: u32,
    },
}

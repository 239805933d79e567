//! The rate limits of a server: each is a setting, and one switches all of them off.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::domains::SiteBits;
use crate::rate_limits::rates::{GuessRate, Rate, Rates};

/// Whether there are rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Those of the settings.
    On,
    /// None: for load tests and for callers that are trusted.
    Off,
}

macro_rules! rates {
    ($($(#[$doc:meta])* $field:ident: $rate:ident = $default:literal, $env:literal;)*) => {
        /// How often anybody may call.
        #[derive(Debug, Args)]
        #[command(next_help_heading = "Rate limits, in calls a second")]
        pub struct RateArgs {
            /// Whether calls are limited by their rate; off is for load tests and trusted callers
            #[arg(long, env = "MESH_RATE_LIMITS", value_enum, default_value = "on", value_name = "WHETHER")]
            pub rate_limits: Switch,

            $($(#[$doc])*
            #[arg(long, env = $env, default_value = $default, value_name = "N", hide_short_help = true,
                value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
            pub $field: u32,)*

            /// Wrong API keys from one address that are answered at once
            #[arg(long, env = "MESH_RATE_WRONG_KEYS", default_value = "5", value_name = "N",
                hide_short_help = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
            pub rate_wrong_keys: u32,

            /// Milliseconds for which the answers to more wrong keys wait
            #[arg(long, env = "MESH_WRONG_KEY_WAIT_MS", default_value = "1000", value_name = "MS",
                hide_short_help = true, value_parser = clap::value_parser!(u32).range(0..=10_000))]
            pub wrong_key_wait_ms: u32,

            /// Answers that may wait so at a time, an eighth of them for one address; more are given at
            /// once. When four fifths wait, only addresses with a hundredth of them get a place
            #[arg(long, env = "MESH_WRONG_KEYS_WAITING", default_value = "1000", value_name = "N",
                hide_short_help = true, value_parser = clap::value_parser!(u32).range(0..=100_000))]
            pub wrong_keys_waiting: u32,

            /// Wrong join codes from one address that are answered at once; right ones always are
            #[arg(long, env = "MESH_RATE_WRONG_CODES", default_value = "50", value_name = "N",
                hide_short_help = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
            pub rate_wrong_codes: u32,

            /// Milliseconds for which the answers to more wrong join codes wait
            #[arg(long, env = "MESH_WRONG_CODE_WAIT_MS", default_value = "2000", value_name = "MS",
                hide_short_help = true, value_parser = clap::value_parser!(u32).range(0..=10_000))]
            pub wrong_code_wait_ms: u32,

            /// Answers that may wait so at a time, with the same shares
            #[arg(long, env = "MESH_WRONG_CODES_WAITING", default_value = "1000", value_name = "N",
                hide_short_help = true, value_parser = clap::value_parser!(u32).range(0..=100_000))]
            pub wrong_codes_waiting: u32,
        }

        impl RateArgs {
            /// The rates, unless they are switched off, for addresses that count by `site`.
            pub fn rates(&self, site: SiteBits) -> Option<Rates> {
                (self.rate_limits == Switch::On).then(|| Rates {
                    $($rate: Rate::new(self.$field),)*
                    wrong_keys: GuessRate {
                        at_once: Rate::new(self.rate_wrong_keys),
                        wait: Duration::from_millis(self.wrong_key_wait_ms.into()),
                        waiting: self.wrong_keys_waiting as usize,
                    },
                    wrong_codes: GuessRate {
                        at_once: Rate::new(self.rate_wrong_codes),
                        wait: Duration::from_millis(self.wrong_code_wait_ms.into()),
                        waiting: self.wrong_codes_waiting as usize,
                    },
                    site,
                })
            }
        }
    };
}

rates! {
    /// Reports of one node. Of each rate, two seconds' worth may come at once
    rate_node_reports: node_reports = "100", "MESH_RATE_NODE_REPORTS";
    /// Event calls of one node
    rate_node_events: node_events = "100", "MESH_RATE_NODE_EVENTS";
    /// Joins, leaves, heartbeats and dissolves of one node
    rate_node_membership: node_membership = "20", "MESH_RATE_NODE_MEMBERSHIP";
    /// Calls of one connection up to which it is steady: past the limits of a node, a group or an
    /// address, steady connections go on, in a group those of each address up to as much again
    rate_steady: steady = "25", "MESH_RATE_STEADY";
    /// Reports and event calls in one group
    rate_group_calls: group_calls = "2000", "MESH_RATE_GROUP_CALLS";
    /// Joins, leaves, heartbeats and dissolves in one group
    rate_group_membership: group_membership = "1000", "MESH_RATE_GROUP_MEMBERSHIP";
    /// Queries about one group and subscriptions to it
    rate_group_queries: group_queries = "2000", "MESH_RATE_GROUP_QUERIES";
    /// Calls of one steady connection that go on when many steady connections use up a group's
    /// rates; the editor usually sends half as many
    rate_connection_own_calls: connection_own_calls = "4", "MESH_RATE_CONNECTION_OWN_CALLS";
    /// Queries and subscriptions of one connection
    rate_connection_queries: connection_queries = "200", "MESH_RATE_CONNECTION_QUERIES";
    /// createGroup and createDomain on one connection
    rate_connection_groups: connection_groups = "100", "MESH_RATE_CONNECTION_GROUPS";
    /// Documents on one connection that the server does not know yet
    rate_connection_documents: connection_documents = "50", "MESH_RATE_CONNECTION_DOCUMENTS";
    /// Of these, documents of up to 4 KB that do not count for its address, ten at once: others
    /// behind the same address do not use them up, so that a class comes back after a restart
    rate_connection_own_documents: connection_own_documents = "1", "MESH_RATE_CONNECTION_OWN_DOCUMENTS";
    /// Introspections of the schema on one connection
    rate_connection_introspections: connection_introspections = "2", "MESH_RATE_CONNECTION_INTROSPECTIONS";
    /// Messages and pings on one WebSocket; more are read later and not refused
    rate_connection_messages: connection_messages = "500", "MESH_RATE_CONNECTION_MESSAGES";
    /// All calls from one address, behind which a whole school may be
    rate_address_calls: address_calls = "30000", "MESH_RATE_ADDRESS_CALLS";
    /// createGroup and createDomain from one address
    rate_address_groups: address_groups = "500", "MESH_RATE_ADDRESS_GROUPS";
    /// Documents from one address that the server does not know yet
    rate_address_documents: address_documents = "1000", "MESH_RATE_ADDRESS_DOCUMENTS";
    /// Introspections of the schema from one address
    rate_address_introspections: address_introspections = "50", "MESH_RATE_ADDRESS_INTROSPECTIONS";
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    fn rates(flags: &[&str]) -> Option<Rates> {
        let line = std::iter::once(&"mesh-v2").chain(flags);
        Cli::try_parse_from(line)
            .unwrap()
            .serve
            .rates
            .rates(SiteBits::default())
    }

    #[test]
    fn the_rates_are_the_settings_and_one_switches_them_off() {
        assert_eq!(rates(&[]), Some(Rates::default()));
        let set = rates(&["--rate-node-reports=7"]).unwrap();
        assert_eq!(set.node_reports, Rate::new(7));
        assert_eq!(rates(&["--rate-limits=off"]), None);
    }
}

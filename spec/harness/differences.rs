//! Which cases run once, and where AppSync differs from the standalone server: the names of
//! the cases that fail there, and why. `appsync_only` has cases for what it does instead.

use std::fmt;

use super::case::Case;
use super::deployment::Deployment;

/// Where a module's cases run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On each deployment.
    Each,
    /// Once: they start the program or the function by themselves, or test the suite.
    Once,
    /// On the AppSync stand-in.
    AppSync,
}

/// Modules whose cases run once.
pub const ONCE: &[&str] = &[
    "bench",
    "check",
    "command_line",
    "costs",
    "doctor",
    "durability",
    "installed",
    "instances",
    "keys",
    "lambda",
    "logs",
    "matrix",
    "memory",
    "metrics",
    "order",
    "origins",
    "pages",
    "privacy",
    "public_files",
    "rate_limits",
    "restarts",
    "resume",
    "settings",
    "supply_chain",
    "tokens",
    "unread_answers",
    "upgrades",
];
/// The module of the cases that only AppSync passes.
pub const APPSYNC_ONLY: &str = "appsync_only";

/// What differs on AppSync, and the cases that therefore fail there.
pub struct Difference {
    /// The decision, or what else it is about.
    pub about: &'static str,
    pub why: &'static str,
    pub cases: &'static [&'static str],
}

/// A module whose cases are about the server's own sockets.
pub struct ServerOnly {
    pub module: &'static str,
    pub why: &'static str,
}

pub const SERVER_ONLY: &[ServerOnly] = &[
    ServerOnly {
        module: "bad_frames",
        why: "frames, bounds (D20) and close codes are AppSync's there",
    },
    ServerOnly {
        module: "cloud",
        why: "cloud variables come to the server alone: AppSync has no such protocol",
    },
    ServerOnly {
        module: "docs",
        why: "the examples of the docs are the server's",
    },
    ServerOnly {
        module: "slow_readers",
        why: "the server's own sockets and their bounds in bytes (D20, D25)",
    },
    ServerOnly {
        module: "sse",
        why: "event streams: AppSync has its own protocol alone",
    },
    ServerOnly {
        module: "realtime_transport",
        why: "graphql-transport-ws: AppSync has its own protocol alone",
    },
    ServerOnly {
        module: "realtime_legacy",
        why: "subscriptions-transport-ws: AppSync has its own protocol alone",
    },
];

/// Cases that fail on AppSync, where it differs.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        about: "D2",
        why: "AppSync determines the caller's address; there are no proxies to trust",
        cases: &[
            "domains::d1_classmates_of_one_ipv6_network_share_a_domain",
            "domains::d2_only_a_trusted_proxys_header_is_used",
        ],
    },
    Difference {
        about: "D13",
        why: "in a group that polls, recorded events are not pushed: each would cost, and its members poll",
        cases: &[
            "polling::d13_a_poller_and_a_subscriber_receive_the_same_events_in_the_same_order",
        ],
    },
    Difference {
        about: "D15",
        why: "AppSync publishes every mutation that succeeds: a repeated batch is stored once and published twice",
        cases: &["event_log::d15_a_repeated_batch_is_stored_once"],
    },
    Difference {
        about: "D24",
        why: "each alias is a call of its own, and AppSync assembles the answer: 5 MB are its own bound",
        cases: &[
            "answers::d24_only_answers_that_aliases_multiply_are_refused",
            "answers::d24_a_mutation_whose_answer_is_too_large_is_not_repeated",
            "answers::d24_the_bound_applies_over_a_websocket",
        ],
    },
    Difference {
        about: "D19",
        why: "subscribers get what the mutation selected, and nothing if it left out groupId or domain",
        cases: &[
            "subscription::d19_subscribers_receive_what_they_select_and_not_what_the_mutation_selects",
        ],
    },
    Difference {
        about: "subscriptions' arguments",
        why: "no resolver checks them when a subscription starts: one to an invalid group receives nothing",
        cases: &["realtime_appsync::a_subscription_to_an_invalid_group_is_refused_with_its_id"],
    },
    Difference {
        about: "AppSync's realtime protocol",
        why: "its keep-alive comes every minute, its close codes are its own, and keys come with the upgrade",
        cases: &[
            "realtime_appsync::keep_alives_keep_coming",
            "realtime_credentials::a_generic_client_sends_its_key_in_connection_init",
            "realtime_credentials::an_unknown_subprotocol_is_refused_and_not_echoed",
            "realtime_credentials::wrong_credentials_are_refused_after_connection_init",
        ],
    },
    Difference {
        about: "documents",
        why: "AppSync validates them with its own messages and bounds; its messages quote the input",
        cases: &[
            "bad_input::brackets_nested_fifty_thousand_deep_are_refused_before_they_are_parsed",
            "bad_input::documents_that_are_too_deep_or_too_wide_are_refused",
            "bad_input::fragments_with_cycles_or_that_multiply_are_refused",
            "errors::only_errors_that_disconnect_use_the_words_that_do",
        ],
    },
    Difference {
        about: "requests over HTTP",
        why: "AppSync reads them, with its own paths, bounds, time limits and messages",
        cases: &[
            "bad_input::a_body_that_is_too_large_is_refused_as_such",
            "bad_input::a_body_of_many_megabytes_is_not_read_into_memory",
            "bad_input::json_nested_fifty_thousand_deep_is_unreadable",
            "bad_input::bytes_that_are_no_utf_8_are_unreadable",
            "bad_input::connections::a_request_that_never_ends_is_disconnected",
            "bad_input::connections::an_idle_client_and_one_that_reads_no_answers_lose_their_connections",
            "bad_input::connections::a_head_that_is_too_large_is_refused",
            "bad_input::connections::a_body_in_too_many_pieces_is_refused_and_one_in_many_is_read",
            "bad_input::connections::bytes_that_are_no_http_are_answered_and_disconnected",
            "bad_input::connections::a_connection_beyond_the_limit_waits_for_a_free_one",
            "http::a_subscription_over_http_is_refused",
            "http::an_endpoint_that_ends_with_a_slash_is_the_same",
        ],
    },
    Difference {
        about: "addresses",
        why: "the stand-in's callers all have one address; the store suite has these rules",
        cases: &[
            "quotas::one_addresss_groups_fill_neither_a_domain_nor_the_server",
            "quotas::strangers_who_join_leave_half_of_the_places",
            "quotas::websockets_behind_a_proxy_count_for_their_address",
            "join_codes::other_network::a_code_opens_its_group_over_http_and_no_other",
            "join_codes::other_network::a_code_opens_its_group_over_a_websocket_in_each_protocol",
            "join_codes::other_network::a_group_that_ended_is_not_found_by_who_had_its_code",
            "join_codes::other_network::what_is_no_code_in_the_header_is_ignored",
        ],
    },
    Difference {
        about: "browsers",
        why: "AppSync answers preflights by itself and has no page",
        cases: &[
            "browsers::a_preflight_request_needs_no_key",
            "join_codes::other_network::a_page_of_another_origin_may_send_a_code",
            "browsers::a_browser_gets_a_page_that_needs_no_other_host",
            "browsers::the_page_of_a_server_with_configured_keys_shows_none",
        ],
    },
    Difference {
        about: "health",
        why: "there is no process to check",
        cases: &["http::the_server_answers_liveness_and_readiness_checks"],
    },
];

/// Cases that pass on the stand-in, which is one process, and that AWS does not promise.
#[cfg(all(feature = "bench", feature = "lambda"))]
pub const NOT_PROMISED: [Difference; 2] = [
    Difference {
        about: "D17",
        why: "AWS has been seen to lose what is sent just after start_ack",
        cases: &["subscription::order::d17_every_mutation_after_the_acknowledgement_is_received"],
    },
    Difference {
        about: "D18",
        why: "AWS promises no order",
        cases: &[
            "idiom::d18_a_broadcast_never_overtakes_the_variable_on_websockets",
            "subscription::order::d18_all_subscribers_receive_all_messages_in_the_same_order",
            "subscription::order::two_mutations_of_one_document_are_published_in_their_order",
        ],
    },
];

/// Where the case runs.
pub fn scope(case: &Case) -> Scope {
    match case.module() {
        APPSYNC_ONLY => Scope::AppSync,
        module if ONCE.contains(&module) => Scope::Once,
        _ => Scope::Each,
    }
}

/// Why the case does not run on the deployment, if so.
pub fn why_not(case: &Case, deployment: &Deployment) -> Option<String> {
    if !deployment.is_appsync() {
        return None;
    }
    let module = SERVER_ONLY.iter().find(|it| it.module == case.module());
    let differs = || {
        DIFFERENCES
            .iter()
            .find(|it| it.cases.contains(&case.name()))
    };
    module
        .map(|it| it.why.to_owned())
        .or_else(|| differs().map(ToString::to_string))
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.about, self.why)
    }
}

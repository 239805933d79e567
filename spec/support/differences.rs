//! Where AppSync differs from the standalone server: each sentence by its name, and why.
//!
//! `on_appsync` leaves these sentences out of its count, says so, and holds what is
//! definite about AppSync instead. Asked for AppSync one by one, they start a standalone
//! server and say that they do.

use std::fmt;
use std::io::Write as _;

/// What differs on AppSync, and the sentences that therefore do not hold there.
pub struct Difference {
    /// The decision, or what else it is about.
    pub about: &'static str,
    pub why: &'static str,
    pub sentences: &'static [&'static str],
}

/// Sentences that are not about a stage, by module.
pub struct LeftOut {
    /// How the paths of its sentences begin.
    pub module: &'static str,
    pub why: &'static str,
}

pub const LEFT_OUT: [LeftOut; 13] = [
    LeftOut {
        module: "lambda::",
        why: "asks the function itself",
    },
    LeftOut {
        module: "command_line::",
        why: "starts the program mesh-v2",
    },
    LeftOut {
        module: "durability::",
        why: "starts the program mesh-v2 and kills it",
    },
    LeftOut {
        module: "memory::",
        why: "starts the program mesh-v2 and reads its memory",
    },
    LeftOut {
        module: "restarts::",
        why: "starts the program mesh-v2 and stops it",
    },
    LeftOut {
        module: "settings::",
        why: "starts the program mesh-v2",
    },
    LeftOut {
        module: "bad_frames::",
        why: "the program's own sockets: frames, bounds (D20) and close codes are AppSync's there",
    },
    LeftOut {
        module: "slow_readers::",
        why: "the program's own sockets and their bounds in bytes (D20, D25)",
    },
    LeftOut {
        module: "realtime_transport::",
        why: "graphql-transport-ws: AppSync speaks its own protocol alone",
    },
    LeftOut {
        module: "realtime_legacy::",
        why: "subscriptions-transport-ws: AppSync speaks its own protocol alone",
    },
    LeftOut {
        module: "unread_answers::",
        why: "starts the program mesh-v2 and looks at its memory (D24)",
    },
    LeftOut {
        module: "on_dynamodb::",
        why: "runs the suite by itself",
    },
    LeftOut {
        module: "on_appsync::",
        why: "runs the suite by itself",
    },
];

pub const DIFFERENCES: [Difference; 12] = [
    Difference {
        about: "D2",
        why: "AppSync says whose address a caller has; there are no proxies to trust",
        sentences: &[
            "domains::d1_classmates_of_one_ipv6_network_share_a_domain",
            "domains::d2_only_a_trusted_proxy_is_believed",
        ],
    },
    Difference {
        about: "D7",
        why: "no process watches: nobody is told when a group ends by silence or time",
        sentences: &[
            "time::d7_the_end_of_a_group_whose_host_fell_silent_is_told_once_within_two_seconds",
            "time::d7_the_end_of_a_group_whose_time_is_up_is_told_once_within_two_seconds",
            "time::d7_a_group_that_its_host_replaces_is_told_too",
            "time::d30_a_group_is_remembered_after_its_members_were_told_its_end",
        ],
    },
    Difference {
        about: "D13",
        why: "AppSync publishes the three mutations of the schema, and recording is none of them",
        sentences: &[
            "idiom::d18_a_broadcast_never_overtakes_the_variable_where_some_poll",
            "polling::d13_subscribers_hear_what_pollers_record",
            "polling::d13_a_poller_and_a_subscriber_hear_the_same_events_in_the_same_order",
        ],
    },
    Difference {
        about: "D15",
        why: "AppSync publishes every mutation that succeeds: a repeated batch is stored once and told twice",
        sentences: &["event_log::d15_a_repeated_batch_is_one_batch"],
    },
    Difference {
        about: "D24",
        why: "each alias is a call of its own, and AppSync puts the answer together: 5 MB are its own bound",
        sentences: &[
            "answers::d24_what_aliases_multiply_is_refused_and_nothing_else",
            "answers::d24_a_mutation_whose_answer_is_too_large_is_not_repeated",
            "answers::d24_the_bound_holds_over_a_websocket_too",
        ],
    },
    Difference {
        about: "D19",
        why: "subscribers get what the mutation selected, and nothing if it left out groupId or domain",
        sentences: &[
            "subscription::d19_subscribers_get_what_they_select_whatever_the_mutation_selected",
        ],
    },
    Difference {
        about: "subscriptions' arguments",
        why: "no resolver looks at them when a subscription starts: one to an impossible group hears nothing",
        sentences: &[
            "realtime_appsync::a_subscription_to_a_group_that_cannot_be_is_refused_with_its_id",
        ],
    },
    Difference {
        about: "AppSync's realtime protocol",
        why: "its sign of life comes every minute, its close codes are its own, and keys come with the upgrade",
        sentences: &[
            "realtime_appsync::signs_of_life_keep_coming",
            "realtime_credentials::a_generic_client_shows_its_key_as_it_introduces_itself",
            "realtime_credentials::a_protocol_that_is_not_spoken_is_refused_and_never_echoed",
            "realtime_credentials::wrong_credentials_are_refused_after_the_client_introduced_itself",
        ],
    },
    Difference {
        about: "documents",
        why: "AppSync validates them, in words and with bounds of its own; its words quote what was wrong",
        sentences: &[
            "bad_input::brackets_nested_fifty_thousand_deep_are_refused_before_they_are_parsed",
            "bad_input::documents_that_are_too_deep_or_too_wide_are_refused",
            "bad_input::fragments_that_run_in_circles_or_multiply_are_refused",
            "errors::only_errors_that_disconnect_use_the_words_that_do",
        ],
    },
    Difference {
        about: "requests over HTTP",
        why: "AppSync reads them, with paths, bounds, time limits and words of its own",
        sentences: &[
            "bad_input::a_body_that_is_too_large_is_named",
            "bad_input::a_body_of_many_megabytes_does_not_reach_memory",
            "bad_input::json_nested_fifty_thousand_deep_is_unreadable",
            "bad_input::bytes_that_are_no_utf_8_are_unreadable",
            "bad_input::a_request_that_never_ends_is_hung_up_on",
            "bad_input::whoever_asks_no_more_or_never_reads_its_answers_loses_its_place",
            "bad_input::a_head_that_is_too_large_is_refused",
            "bad_input::bytes_that_are_no_http_are_answered_and_hung_up_on",
            "bad_input::whoever_finds_no_place_waits_for_one",
            "http::a_subscription_is_sent_to_the_sockets",
            "http::an_endpoint_that_ends_with_a_slash_is_the_same",
        ],
    },
    Difference {
        about: "browsers",
        why: "AppSync answers preflights by itself and has no page",
        sentences: &[
            "browsers::a_browser_may_ask_before_it_calls_without_a_key",
            "browsers::a_browser_gets_a_page_that_needs_no_other_host",
            "browsers::the_page_of_a_stage_with_keys_of_its_own_shows_none",
        ],
    },
    Difference {
        about: "health",
        why: "there is no process to ask",
        sentences: &["http::the_server_says_that_it_lives_and_that_it_can_work"],
    },
];

/// Sentences that hold on the stand-in, which is one process, and that AWS does not promise.
#[cfg(feature = "lambda")]
pub const NOT_PROMISED: [Difference; 2] = [
    Difference {
        about: "D17",
        why: "AWS has been seen to lose what is sent just after start_ack",
        sentences: &["subscription::d17_every_mutation_after_the_acknowledgement_is_heard"],
    },
    Difference {
        about: "D18",
        why: "AWS promises no order",
        sentences: &[
            "idiom::d18_a_broadcast_never_overtakes_the_variable_on_websockets",
            "subscription::d18_all_hear_all_messages_in_the_same_order",
            "subscription::two_mutations_of_one_document_are_told_in_their_order",
        ],
    },
];

/// The name of the sentence that is asked on this thread.
pub fn sentence() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("a test").to_owned()
}

/// Says something about the sentence that is asked, past the harness, which keeps what a
/// passing test prints to itself.
pub fn says(what: &str) {
    let _ = writeln!(std::io::stderr(), "{} {what}", sentence());
}

/// Why the sentence that is asked on this thread is not asked of AppSync, if so.
pub fn here() -> Option<String> {
    let name = sentence();
    let left_out = LEFT_OUT.iter().find(|it| name.starts_with(it.module));
    let differs = DIFFERENCES.iter().find(|it| it.sentences.contains(&&*name));
    left_out
        .map(|it| it.why.to_owned())
        .or_else(|| differs.map(ToString::to_string))
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.about, self.why)
    }
}

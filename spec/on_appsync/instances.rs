//! The suite behind AppSync with the built function, in several instances, as AWS runs it.
//! Here nobody can move time: it is waited for.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::not_asked;
use crate::support::rerun;
use crate::support::runtime_api::{Lambda, Outcome};
use crate::support::stage::KEY;
use crate::support::store::a_table;
use crate::support::{appsync, differences};

/// Instances of the function.
const INSTANCES: usize = 4;
/// Sentences that are asked at a time: half of them wait for a minute.
const AT_A_TIME: &str = "--test-threads=12";
/// Sentences that hold at least; those with a stage of their own do not count.
const SENTENCES: usize = 110;

/// Sentences that are left to the function in the test's process, and why.
const LEFT_OUT: [(&str, &[&str]); 2] = [
    (
        "time passes while they ask much, and a busy machine does not keep up with it",
        &[
            "dissolving::d6_a_dissolved_group_is_gone_with_all_that_was_in_it",
            "event_log::d12_a_reader_who_pages_while_many_write_meets_every_event_once_in_order",
            "event_log::d14_a_cursor_from_the_future_is_forgiven",
            "event_log::d14_events_past_their_time_are_not_told",
            "groups::d8_a_listing_is_whole_however_many_groups_there_are",
            "polling::any_text_is_a_since",
            "polling::d14_a_first_poll_tells_what_came_since_the_join_and_the_next_nothing_twice",
            "polling::whoever_polls_a_broadcast_sees_the_variable_that_was_set_before_it",
            "subscription::d17_every_mutation_after_the_acknowledgement_is_heard",
        ],
    ),
    (
        "more than a minute would be waited for",
        &[
            "nodes::d10_renewing_keeps_the_hosts_variables",
            "polling::d13_fired_events_are_kept_no_longer_than_a_minute_after_a_poll",
            "time::a_beating_group_lives_until_its_end_and_no_longer",
        ],
    ),
];

/// The paths of whatever is not asked of these instances.
pub(super) fn left_out() -> Vec<&'static str> {
    let sentences = LEFT_OUT.iter().flat_map(|(_, sentences)| *sentences);
    not_asked().into_iter().chain(sentences.copied()).collect()
}

struct Instances {
    free: Semaphore,
    idle: Mutex<Vec<Lambda>>,
}

impl Instances {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let starting = (0..INSTANCES).map(|_| Lambda::start(settings));
        Self {
            free: Semaphore::new(INSTANCES),
            idle: Mutex::new(futures_util::future::join_all(starting).await),
        }
    }

    /// Asks the instance that was busy last, as AWS does.
    async fn invoke(&self, event: Value) -> Outcome {
        let _place = self.free.acquire().await.expect("places stay open");
        let instance = self.idle.lock().expect("no panic").pop();
        let instance = instance.expect("an idle instance for each place");
        let outcome = instance.invoke(event).await;
        self.idle.lock().expect("no panic").push(instance);
        outcome
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sentences_hold_with_instances_of_the_built_function() {
    let (table, _) = a_table().await;
    let endpoint = table.endpoint.expect("the engine's address");
    let settings = [
        ("TABLE_NAME", &*table.table),
        ("DYNAMODB_ENDPOINT", &*endpoint),
        // The machine may be busy with other tests.
        ("MESH_EVENT_TTL_SECONDS", "60"),
        ("MESH_DYNAMODB_ATTEMPT_MS", "20000"),
        ("MESH_DYNAMODB_REQUEST_MS", "25000"),
    ];
    let instances = Arc::new(Instances::start(&settings).await);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let function = move |event| {
        let instances = Arc::clone(&instances);
        async move { instances.invoke(event).await }
    };
    let invoke = appsync::serve(function, &tasks, &stop).await;
    let stage = appsync::Stage::open(KEY, &invoke).await;
    let settings = [
        ("MESH_SPEC_STORE", "appsync"),
        ("APPSYNC_ENDPOINT", &stage.endpoint),
        ("APPSYNC_API_KEY", KEY),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    for (why, sentences) in LEFT_OUT {
        differences::says(&format!(
            "leaves out, since {why}: {}",
            sentences.join(", ")
        ));
    }
    let held = tokio::task::spawn_blocking(move || {
        let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
        rerun::held(&settings, left_out(), &[AT_A_TIME])
    });
    let held = held.await;
    let held = held.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    assert!(held >= SENTENCES, "only {held} sentences were asked");
    println!("{held} sentences held with {INSTANCES} instances of the built function");
}

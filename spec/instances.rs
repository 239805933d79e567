//! The cases behind AppSync with the built function, in several instances, as AWS runs it.
//! Time cannot be moved here: it is waited for. So they are one trial, in which most of them
//! wait at a time.

use std::sync::{Arc, Mutex, OnceLock};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::case::{Case, Passed};
use crate::harness::deployment::{Deployment, Kind, Outside};
use crate::harness::differences;
use crate::harness::trials::{belongs, cases};
use crate::support::appsync;
use crate::support::mesh::KEY;
use crate::support::runtime_api::{Lambda, Outcome};
use crate::support::store::a_table;

/// Instances of the function.
const INSTANCES: usize = 4;
/// Cases at a time that have not waited yet: half of them wait for a minute, all at once.
const AT_A_TIME: usize = 12;
/// Cases that pass at least; those with a server of their own do not count.
const LEAST: usize = 110;

/// Cases that are left to the function in the suite's process, and why.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "they make many calls, and on a busy machine too much time passes meanwhile",
        &[
            "dissolving::d6_a_dissolved_group_is_deleted_with_its_contents",
            "event_log::d12_a_client_that_pages_while_many_write_reads_every_event_once_in_order",
            "event_log::d14_a_cursor_from_the_future_is_accepted",
            "event_log::d14_expired_events_are_not_returned",
            "groups::listing::d8_a_listing_of_many_groups_is_complete",
            "polling::any_text_is_accepted_as_since",
            "polling::d14_a_first_poll_answers_events_since_the_join_and_the_next_none_twice",
            "polling::a_client_that_polls_a_broadcast_reads_the_variable_set_before_it",
            "quotas::one_nodes_calls_fill_only_its_part_of_the_log",
            "quotas::reports_under_invented_names_lock_nobody_out",
            "subscription::order::d17_every_mutation_after_the_acknowledgement_is_received",
        ],
    ),
    (
        "more than a minute would be waited for",
        &[
            "nodes::d10_renewing_keeps_the_hosts_variables",
            "polling::d13_fired_events_are_kept_no_longer_than_a_minute_after_a_poll",
            "time::a_group_with_heartbeats_lives_until_its_expiry",
        ],
    ),
    (
        "another instance follows a lock or a pause seconds later (MESH_DYNAMODB_REMEMBER_MS)",
        &[
            "lesson_control::a_locked_group_takes_no_new_nodes_and_keeps_those_it_has",
            "lesson_control::a_member_whose_time_was_over_wakes_in_a_locked_group",
            "lesson_control::a_paused_group_refuses_all_data_but_its_hosts_until_the_pause_ends",
        ],
    ),
];

/// A case that waits for 200 seconds: it runs here only with `MESH_LONG_WAITS`, which
/// `.ci/nightly` sets. Each run has it on the other deployments.
const LONGEST: &str = "statuses::d31_a_suspended_tab_resumes_with_its_variables";

/// The names of the cases that do not run on these instances.
pub fn left_out() -> impl Iterator<Item = &'static str> {
    let longest = std::env::var_os("MESH_LONG_WAITS").is_none();
    let left_out = LEFT_OUT.iter().flat_map(|(_, cases)| *cases).copied();
    left_out.chain(longest.then_some(LONGEST))
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
            idle: Mutex::new(join_all(starting).await),
        }
    }

    /// Invokes the instance that was busy last, as AWS does.
    async fn invoke(&self, event: Value) -> Outcome {
        let _permit = self.free.acquire().await.expect("the semaphore stays open");
        let instance = self.idle.lock().expect("no panic").pop();
        let instance = instance.expect("an idle instance for each permit");
        let outcome = instance.invoke(event).await;
        self.idle.lock().expect("no panic").push(instance);
        outcome
    }
}

#[apply(parallel_case!)]
async fn cases_pass_with_instances_of_the_built_function() {
    let (table, _) = a_table().await;
    let endpoint = table.endpoint.expect("the engine's address");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let instances = Arc::<OnceLock<Instances>>::default();
    let running = Arc::clone(&instances);
    let function = move |event| {
        let instances = Arc::clone(&running);
        async move { instances.get().expect("instances").invoke(event).await }
    };
    let invoke = appsync::serve(function, &tasks, &stop).await;
    let api = appsync::Api::open(KEY, &invoke).await;
    let settings = [
        ("TABLE_NAME", &*table.table),
        ("MESH_APPSYNC_URL", &*api.endpoint),
        ("MESH_APPSYNC_ATTEMPT_MS", "8000"),
        ("MESH_APPSYNC_MESSAGE_MS", "8000"),
        ("DYNAMODB_ENDPOINT", &*endpoint),
        // All cases call from one address, and no reaper removes their groups.
        ("MESH_MAX_GROUPS_PER_ADDRESS", "20000"),
        // The machine may be busy with other tests.
        ("MESH_EVENT_TTL_SECONDS", "60"),
        ("MESH_DYNAMODB_ATTEMPT_MS", "20000"),
        ("MESH_DYNAMODB_REQUEST_MS", "25000"),
    ];
    let started = instances.set(Instances::start(&settings).await);
    assert!(started.is_ok(), "they start once");
    let deployment = Deployment {
        name: "appsync_instances",
        kind: Kind::AppSync,
        outside: Some(Outside {
            endpoint: api.endpoint.clone(),
            key: KEY.into(),
        }),
    };
    let permits = Arc::new(Semaphore::new(AT_A_TIME));
    let runs = cases_for(&deployment).into_iter().map(|case| {
        let (deployment, permits) = (deployment.clone(), Arc::clone(&permits));
        async move {
            let permit = permits.acquire_owned().await;
            run(case, deployment, permit.expect("the semaphore stays open")).await
        }
    });
    let results = join_all(runs).await;
    let (mut passed, mut failed) = (0, Vec::new());
    for result in results {
        match result {
            Ok(Passed { has_own_server }) => passed += usize::from(!has_own_server),
            Err(failure) => failed.push(failure),
        }
    }
    let count = failed.len();
    assert!(
        failed.is_empty(),
        "{count} cases failed:\n\n{}",
        failed.join("\n")
    );
    assert!(passed >= LEAST, "only {passed} cases ran on the instances");
}

/// The cases that run on these instances.
fn cases_for(deployment: &Deployment) -> Vec<&'static Case> {
    let runs = |case: &&Case| {
        belongs(case, deployment)
            && differences::why_not(case, deployment).is_none()
            && left_out().all(|name| name != case.name())
    };
    let mut cases: Vec<_> = cases().into_values().filter(runs).collect();
    // They wait longest.
    cases.sort_by_key(|case| case.module() != "time");
    cases
}

/// Runs a case on a thread of its own. A failure names the case.
async fn run(
    case: &'static Case,
    deployment: Deployment,
    permit: OwnedSemaphorePermit,
) -> Result<Passed, String> {
    let name = deployment.name_of(case);
    let ran = tokio::task::spawn_blocking(move || case.run_with(&deployment, Some(permit)));
    let ran = ran.await.expect("a case catches its panics");
    ran.map_err(|why| format!("{name}: {why}\n"))
}

//! The store's contract as test cases, which every store passes.
//!
//! Each test case gets a [`Class`]: its own domain and nodes in a store shared by all cases.
//! Time is an argument, so tests never sleep. The store under test has the times of
//! [`Timings::STG`] and the limits of [`LIMITS`].

mod authority;
pub(crate) mod class;
pub mod clock_steps;
mod codes;
mod controls;
mod events;
mod fired_events;
mod group_lifetime;
mod groups;
mod lesson;
mod limits;
mod moves;
mod nodes;
pub mod order;
mod polls;
mod quotas;
pub(crate) mod random;
mod repeats;
mod search;
mod statuses;
mod tombstones;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};

use crate::model::limits::Limits;
use crate::model::rules::Timings;
use crate::model::time::Timestamp;
use crate::store::Store;
use crate::store::suite::class::Class;

pub use lesson::{run_lesson, snapshot_again};

/// The limits of a store under test: small enough to be reached, and large enough for records
/// that fill several of DynamoDB's pages of 1 MB.
pub const LIMITS: Limits = Limits {
    groups: 600,
    groups_per_domain: 120,
    groups_per_address: 30,
    nodes_per_group: 60,
    reporters_per_group: 40,
    removed_per_group: 8,
    keys_per_node: 40,
    status_bytes: 32 * 1024,
    status_bytes_per_group: 1_650_000,
    events_per_call: 1_000,
    calls_per_group: 240,
    event_bytes_per_group: 4 * 1024 * 1024,
    ended_groups: 400,
    response_bytes: usize::MAX,
};

/// The times of a store under test.
const TIMES: Timings = Timings::STG;

/// When each test case begins: a whole second, so far in the future that no table's TTL removes
/// a record during a test.
pub(crate) const START: Timestamp = Timestamp::from_seconds(3_900_000_000);

/// `millis` milliseconds after the start.
const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.millis() + millis)
}

/// `seconds` after the start.
pub(crate) const fn second(seconds: u32) -> Timestamp {
    START.plus_seconds(seconds)
}

/// Runs every test case, and panics with the names of those that failed. Each file has a store of
/// its own, and the files run at the same time: on DynamoDB a case mostly waits.
pub async fn run<S, F>(make: impl Fn() -> F)
where
    S: Store,
    F: Future<Output = S>,
{
    macro_rules! files {
        ($($file:ident),* $(,)?) => {
            [$({
                let run = async {
                    let (store, mut report) = (make().await, Report::default());
                    $file::run_all(&store, &mut report).await;
                    report
                };
                Box::pin(run) as Pin<Box<dyn Future<Output = Report>>>
            }),*]
        };
    }
    let files = files![
        groups,
        search,
        group_lifetime,
        tombstones,
        nodes,
        moves,
        statuses,
        events,
        polls,
        fired_events,
        repeats,
        limits,
        quotas,
        authority,
        codes,
        controls,
    ];
    let (mut report, of_files) = join(on_empty_stores(&make), join_all(files)).await;
    for of_file in of_files {
        report.run += of_file.run;
        report.failed.extend(of_file.failed);
    }
    assert!(
        report.failed.is_empty(),
        "{} of {} test cases failed: {:#?}",
        report.failed.len(),
        report.run,
        report.failed
    );
}

/// The cases that need an empty store each.
async fn on_empty_stores<S, F>(make: impl Fn() -> F) -> Report
where
    S: Store,
    F: Future<Output = S>,
{
    let mut report = Report::default();
    let empty = make().await;
    let case = limits::a_full_server_refuses_new_groups_only(Class::new(&empty));
    report.run("a_full_server", Box::pin(case)).await;
    let empty = make().await;
    let case = tombstones::there_are_never_more_tombstones_than_the_limit(Class::new(&empty));
    report.run("tombstones", Box::pin(case)).await;
    let empty = make().await;
    let case = group_lifetime::any_group_lives_only_while_one_does(Class::new(&empty));
    report.run("any_group_lives", Box::pin(case)).await;
    report
}

/// How many test cases ran, and which failed.
#[derive(Default)]
struct Report {
    run: usize,
    failed: Vec<&'static str>,
}

impl Report {
    async fn run(
        &mut self,
        name: &'static str,
        case: Pin<Box<dyn Future<Output = ()> + Send + '_>>,
    ) {
        self.run += 1;
        if AssertUnwindSafe(case).catch_unwind().await.is_err() {
            eprintln!("failed: {name}");
            self.failed.push(name);
        }
    }
}

/// Lists a file's test cases. A case that is missing in the list is dead code, which is a compile
/// error.
macro_rules! test_cases {
    ($($case:ident),* $(,)?) => {
        pub async fn run_all<S: $crate::store::Store>(
            store: &S,
            report: &mut $crate::store::suite::Report,
        ) {
            $(
                let class = $crate::store::suite::class::Class::new(store);
                report.run(stringify!($case), Box::pin($case(class))).await;
            )*
        }
    };
}
use test_cases;

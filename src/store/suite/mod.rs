//! The store's contract as tests: every store passes all of it.
//!
//! Each sentence gets a class of its own in one store: a fresh domain and nodes that
//! nobody else uses. Time is handed in, so it is moved and never slept. A store under
//! test keeps the times of [`Timings::STG`] and the bounds of [`LIMITS`].

pub(crate) mod class;
mod delivery;
mod ended;
mod ends;
mod events;
mod groups;
mod lesson;
mod limits;
mod nodes;
mod repeats;
mod search;
mod statuses;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;

use crate::heartbeat::rules::Timings;
use crate::model::limits::Limits;
use crate::model::time::Timestamp;
use crate::store::Store;
use crate::store::suite::class::Class;

pub use lesson::{all_that_is_told, live_through_a_lesson};

/// The bounds of a store under test: small enough to be reached, and large enough for
/// records that fill several of DynamoDB's pages of 1 MB.
pub const LIMITS: Limits = Limits {
    groups: 600,
    groups_per_domain: 120,
    nodes_per_group: 50,
    keys_per_node: 40,
    status_bytes: 32 * 1024,
    status_bytes_per_group: 1_550_000,
    events_per_call: 1_000,
    calls_per_group: 200,
    event_bytes_per_group: 2 * 1024 * 1024,
    ended_groups: 400,
    answer_bytes: usize::MAX,
};

/// The times of a store under test.
const TIMES: Timings = Timings::STG;

/// When each sentence begins: a whole second, so far ahead that no table's own expiry
/// removes a record before its sentence is over.
pub(crate) const START: Timestamp = Timestamp::from_seconds(3_900_000_000);

/// The moment `millis` milliseconds after the start.
const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(START.millis() + millis)
}

/// The moment `seconds` after the start.
pub(crate) const fn second(seconds: u32) -> Timestamp {
    START.plus_seconds(seconds)
}

/// Says every sentence of the contract to a store, and panics with those that do not hold.
pub async fn run<S, F>(make: impl Fn() -> F)
where
    S: Store,
    F: Future<Output = S>,
{
    let mut hearing = Hearing::default();
    let store = make().await;
    groups::say_all(&store, &mut hearing).await;
    search::say_all(&store, &mut hearing).await;
    ends::say_all(&store, &mut hearing).await;
    ended::say_all(&store, &mut hearing).await;
    nodes::say_all(&store, &mut hearing).await;
    statuses::say_all(&store, &mut hearing).await;
    events::say_all(&store, &mut hearing).await;
    delivery::say_all(&store, &mut hearing).await;
    repeats::say_all(&store, &mut hearing).await;
    limits::say_all(&store, &mut hearing).await;
    let empty = make().await;
    let alone = limits::a_full_stage_refuses_new_groups_only(Class::new(&empty));
    hearing.say("a_full_stage", Box::pin(alone)).await;
    let empty = make().await;
    let alone =
        ended::no_more_ended_groups_are_remembered_than_the_bound_allows(Class::new(&empty));
    hearing.say("remembered_ends", Box::pin(alone)).await;
    let empty = make().await;
    let alone = ends::a_start_finds_out_whether_any_group_lives(Class::new(&empty));
    hearing.say("any_group_lives", Box::pin(alone)).await;
    assert!(
        hearing.broken.is_empty(),
        "{} of {} sentences do not hold: {:#?}",
        hearing.broken.len(),
        hearing.said,
        hearing.broken
    );
}

/// What was said, and what did not hold.
#[derive(Default)]
struct Hearing {
    said: usize,
    broken: Vec<&'static str>,
}

impl Hearing {
    async fn say(
        &mut self,
        sentence: &'static str,
        holds: Pin<Box<dyn Future<Output = ()> + Send + '_>>,
    ) {
        self.said += 1;
        if AssertUnwindSafe(holds).catch_unwind().await.is_err() {
            eprintln!("does not hold: {sentence}");
            self.broken.push(sentence);
        }
    }
}

/// Lists a file's sentences; one that is missing here is dead code, which the compiler tells.
macro_rules! sentences {
    ($($sentence:ident),* $(,)?) => {
        pub async fn say_all<S: $crate::store::Store>(
            store: &S,
            hearing: &mut $crate::store::suite::Hearing,
        ) {
            $(
                let class = $crate::store::suite::class::Class::new(store);
                hearing.say(stringify!($sentence), Box::pin($sentence(class))).await;
            )*
        }
    };
}
use sentences;

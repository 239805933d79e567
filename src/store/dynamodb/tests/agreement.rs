//! Random lessons in memory, on the embedded store (reopened for each) and on DynamoDB: all
//! results are the same. Group ids differ between stores, so they are replaced by the order of
//! creation.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::new_table;
use crate::model::rules::Rules;
use crate::model::time::Timestamp;
use crate::property::cases;
use crate::store::Store;
use crate::store::dynamodb::DynamoDb;
use crate::store::embedded::{Durability, Embedded};
use crate::store::suite::random::call::{Call, call, delay};
use crate::store::suite::random::{LIMITS, Lesson, TIMES};

/// Lessons, and steps in each.
const LESSONS: u32 = 50;
const STEPS: std::ops::Range<usize> = 20..80;

#[test]
fn all_stores_return_the_same_in_any_lesson() {
    let rules = Rules::new(TIMES).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dynamodb = runtime.block_on(async {
        let (settings, _) = new_table().await;
        DynamoDb::connect(settings, rules, LIMITS).await
    });
    let memory = Embedded::in_memory(rules, LIMITS);
    let folder = tempfile::tempdir().unwrap();
    // Each lesson begins after all groups of the earlier ones have ended.
    let start = RefCell::new(Timestamp::from_seconds(3_900_000_000));
    let steps = (delay(), prop::bool::weighted(0.35), call());
    let lessons = prop::collection::vec(steps, STEPS);
    let config = Config {
        cases: cases(LESSONS),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&lessons, |steps| {
        let salt = &uuid::Uuid::new_v4().simple().to_string()[..4];
        let embedded =
            Embedded::open(folder.path(), Durability::EverySecond, rules, LIMITS).unwrap();
        let stores: [&dyn Store; 3] = [&memory, &embedded, &dynamodb];
        let mut lessons = stores.map(|store| Lesson::new(store, salt));
        let mut now = start.borrow().plus_seconds(3_600);
        let opening = [Call::Host(0, 0, true, 300), Call::Host(1, 1, false, 300)];
        let opening = opening.into_iter().map(|call| (1, false, call));
        for (delay, renew, call) in opening.chain(steps) {
            now = Timestamp::from_millis(now.millis() + delay);
            let mut results = Vec::new();
            for lesson in &mut lessons {
                let renewal = async {
                    if renew {
                        lesson.renew_hosts(now).await
                    } else {
                        String::new()
                    }
                };
                let renewed = runtime.block_on(renewal);
                results.push((renewed, runtime.block_on(lesson.execute(&call, now))));
            }
            prop_assert_eq!(
                &results[0],
                &results[1],
                "memory and embedded, at {:?}",
                call
            );
            prop_assert_eq!(
                &results[0],
                &results[2],
                "memory and DynamoDB, at {:?}",
                call
            );
        }
        *start.borrow_mut() = now;
        Ok(())
    });
    outcome.unwrap();
}

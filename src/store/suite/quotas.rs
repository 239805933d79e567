//! Quotas: after a flood by some, others still find what they need.

use crate::store::Store;
use crate::store::suite::class::{Class, client_error, data};
use crate::store::suite::{LIMITS, START, at, test_cases};

test_cases! {
    reporters_take_no_place_of_a_member_or_of_the_host,
    variables_of_reporters_leave_half_to_the_members,
    large_variables_of_members_leave_some_to_others,
}

async fn reporters_take_no_place_of_a_member_or_of_the_host<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    for n in 0..LIMITS.reporters_per_group {
        let name = format!("x{n}");
        class.reports(&group, &name, &[("k", "1")], START).await;
    }
    let refused = class.try_report(&group, "more", data(&[("k", "1")]), START);
    let error = client_error(refused.await);
    assert_eq!(error.kind(), "LimitExceeded", "{error}");
    class.reports(&group, "h", &[("k", "2")], START).await;
    class.joins(&group, "kitten", START).await;
    class.reports(&group, "kitten", &[("k", "3")], START).await;
    // A reporter that joins gives its place back.
    class.joins(&group, "x0", START).await;
    class.joins(&group, "x1", START).await;
    class.reports(&group, "more", &[], START).await;
    for node in ["x1", "x2"] {
        class
            .store
            .leave(&group, &class.node(node).into())
            .await
            .unwrap();
    }
    class.reports(&group, "another", &[], START).await;
}

async fn variables_of_reporters_leave_half_to_the_members<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    class.joins(&group, "kitten", START).await;
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    let mut reports = 0;
    let refused = loop {
        let reported = class
            .try_report(
                &group,
                &format!("x{reports}"),
                data(&[("k", &large)]),
                START,
            )
            .await;
        if reported.is_err() {
            break reported;
        }
        reports += 1;
    };
    assert_eq!(client_error(refused).kind(), "LimitExceeded");
    assert!(reports * LIMITS.status_bytes < LIMITS.status_bytes_per_group / 2);
    for node in ["kitten", "h"] {
        class.reports(&group, node, &[("k", &large)], at(1)).await;
    }
}

async fn large_variables_of_members_leave_some_to_others<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let large = "\n".repeat(LIMITS.status_bytes / 2);
    for n in 1..LIMITS.nodes_per_group {
        let name = format!("x{n}");
        class.joins(&group, &name, START).await;
        // Refused from some number on.
        let reported = class.try_report(&group, &name, data(&[("k", &large)]), START);
        let _ = reported.await;
    }
    class.joins(&group, "kitten", START).await;
    class.reports(&group, "kitten", &[("k", "1")], at(1)).await;
    let refused = class.try_report(&group, "kitten", data(&[("k", &large)]), at(2));
    assert_eq!(client_error(refused.await).kind(), "LimitExceeded");
    class.reports(&group, "h", &[("k", &large)], at(3)).await;
}

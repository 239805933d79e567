//! Quotas: after a flood by some, others still find what they need.

use crate::model::authority::Actor;
use crate::model::event::EventKind;
use crate::model::group::GroupKey;
use crate::model::origin::{Network, Origin};
use crate::store::suite::class::{Class, client_error, data, domain, keyed};
use crate::store::suite::{LIMITS, START, at, test_cases};
use crate::store::{CreateGroup, Store};

test_cases! {
    reporters_take_no_place_of_a_member_or_of_the_host,
    variables_of_reporters_leave_half_to_the_members,
    large_variables_of_members_leave_some_to_others,
    strangers_who_join_leave_half_of_the_places_and_of_the_bytes,
    calls_of_one_node_and_of_all_invented_ones_leave_most_of_the_log,
    a_full_log_has_some_left_for_nodes_that_send_little,
    an_address_has_a_share_of_the_groups,
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

/// Records a call; returns whether it was kept.
async fn is_kept<S: Store>(class: &Class<'_, S>, group: &GroupKey, node: &str, key: usize) -> bool {
    let event = keyed("e", &key.to_string());
    let call = class.call(EventKind::Recorded, group, node, vec![event]);
    match class.store.append(call, START).await {
        Ok(_) => true,
        refused => {
            assert_eq!(client_error(refused).kind(), "LimitExceeded");
            false
        }
    }
}

async fn calls_of_one_node_and_of_all_invented_ones_leave_most_of_the_log<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.polling_group("h").await.key;
    class.joins(&group, "kitten", START).await;
    class.joins(&group, "x", START).await;
    let share = LIMITS.log_calls().share;
    let mut kept = 0;
    while is_kept(&class, &group, "x", kept).await {
        kept += 1;
    }
    assert_eq!(kept, share);
    let mut invented = 0;
    while is_kept(&class, &group, &format!("x{invented}"), 0).await {
        invented += 1;
    }
    assert_eq!(invented, share, "they count as one");
    for key in 0..10 {
        assert!(is_kept(&class, &group, "kitten", key).await);
        assert!(is_kept(&class, &group, "h", key).await);
    }
}

async fn a_full_log_has_some_left_for_nodes_that_send_little<S: Store>(class: Class<'_, S>) {
    let group = class.polling_group("h").await.key;
    for n in 0..5 {
        let name = format!("x{n}");
        class.joins(&group, &name, START).await;
        let mut key = 0;
        while is_kept(&class, &group, &name, key).await {
            key += 1;
        }
    }
    class.joins(&group, "kitten", START).await;
    assert!(is_kept(&class, &group, "kitten", 0).await);
    assert!(is_kept(&class, &group, "h", 0).await);
    assert!(!is_kept(&class, &group, "x0", 999).await);
}

async fn an_address_has_a_share_of_the_groups<S: Store>(class: Class<'_, S>) {
    let salt = class.node("").as_str()[1..9].to_owned();
    let from = |site: &str| {
        let origin = Origin::try_from(format!("{site}{salt}")).unwrap();
        move |request: CreateGroup| CreateGroup {
            origin: Some(origin),
            ..request
        }
    };
    let (stranger, pupil) = (from("0badbad0"), from("00c1a550"));
    let elsewhere = |n: usize| domain(&class.own(&format!("{}-", n % 3)));
    let share = LIMITS.groups_per_address;
    for n in 0..share {
        let request = CreateGroup {
            domain: elsewhere(n),
            ..class.request(&format!("x{n}"))
        };
        class.created(stranger(request), START).await;
    }
    let more = stranger(class.request("more"));
    let refused = class.store.host_group(more.clone(), START).await;
    assert_eq!(client_error(refused).kind(), "LimitExceeded");
    class.created(pupil(class.request("h")), START).await;
    let exempt = CreateGroup {
        is_exempt: true,
        ..more
    };
    class.created(exempt, START).await;
    // The host of an existing group gets it again.
    let again = stranger(CreateGroup {
        domain: elsewhere(0),
        ..class.request("x0")
    });
    assert!(!class.store.host_group(again, START).await.unwrap().created);
}

async fn strangers_who_join_leave_half_of_the_places_and_of_the_bytes<S: Store>(
    class: Class<'_, S>,
) {
    let of = |site: u8| {
        let network = Network::new([site; 8]);
        Some(Origin {
            network,
            site: network,
        })
    };
    let request = CreateGroup {
        origin: of(1),
        ..class.request("h")
    };
    let group = class.created(request, START).await.key;
    let join = async |name: String, site: u8| {
        let actor = Actor {
            origin: of(site),
            ..class.node(&name).into()
        };
        class.store.join(&group, &actor, None, START).await.is_ok()
    };
    let half = LIMITS.nodes_per_group / 2;
    let mut strangers = 0;
    while join(format!("x{strangers}"), 2).await {
        strangers += 1;
    }
    assert_eq!(strangers, LIMITS.foreign_members().open());
    let large = "\n".repeat(LIMITS.status_bytes - 10);
    let mut reports = 0;
    for n in 0..strangers {
        let name = format!("x{n}");
        let reported = class.try_report(&group, &name, data(&[("k", &large)]), START);
        reports += usize::from(reported.await.is_ok());
    }
    assert!(reports < strangers && reports > 8, "{reports}");
    assert!(join("from home".into(), 3).await, "few from a network");
    for n in 0..half {
        assert!(join(format!("n{n}"), 1).await, "{n}");
        class
            .reports(&group, &format!("n{n}"), &[("k", "1")], at(1))
            .await;
    }
    class.reports(&group, "n0", &[("k", &large)], at(2)).await;
    // A stranger that joined before may join again, and leave its place.
    assert!(join("x0".into(), 2).await);
    assert!(!join("more".into(), 2).await);
}

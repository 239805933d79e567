//! Requests to groups that have ended, before and after they are reaped (decision D30).

use crate::model::group::{EndReason, Group};
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, client_error, kind_and_text};
use crate::store::suite::{LIMITS, START, TIMES, second, test_cases};
use crate::store::{CreateGroup, EndedGroup, Store};

test_cases! {
    requests_to_a_reaped_group_get_the_reason,
    requests_to_an_ended_group_get_the_reason_before_it_is_reaped,
    requests_to_a_replaced_group_get_the_reason,
    a_dissolved_group_is_refused_like_an_unknown_one,
    a_silent_group_is_expired_after_its_expiry,
    a_tombstone_expires,
}

/// A group whose host sends no heartbeat, and one that expires although its host does.
async fn silent_and_short<S: Store>(class: &Class<'_, S>) -> [Group; 2] {
    let silent = class.group("silent").await;
    let short = CreateGroup {
        lifetime: TIMES.host_ttl,
        ..class.request("short")
    };
    let short = class.created(short, START).await;
    class.renews(&short, second(50)).await;
    for group in [&silent, &short] {
        class
            .joins(&group.key, &group.key.id.to_string(), START)
            .await;
    }
    [silent, short]
}

/// The second at which both have ended.
const ENDED: u32 = TIMES.host_ttl + 1;

fn silent_text(group: &Group) -> String {
    format!("Group not found: {} (heartbeat expired)", group.key)
}

fn expired_text(group: &Group) -> String {
    let Group {
        key, expires_at, ..
    } = group;
    format!("Group expired: {key} (expiresAt: {expires_at})")
}

/// Asserts that every write is refused with `text`, and dissolve with less (decision D23).
async fn refuses<S: Store>(class: &Class<'_, S>, group: &Group, text: &str, now: Timestamp) {
    let node = group.key.id.to_string();
    let mut refused = class.all_errors(group, &node, now).await;
    let dissolve = refused.pop().expect("dissolve is the last");
    let plain = format!("Group not found: {}", group.key);
    assert_eq!(kind_and_text(&dissolve), ("GroupNotFound", plain));
    for refused in refused {
        assert_eq!(kind_and_text(&refused), ("GroupNotFound", text.to_owned()));
    }
    class.sees_nothing(group, &[&node], now).await;
}

async fn reaped<S: Store>(class: &Class<'_, S>, now: Timestamp) -> usize {
    let ended = class.store.reap(now).await.unwrap();
    let own = ended.iter().filter(|end| end.group.domain == class.domain);
    own.count()
}

async fn requests_to_a_reaped_group_get_the_reason<S: Store>(class: Class<'_, S>) {
    let [silent, short] = silent_and_short(&class).await;
    assert_eq!(reaped(&class, second(ENDED)).await, 2);
    for later in [0, 1, TIMES.host_ttl] {
        let now = second(ENDED + later);
        reaped(&class, now).await;
        refuses(&class, &silent, &silent_text(&silent), now).await;
        refuses(&class, &short, &expired_text(&short), now).await;
    }
}

async fn requests_to_an_ended_group_get_the_reason_before_it_is_reaped<S: Store>(
    class: Class<'_, S>,
) {
    let [silent, short] = silent_and_short(&class).await;
    for later in [0, 1, TIMES.host_ttl] {
        let now = second(ENDED + later);
        refuses(&class, &silent, &silent_text(&silent), now).await;
        refuses(&class, &short, &expired_text(&short), now).await;
    }
}

async fn requests_to_a_replaced_group_get_the_reason<S: Store>(class: Class<'_, S>) {
    let former = class.group("h").await;
    let now = second(ENDED);
    let next = class
        .store
        .host_group(class.request("h"), now)
        .await
        .unwrap();
    let expected = EndedGroup {
        group: former.key.clone(),
        reason: EndReason::HostSilent,
    };
    assert_eq!(next.replaced, Some(expected));
    refuses(&class, &former, &silent_text(&former), now).await;
    class.joins(&next.group.key, "k", now).await;
}

async fn a_dissolved_group_is_refused_like_an_unknown_one<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let dissolved = class
        .store
        .dissolve(&group.key, &group.host.clone().into(), START)
        .await;
    dissolved.unwrap();
    let plain = format!("Group not found: {}", group.key);
    for now in [START, second(ENDED), second(TIMES.max_connection + 1)] {
        refuses(&class, &group, &plain, now).await;
        assert_eq!(reaped(&class, now).await, 0);
    }
}

async fn a_silent_group_is_expired_after_its_expiry<S: Store>(class: Class<'_, S>) {
    let request = |host| CreateGroup {
        lifetime: TIMES.host_ttl + 30,
        ..class.request(host)
    };
    let reaped_group = class.created(request("reaped"), START).await;
    assert_eq!(reaped(&class, second(ENDED)).await, 1);
    let other_group = class.created(request("other"), START).await;
    for group in [&reaped_group, &other_group] {
        refuses(&class, group, &silent_text(group), second(ENDED + 28)).await;
        refuses(&class, group, &expired_text(group), second(ENDED + 30)).await;
    }
}

async fn a_tombstone_expires<S: Store>(class: Class<'_, S>) {
    let [silent, short] = silent_and_short(&class).await;
    assert_eq!(reaped(&class, second(ENDED)).await, 2);
    let longest = TIMES.host_ttl.max(TIMES.member_ttl);
    for later in [longest + 1, 10 * longest] {
        let now = second(ENDED + later);
        reaped(&class, now).await;
        for group in [&silent, &short] {
            refuses(
                &class,
                group,
                &format!("Group not found: {}", group.key),
                now,
            )
            .await;
        }
    }
}

/// Needs an empty store of its own.
pub async fn there_are_never_more_tombstones_than_the_limit<S: Store>(class: Class<'_, S>) {
    let mut groups = Vec::new();
    for n in 0..LIMITS.ended_groups + 20 {
        let domain = super::class::domain(&class.own(&format!("{}-", n % 6)));
        let host = format!("h{n}");
        let request = CreateGroup {
            domain,
            ..class.request(&host)
        };
        groups.push(class.created(request, START).await);
    }
    let now = second(ENDED);
    let mut ended = 0;
    while ended < groups.len() {
        ended += class.store.reap(now).await.unwrap().len();
    }
    let mut tombstones = 0;
    for group in &groups {
        let kitten = class.node("k");
        let joined = class
            .store
            .join(&group.key, &kitten.clone().into(), None, now)
            .await;
        let text = client_error(joined).to_string();
        tombstones += usize::from(text == silent_text(group));
    }
    assert_eq!(tombstones, LIMITS.ended_groups);
}

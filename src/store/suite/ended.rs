//! What is told of groups that have ended, whether they are tidied away or not (decision D30).

use crate::model::group::{EndReason, Group};
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, kind_and_text, refusal};
use crate::store::suite::{LIMITS, START, TIMES, second, sentences};
use crate::store::{CreateGroup, EndedGroup, Store};

sentences! {
    an_ended_group_is_remembered_with_its_reason_after_it_was_tidied_away,
    an_ended_group_that_nobody_tidied_away_is_told_alike,
    a_replaced_group_is_remembered_too,
    a_dissolved_group_is_told_like_one_that_never_was,
    a_silent_group_is_expired_once_its_time_is_up,
    an_ended_group_is_forgotten_at_last,
}

/// A group whose host falls silent, and one whose time is up while its host beats.
async fn silent_and_short<S: Store>(class: &Class<'_, S>) -> [Group; 2] {
    let silent = class.group("silent").await;
    let short = CreateGroup {
        lifetime: TIMES.host_ttl,
        ..class.wish("short")
    };
    let short = class.made(short, START).await;
    class.renews(&short, second(50)).await;
    for group in [&silent, &short] {
        class
            .joins(&group.key, &group.key.id.to_string(), START)
            .await;
    }
    [silent, short]
}

/// When both of them have ended.
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

/// That each verb with the group check says so; dissolving says less (decision D23).
async fn says<S: Store>(class: &Class<'_, S>, group: &Group, text: &str, now: Timestamp) {
    let node = group.key.id.to_string();
    let mut refused = class.all_refusals(group, &node, now).await;
    let dissolve = refused.pop().expect("dissolving comes last");
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

async fn an_ended_group_is_remembered_with_its_reason_after_it_was_tidied_away<S: Store>(
    class: Class<'_, S>,
) {
    let [silent, short] = silent_and_short(&class).await;
    assert_eq!(reaped(&class, second(ENDED)).await, 2);
    for later in [0, 1, TIMES.host_ttl] {
        let now = second(ENDED + later);
        reaped(&class, now).await;
        says(&class, &silent, &silent_text(&silent), now).await;
        says(&class, &short, &expired_text(&short), now).await;
    }
}

async fn an_ended_group_that_nobody_tidied_away_is_told_alike<S: Store>(class: Class<'_, S>) {
    let [silent, short] = silent_and_short(&class).await;
    for later in [0, 1, TIMES.host_ttl] {
        let now = second(ENDED + later);
        says(&class, &silent, &silent_text(&silent), now).await;
        says(&class, &short, &expired_text(&short), now).await;
    }
}

async fn a_replaced_group_is_remembered_too<S: Store>(class: Class<'_, S>) {
    let former = class.group("h").await;
    let now = second(ENDED);
    let next = class.store.host_group(class.wish("h"), now).await.unwrap();
    let told = EndedGroup {
        group: former.key.clone(),
        end: EndReason::HostSilent,
    };
    assert_eq!(next.replaced, Some(told));
    says(&class, &former, &silent_text(&former), now).await;
    class.joins(&next.group.key, "k", now).await;
}

async fn a_dissolved_group_is_told_like_one_that_never_was<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let dissolved = class.store.dissolve(&group.key, &group.host, START).await;
    dissolved.unwrap();
    let plain = format!("Group not found: {}", group.key);
    for now in [START, second(ENDED), second(TIMES.max_connection + 1)] {
        says(&class, &group, &plain, now).await;
        assert_eq!(reaped(&class, now).await, 0);
    }
}

async fn a_silent_group_is_expired_once_its_time_is_up<S: Store>(class: Class<'_, S>) {
    let wish = |host| CreateGroup {
        lifetime: TIMES.host_ttl + 30,
        ..class.wish(host)
    };
    let tidied = class.made(wish("tidied"), START).await;
    assert_eq!(reaped(&class, second(ENDED)).await, 1);
    let untidied = class.made(wish("untidied"), START).await;
    for group in [&tidied, &untidied] {
        says(&class, group, &silent_text(group), second(ENDED + 28)).await;
        says(&class, group, &expired_text(group), second(ENDED + 30)).await;
    }
}

async fn an_ended_group_is_forgotten_at_last<S: Store>(class: Class<'_, S>) {
    let [silent, short] = silent_and_short(&class).await;
    assert_eq!(reaped(&class, second(ENDED)).await, 2);
    let longest = TIMES.host_ttl.max(TIMES.member_ttl);
    for later in [longest + 1, 10 * longest] {
        let now = second(ENDED + later);
        reaped(&class, now).await;
        for group in [&silent, &short] {
            says(
                &class,
                group,
                &format!("Group not found: {}", group.key),
                now,
            )
            .await;
        }
    }
}

/// Needs a store of its own, with nothing in it.
pub async fn no_more_ended_groups_are_remembered_than_the_bound_allows<S: Store>(
    class: Class<'_, S>,
) {
    let mut groups = Vec::new();
    for n in 0..LIMITS.ended_groups + 20 {
        let domain = super::class::domain(&class.own(&format!("{}-", n % 6)));
        let host = format!("h{n}");
        let wish = CreateGroup {
            domain,
            ..class.wish(&host)
        };
        groups.push(class.made(wish, START).await);
    }
    let now = second(ENDED);
    let mut told = 0;
    while told < groups.len() {
        told += class.store.reap(now).await.unwrap().len();
    }
    let mut remembered = 0;
    for group in &groups {
        let kitten = class.node("k");
        let joined = class.store.join(&group.key, &kitten, None, now).await;
        let text = refusal(joined).to_string();
        remembered += usize::from(text == silent_text(group));
    }
    assert_eq!(remembered, LIMITS.ended_groups);
}

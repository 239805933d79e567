//! Join codes: unique among living groups, and gone with their group (decision D33).

use std::collections::HashSet;

use futures_util::future::join_all;

use crate::model::group::{Group, GroupKey};
use crate::model::join_code::JoinCode;
use crate::model::time::Timestamp;
use crate::store::suite::class::Class;
use crate::store::suite::{START, TIMES, second, test_cases};
use crate::store::{CreateGroup, Store};

test_cases![
    a_code_finds_its_group,
    two_groups_that_want_a_code_get_different_ones,
    concurrent_creates_that_want_a_code_get_different_ones,
    a_repeated_create_keeps_the_code,
    a_dissolved_groups_code_is_free_at_once,
    a_silent_groups_code_finds_nothing_and_is_free_when_it_is_removed,
    an_expired_groups_code_finds_nothing,
    the_code_of_a_replaced_group_finds_nothing,
    a_group_may_have_its_code_as_its_name,
];

impl<S: Store> Class<'_, S> {
    fn request_for(&self, host: &str, join_code: JoinCode) -> CreateGroup {
        CreateGroup {
            join_code,
            ..self.request(host)
        }
    }

    async fn found(&self, code: JoinCode, now: Timestamp) -> Option<Group> {
        self.store.group_by_code(code, now).await.unwrap()
    }

    async fn code_of(&self, group: &GroupKey, now: Timestamp) -> Option<JoinCode> {
        self.store.code_of(group, now).await.unwrap()
    }

    async fn finds_nothing(&self, group: &Group, now: Timestamp) {
        let code = group.join_code.unwrap();
        assert_eq!(self.found(code, now).await, None);
        assert_eq!(self.code_of(&group.key, now).await, None);
    }
}

async fn a_code_finds_its_group<S: Store>(class: Class<'_, S>) {
    let code = JoinCode::random();
    assert_eq!(class.found(code, START).await, None);
    let group = class.created(class.request_for("h", code), START).await;
    assert_eq!(group.join_code, Some(code));
    assert_eq!(class.found(code, START).await, Some(group.clone()));
    assert_eq!(class.code_of(&group.key, START).await, Some(code));
    let renewed = class.renews(&group, second(30)).await;
    let late = second(TIMES.host_ttl + 10);
    assert_eq!(class.found(code, late).await, Some(renewed));
    assert_eq!(class.code_of(&group.key, late).await, Some(code));
    let other = GroupKey::parse("other", class.domain.as_str()).unwrap();
    assert_eq!(class.code_of(&other, START).await, None);
}

async fn two_groups_that_want_a_code_get_different_ones<S: Store>(class: Class<'_, S>) {
    let code = JoinCode::random();
    let first = class.created(class.request_for("a", code), START).await;
    let second = class.created(class.request_for("b", code), START).await;
    assert_eq!(first.join_code, Some(code));
    assert_ne!(second.join_code, Some(code));
    for group in [first, second] {
        let code = group.join_code.unwrap();
        assert_eq!(class.found(code, START).await, Some(group));
    }
}

async fn concurrent_creates_that_want_a_code_get_different_ones<S: Store>(class: Class<'_, S>) {
    let code = JoinCode::random();
    let requests = (0..8).map(|n| class.request_for(&format!("h{n}"), code));
    let created = requests.map(|request| class.created(request, START));
    let groups = join_all(created).await;
    let codes: HashSet<_> = groups.iter().map(|group| group.join_code).collect();
    assert_eq!(codes.len(), groups.len());
    assert!(codes.contains(&Some(code)), "one of them has it");
    for group in groups {
        let code = group.join_code.unwrap();
        assert_eq!(class.found(code, START).await, Some(group));
    }
}

async fn a_repeated_create_keeps_the_code<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let again = CreateGroup {
        name_is_join_code: true,
        ..class.request("h")
    };
    let again = class.store.host_group(again, second(1)).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.group, group);
}

async fn a_dissolved_groups_code_is_free_at_once<S: Store>(class: Class<'_, S>) {
    let group = class.group("a").await;
    let code = group.join_code.unwrap();
    class
        .store
        .dissolve(&group.key, &group.host.clone().into(), START)
        .await
        .unwrap();
    class.finds_nothing(&group, START).await;
    let next = class.created(class.request_for("b", code), START).await;
    assert_eq!(next.join_code, Some(code));
    assert_eq!(class.found(code, START).await, Some(next.clone()));
    assert_eq!(class.code_of(&group.key, START).await, None);
    assert_eq!(class.code_of(&next.key, START).await, Some(code));
}

async fn a_silent_groups_code_finds_nothing_and_is_free_when_it_is_removed<S: Store>(
    class: Class<'_, S>,
) {
    let group = class.group("a").await;
    let code = group.join_code.unwrap();
    let late = second(TIMES.host_ttl + 1);
    class.finds_nothing(&group, late).await;
    class.store.reap(late).await.unwrap();
    class.finds_nothing(&group, late).await;
    let next = class.created(class.request_for("b", code), late).await;
    assert_eq!(next.join_code, Some(code));
    assert_eq!(class.found(code, late).await, Some(next));
}

async fn an_expired_groups_code_finds_nothing<S: Store>(class: Class<'_, S>) {
    let short = CreateGroup {
        lifetime: 5,
        ..class.request("h")
    };
    let group = class.created(short, START).await;
    let code = group.join_code.unwrap();
    assert_eq!(class.found(code, second(5)).await, Some(group.clone()));
    class.finds_nothing(&group, second(6)).await;
}

async fn the_code_of_a_replaced_group_finds_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let late = second(TIMES.host_ttl + 1);
    let next = class.created(class.request("h"), late).await;
    class.finds_nothing(&group, late).await;
    let code = next.join_code.unwrap();
    assert_eq!(class.found(code, late).await, Some(next));
}

async fn a_group_may_have_its_code_as_its_name<S: Store>(class: Class<'_, S>) {
    let code = JoinCode::random();
    let request = CreateGroup {
        name_is_join_code: true,
        ..class.request_for("h", code)
    };
    let group = class.created(request, START).await;
    assert_eq!(group.name.as_str(), code.to_string());
    let found = class.store.groups_named(&code.to_string(), 9, START).await;
    assert_eq!(found.unwrap(), [group]);
}

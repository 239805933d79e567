//! What the host of a group decides during a lesson.

use crate::model::authority::{Actor, TokenHash};
use crate::model::error::ClientError;
use crate::model::event::{EventCall, EventKind};
use crate::model::group::{Group, GroupKey};
use crate::model::lesson::{Control, LessonState};
use crate::model::nickname::Nickname;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, client_error, data, events};
use crate::store::suite::{LIMITS, START, TIMES, at, second, test_cases};
use crate::store::{CreateGroup, Result, Store};

test_cases![
    a_locked_group_takes_no_new_nodes,
    a_paused_group_takes_data_of_its_host_alone,
    a_pause_ends_by_itself_and_by_its_host,
    a_chat_is_muted_and_shown_again,
    a_removed_node_leaves_and_stays_out,
    a_removed_node_is_free_in_other_groups,
    a_node_that_was_never_there_is_removed,
    so_many_nodes_are_removed_and_no_more,
    cleared_variables_are_gone_and_written_again,
    a_group_without_a_token_obeys_no_control,
    another_host_and_another_token_control_nothing,
    a_group_that_ended_obeys_no_control,
    a_host_finds_its_group_by_its_token,
    a_group_has_the_host_ttl_that_it_was_made_with,
    a_nickname_is_kept_until_the_node_leaves,
    members_have_their_last_sign_of_life,
];

fn token(text: &str) -> Option<TokenHash> {
    TokenHash::parse("token", Some(&format!("{text} of sixteen bytes"))).unwrap()
}

fn host_of(group: &Group) -> Actor {
    Actor {
        token: group.token,
        ..group.host.clone().into()
    }
}

fn nickname(text: &str) -> Option<Nickname> {
    Nickname::parse(text).ok()
}

impl<S: Store> Class<'_, S> {
    fn lesson_of(&self, host: &str) -> CreateGroup {
        CreateGroup {
            token: token("host's"),
            ..self.request(host)
        }
    }

    /// A group with a token.
    async fn lesson(&self, host: &str) -> Group {
        self.created(self.lesson_of(host), START).await
    }

    async fn controls(&self, group: &Group, control: Control, now: Timestamp) -> Result<Group> {
        let host = host_of(group);
        self.store.control(&group.key, &host, &control, now).await
    }

    async fn decides(&self, group: &Group, control: Control, now: Timestamp) -> LessonState {
        self.controls(group, control, now).await.unwrap().lesson
    }

    /// The result of a report and of both kinds of event calls.
    async fn sends(&self, group: &GroupKey, actor: &Actor, now: Timestamp) -> [Result<()>; 3] {
        let event = async |kind| {
            let call = EventCall {
                node: actor.id.clone(),
                token: actor.token,
                ..self.call(kind, group, "", events(&["e"]))
            };
            self.store.append(call, now).await.map(drop)
        };
        let pair = data(&[("k", "1")]);
        let report = self.store.report(group, actor, pair, now).await;
        let fired = event(EventKind::Fired).await;
        [report.map(drop), fired, event(EventKind::Recorded).await]
    }

    async fn is_refused(&self, group: &GroupKey, node: &str, now: Timestamp, error: &ClientError) {
        for sent in self.sends(group, &self.node(node).into(), now).await {
            assert_eq!(client_error(sent), *error);
        }
    }

    async fn is_taken(&self, group: &GroupKey, node: &str, now: Timestamp) {
        for sent in self.sends(group, &self.node(node).into(), now).await {
            sent.unwrap();
        }
    }

    async fn tries_to_join(&self, group: &GroupKey, node: &str, now: Timestamp) -> Result<Group> {
        let node = self.node(node).into();
        self.store.join(group, &node, None, now).await
    }
}

async fn a_locked_group_takes_no_new_nodes<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let key = &group.key;
    class.joins(key, "a", START).await;
    let locked = class.decides(&group, Control::Lock(true), at(1)).await;
    assert!(locked.is_locked);
    let refused = class.tries_to_join(key, "b", at(2)).await;
    assert_eq!(client_error(refused), ClientError::Locked);
    class
        .is_refused(key, "b", at(2), &ClientError::Locked)
        .await;
    assert_eq!(class.members(key, at(2)).await, ["a"]);
    // Who was there goes on, and comes back after its time was over.
    class.is_taken(key, "a", at(2)).await;
    class.renews_with_token(&group, second(50)).await;
    let late = second(TIMES.member_ttl + 2);
    assert_eq!(class.members(key, late).await, [""; 0]);
    class.joins(key, "a", late).await;
    let opened = class.decides(&group, Control::Lock(false), late).await;
    assert!(opened.is_default());
    class.joins(key, "b", late).await;
}

async fn a_paused_group_takes_data_of_its_host_alone<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let key = &group.key;
    class.joins(key, "a", START).await;
    class.is_taken(key, "a", START).await;
    let paused = class.decides(&group, Control::Pause(10), START).await;
    assert_eq!(paused.paused_until, Some(second(10)));
    let rest = ClientError::Paused {
        retry_after_ms: 9_999,
    };
    class.is_refused(key, "a", at(1), &rest).await;
    class.is_refused(key, "stranger", at(1), &rest).await;
    // Its id can be read by others.
    class.is_refused(key, "h", at(1), &rest).await;
    for sent in class.sends(key, &host_of(&group), at(1)).await {
        sent.unwrap();
    }
    class.joins(key, "b", at(1)).await;
    let node = class.node("a").into();
    class.store.heartbeat(key, &node, at(1)).await.unwrap();
    class.renews_with_token(&group, at(1)).await;
    assert_eq!(class.statuses(key, at(1)).await.len(), 2);
}

impl<S: Store> Class<'_, S> {
    /// A group on which its host used every control.
    pub(super) async fn is_controlled(&self, now: Timestamp) -> Group {
        let request = CreateGroup {
            host_ttl: Some(200),
            ..self.lesson_of("controlled")
        };
        let group = self.created(request, now).await;
        for (name, given) in [("e", "ねこ"), ("f", "犬")] {
            let actor = Actor {
                nickname: nickname(given),
                ..self.node(name).into()
            };
            let joined = self.store.join(&group.key, &actor, Some(false), now);
            joined.await.unwrap();
            self.reports(&group.key, name, &[("k", "1")], now).await;
        }
        for control in [
            Control::ClearData,
            Control::RemoveNode(self.node("f")),
            Control::Lock(true),
            Control::MuteChat(true),
            Control::Pause(100),
        ] {
            self.decides(&group, control, now).await;
        }
        group
    }

    async fn renews_with_token(&self, group: &Group, now: Timestamp) {
        let host = host_of(group);
        self.store.renew(&group.key, &host, now).await.unwrap();
    }
}

async fn a_pause_ends_by_itself_and_by_its_host<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let key = &group.key;
    class.joins(key, "a", START).await;
    class.decides(&group, Control::Pause(10), START).await;
    class.is_taken(key, "a", second(10)).await;
    let longest = class.decides(&group, Control::Pause(u32::MAX), second(10));
    assert_eq!(longest.await.paused_until, Some(group.expires_at));
    let rest = group.expires_at.millis() - second(11).millis();
    let retry_after_ms = u32::try_from(rest).unwrap();
    let paused = ClientError::Paused { retry_after_ms };
    class.is_refused(key, "a", second(11), &paused).await;
    let resumed = class.decides(&group, Control::Pause(0), second(12)).await;
    assert!(resumed.is_default());
    class.is_taken(key, "a", second(12)).await;
}

async fn a_chat_is_muted_and_shown_again<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    for muted in [true, true, false] {
        let lesson = class.decides(&group, Control::MuteChat(muted), START).await;
        assert_eq!(lesson.is_chat_muted, muted);
        let listed = class.store.groups_in(&class.domain, START).await.unwrap();
        assert_eq!(listed[0].lesson, lesson);
    }
    // Each control changes its own part.
    class.decides(&group, Control::MuteChat(true), START).await;
    class.decides(&group, Control::Lock(true), START).await;
    let all = class.decides(&group, Control::Pause(5), START).await;
    assert!(all.is_locked && all.is_chat_muted && all.paused_until.is_some());
}

async fn a_removed_node_leaves_and_stays_out<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let key = &group.key;
    for node in ["a", "b"] {
        class.joins(key, node, START).await;
        class.is_taken(key, node, START).await;
    }
    let remove = || Control::RemoveNode(class.node("a"));
    class.decides(&group, remove(), at(1)).await;
    assert_eq!(class.members(key, at(1)).await, ["b"]);
    let statuses = class.statuses(key, at(1)).await;
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    assert_eq!(class.status_of("a", at(1)).await, None);
    class.decides(&group, remove(), at(2)).await;
    let (node, actor) = (class.node("a"), Actor::from(class.node("a")));
    for now in [at(2), second(30)] {
        class.is_refused(key, "a", now, &ClientError::Removed).await;
        let joined = class.tries_to_join(key, "a", now).await;
        assert_eq!(client_error(joined), ClientError::Removed);
        let beaten = class.store.heartbeat(key, &actor, now).await;
        assert_eq!(client_error(beaten), ClientError::Removed);
        // The editor leaves when it is refused.
        class.store.leave(key, &actor).await.unwrap();
    }
    assert_eq!(class.members(key, second(30)).await, ["b"]);
    let host = Control::RemoveNode(group.host.clone());
    let refused = class.controls(&group, host, at(3)).await;
    assert_eq!(client_error(refused), ClientError::HostStays);
    assert_ne!(node, group.host);
}

async fn a_removed_node_is_free_in_other_groups<S: Store>(class: Class<'_, S>) {
    let (group, other) = (class.lesson("h").await, class.lesson("other").await);
    class.joins(&group.key, "a", START).await;
    let remove = Control::RemoveNode(class.node("a"));
    class.decides(&group, remove.clone(), START).await;
    class.joins(&other.key, "a", START).await;
    class.is_taken(&other.key, "a", START).await;
    // It is a member there when the first group removes it once more.
    class.decides(&group, remove, START).await;
    assert_eq!(class.members(&other.key, START).await, ["a"]);
    assert!(class.status_of("a", START).await.is_some());
}

async fn a_node_that_was_never_there_is_removed<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let remove = Control::RemoveNode(class.node("a"));
    class.decides(&group, remove, START).await;
    let joined = class.tries_to_join(&group.key, "a", START).await;
    assert_eq!(client_error(joined), ClientError::Removed);
    class
        .is_refused(&group.key, "a", START, &ClientError::Removed)
        .await;
}

async fn so_many_nodes_are_removed_and_no_more<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    for n in 0..LIMITS.removed_per_group {
        let node = Control::RemoveNode(class.node(&n.to_string()));
        class.decides(&group, node, START).await;
    }
    let one_more = Control::RemoveNode(class.node("more"));
    let full = ClientError::Full {
        what: "the group's list of removed nodes",
        limit: LIMITS.removed_per_group,
    };
    let refused = class.controls(&group, one_more, START).await;
    assert_eq!(client_error(refused), full);
    let again = Control::RemoveNode(class.node("0"));
    class.decides(&group, again, START).await;
    class.joins(&group.key, "more", START).await;
}

async fn cleared_variables_are_gone_and_written_again<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let key = &group.key;
    let large = "x".repeat(LIMITS.status_bytes - 10);
    for n in 0..25 {
        let name = n.to_string();
        class.joins(key, &name, START).await;
        class.reports(key, &name, &[("k", &large)], START).await;
    }
    class.reports(key, "reporter", &[("k", "1")], START).await;
    for _ in 0..2 {
        class.decides(&group, Control::ClearData, at(1)).await;
        assert_eq!(class.statuses(key, at(1)).await, []);
    }
    assert_eq!(class.status_of("0", at(1)).await, None);
    assert_eq!(class.members(key, at(1)).await.len(), 25);
    class.reports(key, "0", &[("new", "2")], at(2)).await;
    let statuses = class.statuses(key, at(2)).await;
    assert_eq!(statuses, [("0".to_owned(), 2, "new=2".to_owned())]);
}

async fn a_group_without_a_token_obeys_no_control<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    for given in [None, token("host's")] {
        let host = Actor {
            token: given,
            ..group.host.clone().into()
        };
        for control in all_controls(&class) {
            let refused = class.store.control(&group.key, &host, &control, START);
            let refused = client_error(refused.await);
            assert_eq!(refused, ClientError::ControlNeedsToken);
        }
    }
}

fn all_controls<S: Store>(class: &Class<'_, S>) -> [Control; 5] {
    [
        Control::Lock(true),
        Control::Pause(10),
        Control::MuteChat(true),
        Control::RemoveNode(class.node("a")),
        Control::ClearData,
    ]
}

async fn another_host_and_another_token_control_nothing<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    class.joins(&group.key, "a", START).await;
    let other = class.created(
        CreateGroup {
            token: token("other"),
            ..class.request("other")
        },
        START,
    );
    let other = host_of(&other.await);
    let wrong = |token| Actor {
        token,
        ..group.host.clone().into()
    };
    let not_its = ClientError::WrongToken("hostToken");
    for (host, error) in [
        (other, ClientError::OnlyHostCanControl),
        (wrong(None), not_its.clone()),
        (wrong(token("other")), not_its),
    ] {
        for control in all_controls(&class) {
            let refused = class.store.control(&group.key, &host, &control, START);
            assert_eq!(client_error(refused.await), error);
        }
    }
    assert_eq!(class.members(&group.key, START).await, ["a"]);
    let listed = class.store.groups_in(&class.domain, START).await.unwrap();
    assert!(listed.iter().all(|group| group.lesson.is_default()));
}

async fn a_group_that_ended_obeys_no_control<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let late = second(TIMES.host_ttl + 1);
    for control in all_controls(&class) {
        let refused = class.controls(&group, control, late).await;
        let silent = ClientError::HeartbeatExpired(group.key.clone());
        assert_eq!(client_error(refused), silent);
    }
    class.store.reap(late).await.unwrap();
    let refused = class.controls(&group, Control::Lock(true), late).await;
    assert_eq!(client_error(refused).kind(), "GroupNotFound");
}

async fn a_host_finds_its_group_by_its_token<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let found = async |host: &str, given, now| {
        let host = Actor {
            token: given,
            ..class.node(host).into()
        };
        let found = class.store.group_of_host(&class.domain, &host, now).await;
        found.unwrap()
    };
    assert_eq!(found("h", group.token, START).await, Some(group.clone()));
    assert_eq!(found("h", token("other"), START).await, None);
    assert_eq!(found("h", None, START).await, None);
    assert_eq!(found("nobody", group.token, START).await, None);
    class.group("open").await;
    assert_eq!(found("open", None, START).await, None);
    assert_eq!(found("open", group.token, START).await, None);
    let late = second(TIMES.host_ttl);
    assert_eq!(found("h", group.token, late).await, None);
}

async fn a_group_has_the_host_ttl_that_it_was_made_with<S: Store>(class: Class<'_, S>) {
    for (host, ttl) in [("long", 120), ("short", 10)] {
        let request = CreateGroup {
            host_ttl: Some(ttl),
            ..class.lesson_of(host)
        };
        let group = class.created(request, START).await;
        let key = &group.key;
        let lives = async |now| {
            let listed = class.listed(now).await.contains(key);
            let found = class.store.groups_named("name", 1_000, now).await.unwrap();
            let found = found.iter().any(|found| found.key == *key);
            assert_eq!(found, listed);
            assert_eq!(class.store.group_lives(key, now).await.unwrap(), listed);
            listed
        };
        assert!(lives(second(ttl - 1)).await);
        let ended = class.store.reap(second(ttl - 1)).await.unwrap();
        assert!(ended.iter().all(|end| end.group != *key));
        class.renews_with_token(&group, second(ttl - 1)).await;
        let silent = second(2 * ttl);
        class.store.reap(second(ttl + 5)).await.unwrap();
        assert!(class.listed(second(2 * ttl - 2)).await.contains(key));
        let ended = class.store.reap(silent).await.unwrap();
        assert!(ended.iter().any(|end| end.group == *key), "{host}");
        assert!(!lives(silent).await);
        let error = client_error(class.tries_to_join(key, "a", silent).await);
        assert_eq!(error, ClientError::HeartbeatExpired(key.clone()));
    }
}

async fn a_nickname_is_kept_until_the_node_leaves<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await.key;
    let joins = async |given: Option<Nickname>, websocket| {
        let actor = Actor {
            nickname: given,
            ..class.node("a").into()
        };
        let joined = class.store.join(&group, &actor, websocket, START).await;
        joined.unwrap();
        let members = class.store.members(&group, START).await.unwrap();
        (members[0].nickname.clone(), members[0].use_websocket)
    };
    assert_eq!(
        joins(nickname("ねこ"), None).await,
        (nickname("ねこ"), None)
    );
    let kept = joins(None, Some(false)).await;
    assert_eq!(kept, (nickname("ねこ"), Some(false)), "a repeat keeps it");
    let changed = joins(nickname("🐱"), Some(true)).await;
    assert_eq!(changed, (nickname("🐱"), Some(true)));
    let node = class.node("a").into();
    class.store.leave(&group, &node).await.unwrap();
    assert_eq!(joins(None, None).await, (None, None));
}

async fn members_have_their_last_sign_of_life<S: Store>(class: Class<'_, S>) {
    let group = class.lesson("h").await;
    let key = &group.key;
    class.joins(key, "a", at(1_200)).await;
    let until = async |now| {
        let members = class.store.members(key, now).await.unwrap();
        members[0].alive_until
    };
    assert_eq!(until(at(1_300)).await, second(1 + TIMES.member_ttl));
    class.is_taken(key, "a", second(5)).await;
    assert_eq!(until(second(6)).await, second(5 + TIMES.member_ttl));
}

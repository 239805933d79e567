//! What was made with a token obeys only with it (decision D34).

use crate::model::authority::{Actor, TokenHash};
use crate::model::error::ClientError;
use crate::model::event::{EventCall, EventKind};
use crate::model::group::{Delivery, Group};
use crate::store::suite::class::{Class, POLLING, client_error, data, events};
use crate::store::suite::{START, second, test_cases};
use crate::store::{CreateGroup, Store};

test_cases![
    a_repeat_of_create_group_needs_the_first_ones_token,
    a_group_with_a_token_keeps_its_delivery,
    a_group_obeys_only_with_its_token,
    a_node_obeys_only_with_its_token,
    a_node_with_a_token_is_not_moved_without_it,
    a_node_that_reports_first_makes_its_token,
    a_node_without_a_token_is_not_taken,
    no_other_node_takes_the_hosts,
    a_node_that_left_may_be_made_anew,
];

const NO_HOST_TOKEN: ClientError = ClientError::WrongToken("hostToken");
const NO_NODE_TOKEN: ClientError = ClientError::WrongToken("nodeToken");

fn token(text: &str) -> Option<TokenHash> {
    TokenHash::parse("token", Some(&format!("{text} of sixteen bytes"))).unwrap()
}

impl<S: Store> Class<'_, S> {
    fn actor(&self, name: &str, given: &str) -> Actor {
        let token = (!given.is_empty()).then(|| token(given)).flatten();
        Actor {
            token,
            ..self.node(name).into()
        }
    }

    fn request_with(&self, host: &str, given: &str) -> CreateGroup {
        CreateGroup {
            token: self.actor(host, given).token,
            ..self.request(host)
        }
    }

    async fn fire(&self, group: &Group, node: &Actor) -> crate::store::Result<()> {
        let call = self.call(EventKind::Fired, &group.key, "", events(&["e"]));
        let call = EventCall {
            node: node.id.clone(),
            token: node.token,
            ..call
        };
        self.store.append(call, START).await.map(drop)
    }
}

async fn a_repeat_of_create_group_needs_the_first_ones_token<S: Store>(class: Class<'_, S>) {
    let first = class.created(class.request_with("h", "one"), START).await;
    let again = class
        .store
        .host_group(class.request_with("h", "one"), START);
    let again = again.await.unwrap();
    assert_eq!((again.group, again.created), (first, false));
    for other in ["", "another"] {
        let refused = class
            .store
            .host_group(class.request_with("h", other), START);
        assert_eq!(client_error(refused.await), NO_HOST_TOKEN);
    }
    class.group("open").await;
    let refused = class
        .store
        .host_group(class.request_with("open", "one"), START);
    assert_eq!(client_error(refused.await), NO_HOST_TOKEN);
}

async fn a_group_with_a_token_keeps_its_delivery<S: Store>(class: Class<'_, S>) {
    class.created(class.request_with("h", "one"), START).await;
    let polling = CreateGroup {
        delivery: POLLING,
        ..class.request_with("h", "one")
    };
    let repeated = class.store.host_group(polling, START).await.unwrap();
    assert_eq!(repeated.group.delivery, Delivery::WebSocket);
}

async fn a_group_obeys_only_with_its_token<S: Store>(class: Class<'_, S>) {
    let group = class.created(class.request_with("h", "one"), START).await;
    for other in ["", "another"] {
        let other = class.actor("h", other);
        let renewed = class.store.renew(&group.key, &other, START).await;
        assert_eq!(client_error(renewed), NO_HOST_TOKEN);
        let dissolved = class.store.dissolve(&group.key, &other, START).await;
        assert_eq!(client_error(dissolved), NO_HOST_TOKEN);
    }
    let host = class.actor("h", "one");
    class
        .store
        .renew(&group.key, &host, second(1))
        .await
        .unwrap();
    class
        .store
        .dissolve(&group.key, &host, second(1))
        .await
        .unwrap();
}

async fn a_node_obeys_only_with_its_token<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let (key, kitten) = (&group.key, class.actor("kitten", "mine"));
    class.store.join(key, &kitten, None, START).await.unwrap();
    for other in ["", "another"] {
        let other = class.actor("kitten", other);
        let joined = class.store.join(key, &other, None, START).await;
        assert_eq!(client_error(joined), NO_NODE_TOKEN);
        let reported = class.store.report(key, &other, data(&[("k", "1")]), START);
        assert_eq!(client_error(reported.await), NO_NODE_TOKEN);
        let beaten = class.store.heartbeat(key, &other, START).await;
        assert_eq!(client_error(beaten), NO_NODE_TOKEN);
        assert_eq!(
            client_error(class.fire(&group, &other).await),
            NO_NODE_TOKEN
        );
        let left = class.store.leave(key, &other).await;
        assert_eq!(client_error(left), NO_NODE_TOKEN);
    }
    assert_eq!(class.statuses(key, START).await, []);
    let report = class.store.report(key, &kitten, data(&[("k", "1")]), START);
    report.await.unwrap();
    class
        .store
        .join(key, &kitten, Some(true), START)
        .await
        .unwrap();
    class
        .store
        .heartbeat(key, &kitten, second(1))
        .await
        .unwrap();
    class.fire(&group, &kitten).await.unwrap();
    class.store.leave(key, &kitten).await.unwrap();
}

async fn a_node_with_a_token_is_not_moved_without_it<S: Store>(class: Class<'_, S>) {
    let (from, to) = (class.group("from").await.key, class.group("to").await.key);
    let kitten = class.actor("kitten", "mine");
    class.store.join(&from, &kitten, None, START).await.unwrap();
    for other in ["", "another"] {
        let to = class.group(&format!("to {other}")).await.key;
        let other = class.actor("kitten", other);
        class.store.join(&to, &other, None, START).await.unwrap();
        assert_eq!(class.members(&to, START).await, ["kitten"]);
        assert_eq!(class.members(&from, START).await, ["kitten"], "it stays");
        let beaten = class.store.heartbeat(&from, &kitten, second(1)).await;
        beaten.unwrap();
    }
    class.store.join(&to, &kitten, None, START).await.unwrap();
    assert_eq!(class.members(&to, START).await, ["kitten"]);
}

async fn a_node_that_reports_first_makes_its_token<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let kitten = class.actor("kitten", "mine");
    let report = |actor| {
        class
            .store
            .report(&group, actor, data(&[("k", "1")]), START)
    };
    report(&kitten).await.unwrap();
    let other = class.actor("kitten", "");
    assert_eq!(client_error(report(&other).await), NO_NODE_TOKEN);
    let joined = class.store.join(&group, &other, None, START).await;
    assert_eq!(client_error(joined), NO_NODE_TOKEN);
    class
        .store
        .join(&group, &kitten, None, START)
        .await
        .unwrap();
}

async fn a_node_without_a_token_is_not_taken<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await;
    let key = &group.key;
    class.joins(key, "kitten", START).await;
    let claiming = class.actor("kitten", "mine");
    let joined = class.store.join(key, &claiming, None, START).await;
    assert_eq!(client_error(joined), NO_NODE_TOKEN);
    // Without its own token, it obeys any.
    let report = class
        .store
        .report(key, &claiming, data(&[("k", "1")]), START);
    report.await.unwrap();
    class.joins(key, "kitten", START).await;
    // Nor when its time is over: it may come back (decision D31).
    class.renews(&group, second(55)).await;
    let joined = class.store.join(key, &claiming, None, second(61)).await;
    assert_eq!(client_error(joined), NO_NODE_TOKEN);
    let open = class.actor("kitten", "");
    class.store.heartbeat(key, &open, second(61)).await.unwrap();
}

async fn no_other_node_takes_the_hosts<S: Store>(class: Class<'_, S>) {
    let report = async |group: &Group, actor: &Actor| {
        let reported = class
            .store
            .report(&group.key, actor, data(&[("k", "1")]), START);
        reported.await.map(drop)
    };
    let (stranger, open) = (class.actor("h", "stranger"), class.actor("h", ""));
    // The host of a group without a token goes on without one.
    let group = class.group("h").await;
    let joined = class.store.join(&group.key, &stranger, None, START).await;
    assert_eq!(client_error(joined), NO_NODE_TOKEN);
    report(&group, &stranger).await.unwrap();
    report(&group, &open).await.unwrap();
    class.fire(&group, &open).await.unwrap();
    class
        .store
        .dissolve(&group.key, &open, START)
        .await
        .unwrap();
    // In a group with a token, it takes that one alone, and then needs it.
    let group = class.created(class.request_with("h", "one"), START).await;
    let host = class.actor("h", "one");
    assert_eq!(client_error(report(&group, &stranger).await), NO_NODE_TOKEN);
    assert_eq!(
        client_error(class.fire(&group, &stranger).await),
        NO_NODE_TOKEN
    );
    report(&group, &open).await.unwrap();
    class.fire(&group, &host).await.unwrap();
    report(&group, &host).await.unwrap();
    assert_eq!(client_error(report(&group, &open).await), NO_NODE_TOKEN);
    assert_eq!(client_error(class.fire(&group, &open).await), NO_NODE_TOKEN);
    class.fire(&group, &host).await.unwrap();
}

async fn a_node_that_left_may_be_made_anew<S: Store>(class: Class<'_, S>) {
    let group = class.group("h").await.key;
    let kitten = class.actor("kitten", "mine");
    class
        .store
        .join(&group, &kitten, None, START)
        .await
        .unwrap();
    class.store.leave(&group, &kitten).await.unwrap();
    class.joins(&group, "kitten", START).await;
}

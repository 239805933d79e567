//! Which messages reach which subscribers, and how they are rendered.

mod resume;

use proptest::prelude::*;

use super::*;
use crate::hub::batch::SubscriberBatch;
use crate::hub::dispatcher::Scratch;
use crate::hub::rendering::Rendering;
use crate::hub::selection::{Field, SelectedField};
use crate::metrics::Metrics;
use crate::model::group::EndReason;
use crate::model::message::Dissolution;

#[derive(Clone, Default)]
struct TestSubscriber(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    messages: Vec<Bytes>,
    unrendered: Vec<Arc<Publication>>,
    sequences: Vec<u64>,
    deliveries: usize,
    oversized: usize,
    unsubscribed: bool,
}

impl Subscriber for TestSubscriber {
    fn on_subscribe(&self) {}

    fn deliver(&self, messages: &[Bytes], sequence: u64, _: &mut Vec<u8>) {
        let mut received = lock(&self.0);
        received.sequences.extend((sequence..).take(messages.len()));
        received.messages.extend_from_slice(messages);
        received.deliveries += 1;
    }

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>, sequence: u64) {
        let mut received = lock(&self.0);
        received.sequences.push(sequence);
        received.unrendered.push(Arc::clone(message));
    }

    fn on_oversized(&self) {
        lock(&self.0).oversized += 1;
    }

    fn on_unsubscribe(&self) {
        lock(&self.0).unsubscribed = true;
    }
}

impl TestSubscriber {
    fn messages(&self) -> Vec<Bytes> {
        lock(&self.0).messages.clone()
    }

    fn deliveries(&self) -> usize {
        lock(&self.0).deliveries
    }

    fn subscribes(&self, hub: &Arc<Hub>, id: &str, selection: Selection) -> Subscription {
        hub.subscribe(&group(id), selection, |_| Arc::new(self.clone()))
    }
}

fn two() -> (TestSubscriber, TestSubscriber) {
    Default::default()
}

fn group(id: &str) -> GroupKey {
    GroupKey::parse(id, "d").unwrap()
}

fn selection(field: Field) -> Selection {
    let field = SelectedField::leaf(field.name(), field);
    Selection::new("onMessageInGroup", vec![field])
}

/// A selection of the group's id under this many aliases.
fn aliases(count: usize) -> Selection {
    let fields = (0..count).map(|i| SelectedField::leaf(&format!("a{i}"), Field::GroupId));
    Selection::new("onMessageInGroup", fields.collect())
}

fn message(id: &str) -> Message {
    Message::Dissolved(Dissolution::by_end(group(id), EndReason::TimeUp))
}

#[test]
fn a_message_is_rendered_once_and_its_bytes_are_shared() {
    let (hub, (one, two)) = (Hub::new(), two());
    let _a = one.subscribes(&hub, "g", selection(Field::GroupId));
    let _b = two.subscribes(&hub, "g", selection(Field::GroupId));
    hub.publish(message("g"));
    hub.flush();
    let rendered = &one.messages()[0];
    assert_eq!(rendered, r#"{"onMessageInGroup":{"groupId":"g"}}"#);
    assert_eq!(rendered.as_ptr(), two.messages()[0].as_ptr());
}

#[test]
fn batches_of_one_selection_share_the_bytes_as_well() {
    let hub = Hub::new();
    let subscribers: Vec<_> = (0..600).map(|_| TestSubscriber::default()).collect();
    let subscribe = |s: &TestSubscriber| s.subscribes(&hub, "g", selection(Field::GroupId));
    let subscriptions: Vec<_> = subscribers.iter().map(subscribe).collect();
    hub.publish(message("g"));
    hub.flush();
    let first = subscribers[0].messages()[0].as_ptr();
    let mut all = subscribers.iter();
    assert!(all.all(|subscriber| subscriber.messages()[0].as_ptr() == first));
    drop(subscriptions);
    assert_eq!(hub.topics(), 0);
}

#[test]
fn each_selection_and_each_group_gets_its_own_messages() {
    let (hub, (one, two), other) = (Hub::new(), two(), TestSubscriber::default());
    let _a = one.subscribes(&hub, "g", selection(Field::GroupId));
    let _b = two.subscribes(&hub, "g", selection(Field::Domain));
    let _c = other.subscribes(&hub, "h", selection(Field::Domain));
    hub.publish(message("g"));
    hub.flush();
    let domain = r#"{"onMessageInGroup":{"domain":"d"}}"#;
    assert_eq!(two.messages(), [domain]);
    assert_eq!((one.messages().len(), other.messages().len()), (1, 0));
}

#[test]
fn messages_that_are_published_together_are_delivered_together_and_in_order() {
    let (hub, one) = (Hub::new(), TestSubscriber::default());
    let inner = vec![SelectedField::leaf("message", Field::Message)];
    let dissolve = SelectedField::node("groupDissolve", Field::GroupDissolve, inner);
    let selection = Selection::new("onMessageInGroup", vec![dissolve]);
    let _a = one.subscribes(&hub, "g", selection);
    let ends = [
        EndReason::TimeUp,
        EndReason::HostSilent,
        EndReason::Replaced,
    ];
    let ends = ends.map(|end| Dissolution::by_end(group("g"), end));
    for end in &ends {
        hub.publish(Message::Dissolved(end.clone()));
    }
    hub.flush();
    assert_eq!((one.messages().len(), one.deliveries()), (3, 1));
    for (rendered, end) in one.messages().iter().zip(&ends) {
        assert!(String::from_utf8_lossy(rendered).contains(&end.message));
    }
}

#[test]
fn a_subscriber_that_joins_between_publish_and_flush_gets_only_later_messages() {
    // Selections that the hub renders, and that the subscribers render.
    for selection in [selection(Field::GroupId), aliases(2)] {
        let hub = Hub::new();
        let subscribers: [TestSubscriber; 3] = Default::default();
        let mut subscriptions = Vec::new();
        for subscriber in &subscribers {
            subscriptions.push(subscriber.subscribes(&hub, "g", selection.clone()));
            hub.publish(message("g"));
        }
        hub.flush();
        let received = |subscriber: &TestSubscriber| {
            let received = lock(&subscriber.0);
            received.messages.len() + received.unrendered.len()
        };
        assert_eq!(subscribers.each_ref().map(received), [3, 2, 1]);
        hub.publish(message("g"));
        hub.flush();
        assert_eq!(subscribers.each_ref().map(received), [4, 3, 2]);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Subscribe,
    Unsubscribe,
    Publish,
    Flush,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::property::cases(64)))]

    #[test]
    fn a_subscriber_gets_exactly_the_messages_from_its_start_to_the_last_flush(
        steps in prop::collection::vec(prop::sample::select(vec![
            Step::Subscribe, Step::Subscribe, Step::Unsubscribe, Step::Publish, Step::Publish, Step::Flush,
        ]), 1..60),
        unshared in any::<bool>(),
    ) {
        let hub = Hub::new();
        let inner = vec![SelectedField::leaf("message", Field::Message)];
        let name = if unshared { "alias" } else { "onMessageInGroup" };
        let dissolve = SelectedField::node("groupDissolve", Field::GroupDissolve, inner);
        let selection = Selection::new(name, vec![dissolve]);
        let received = |subscriber: &TestSubscriber| -> Vec<Bytes> {
            let received = lock(&subscriber.0);
            let own = received.unrendered.iter().map(|p| p.render(&selection).unwrap());
            received.messages.iter().cloned().chain(own).collect()
        };
        let (mut published, mut flushed) = (Vec::new(), 0);
        // Each with the number of messages before it subscribed.
        let mut subscribers = Vec::new();
        let mut left = Vec::new();
        for step in steps {
            match step {
                Step::Subscribe => {
                    let subscriber = TestSubscriber::default();
                    let subscription = subscriber.subscribes(&hub, "g", selection.clone());
                    subscribers.push((subscriber, subscription, published.len()));
                }
                Step::Unsubscribe if !subscribers.is_empty() => {
                    let (subscriber, subscription, start) = subscribers.remove(0);
                    drop(subscription);
                    left.push((subscriber, start, flushed.max(start)));
                }
                Step::Unsubscribe => {}
                Step::Publish => {
                    let end = Dissolution { group: group("g"), message: published.len().to_string(), reason: None };
                    let message = Message::Dissolved(end);
                    hub.publish(message.clone());
                    published.push(Bytes::from(selection.render(&message).unwrap()));
                }
                Step::Flush => {
                    hub.flush();
                    flushed = published.len();
                }
            }
        }
        hub.flush();
        for (subscriber, _, start) in &subscribers {
            prop_assert_eq!(&received(subscriber), &published[*start..]);
        }
        for (subscriber, start, end) in &left {
            prop_assert_eq!(&received(subscriber), &published[*start..*end]);
        }
    }
}

#[test]
fn a_sender_flushes_the_batches_that_exceed_the_high_water_mark() {
    let (hub, one) = (Hub::new(), TestSubscriber::default());
    let _a = one.subscribes(&hub, "g", selection(Field::GroupId));
    let bytes = message("g").bytes();
    for _ in 0..256 * 1024 / bytes {
        hub.publish(message("g"));
        hub.flush_exceeded(&group("g"));
    }
    hub.publish(message("g"));
    assert_eq!(one.deliveries(), 0);
    hub.flush_exceeded(&group("g"));
    assert_eq!(one.deliveries(), 1);
    hub.publish(message("g"));
    hub.flush();
    assert_eq!(one.messages().len(), 256 * 1024 / bytes + 2);
}

#[test]
fn messages_are_not_rendered_for_subscribers_with_aliases() {
    let (hub, one) = (Hub::new(), TestSubscriber::default());
    let mut own = None;
    let create = |selection| {
        own = selection;
        Arc::new(one.clone()) as Arc<dyn Subscriber>
    };
    let _a = hub.subscribe(&group("g"), aliases(2), create);
    hub.publish(message("g"));
    hub.flush();
    assert!(one.messages().is_empty());
    let unrendered = lock(&one.0).unrendered.clone();
    let rendered = unrendered[0].render(own.unwrap().selection()).unwrap();
    assert_eq!(&rendered, r#"{"onMessageInGroup":{"a0":"g","a1":"g"}}"#);
}

#[test]
fn a_topic_shares_a_limited_number_of_selections() {
    let hub = Hub::new();
    let fields = [
        Field::GroupId,
        Field::Domain,
        Field::NodeStatus,
        Field::BatchEvent,
        Field::GroupDissolve,
        Field::Typename,
    ];
    let mut unshared = 0;
    let mut subscriptions = Vec::new();
    for field in fields.iter().chain(&fields) {
        subscriptions.push(hub.subscribe(&group("g"), selection(*field), |own| {
            unshared += usize::from(own.is_some());
            Arc::new(TestSubscriber::default())
        }));
    }
    assert_eq!(unshared, 2 * (fields.len() - MAX_SHARED_SELECTIONS));
    drop(subscriptions);
    assert_eq!(hub.topics(), 0);
}

#[test]
fn selections_and_messages_have_leases_as_long_as_they_are_used() {
    let memory = Memory::unlimited();
    let hub = Hub::with_memory(memory.clone());
    let one = TestSubscriber::default();
    let shared = one.subscribes(&hub, "g", selection(Field::GroupId));
    let leased = memory.leased(Purpose::Selections);
    assert_eq!(leased, selection(Field::GroupId).bytes());
    let again = one.subscribes(&hub, "g", selection(Field::GroupId));
    assert_eq!(memory.leased(Purpose::Selections), leased, "it is shared");
    let unshared = one.subscribes(&hub, "g", aliases(3));
    assert_eq!(memory.leased(Purpose::Selections), leased, "it was dropped");
    hub.publish(message("g"));
    assert_eq!(memory.leased(Purpose::Queues), message("g").bytes());
    hub.flush();
    lock(&one.0).unrendered.clear();
    assert_eq!(memory.leased(Purpose::Queues), 0);
    drop((shared, again, unshared));
    assert_eq!(memory.total(), 0);
}

#[test]
fn a_dropped_subscription_gets_no_messages_and_leaves_nothing_behind() {
    let (hub, (one, two)) = (Hub::new(), two());
    let a = one.subscribes(&hub, "g", selection(Field::GroupId));
    let b = two.subscribes(&hub, "g", selection(Field::GroupId));
    drop(a);
    assert!(lock(&one.0).unsubscribed);
    hub.publish(message("g"));
    hub.flush();
    assert_eq!((one.messages().len(), two.messages().len()), (0, 1));
    drop(b);
    assert_eq!(hub.topics(), 0);
    let _again = one.subscribes(&hub, "g", selection(Field::GroupId));
    hub.publish(message("g"));
    hub.flush();
    assert_eq!(one.messages().len(), 1);
}

#[test]
fn an_oversized_message_is_reported_to_those_who_would_get_it_and_the_next_is_delivered() {
    let hub = Hub::new();
    let (early, late) = two();
    let memory = Memory::unlimited();
    let lease = memory.lease(Purpose::Selections, 0);
    // Without aliases no message is too large: the batch is given a selection with aliases.
    let wide = LeasedSelection::new(aliases(2_000), lease);
    let rendering = Rendering::Shared(0, Arc::new(wide));
    let mut batch = SubscriberBatch::new(0, rendering, hub.next_dispatcher());
    batch.add(0, 0, Arc::new(early.clone()));
    batch.add(1, 1, Arc::new(late.clone()));
    for id in ["g".repeat(256), "g".into()] {
        batch.push(Arc::new(Publication::new(message(&id), &memory)));
    }
    let mut scratch = Scratch::default();
    batch
        .take(&mut scratch.messages, 2)
        .run(&mut scratch, Metrics::default().messages());
    let oversized = [&early, &late].map(|subscriber| lock(&subscriber.0).oversized);
    assert_eq!(oversized, [1, 0]);
    assert_eq!((early.messages().len(), late.messages().len()), (1, 1));
}

#[tokio::test]
async fn one_subscriber_at_a_time_renders_by_itself() {
    let hub = Hub::new();
    let first = hub.rendering_permit().await;
    let mut second = Box::pin(hub.rendering_permit());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert!(second.await.is_some());
}

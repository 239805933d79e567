use super::*;
use crate::hub::selection::{Field, SelectedField};
use crate::model::group::EndReason;
use crate::model::message::Dissolution;

#[derive(Clone, Default)]
struct TestSubscriber(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    messages: Vec<Bytes>,
    unrendered: Vec<Arc<Publication>>,
    exceeded: usize,
    passes: usize,
    left: bool,
}

impl Subscriber for TestSubscriber {
    fn on_subscribe(&self) {}

    fn deliver(&self, messages: &[Bytes], _: &mut Vec<u8>) {
        let mut heard = self.0.lock().unwrap();
        heard.messages.extend_from_slice(messages);
        heard.passes += 1;
    }

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>) {
        let mut heard = self.0.lock().unwrap();
        heard.unrendered.push(Arc::clone(message));
    }

    fn on_oversized(&self) {
        self.0.lock().unwrap().exceeded += 1;
    }

    fn on_unsubscribe(&self) {
        self.0.lock().unwrap().left = true;
    }
}

impl TestSubscriber {
    fn heard(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().messages.clone()
    }

    fn passes(&self) -> usize {
        self.0.lock().unwrap().passes
    }
}

fn listener(ear: &TestSubscriber) -> Arc<dyn Subscriber> {
    Arc::new(ear.clone())
}

fn group(id: &str) -> GroupKey {
    GroupKey::parse(id, "d").unwrap()
}

fn name(field: Field) -> &'static str {
    match field {
        Field::GroupId => "groupId",
        Field::Domain => "domain",
        _ => "groupDissolve",
    }
}

fn selection(field: Field) -> Selection {
    Selection::new(
        "onMessageInGroup",
        vec![SelectedField::leaf(name(field), field)],
    )
}

fn message(id: &str) -> Message {
    Message::Dissolved(Dissolution::by_end(group(id), EndReason::TimeUp))
}

fn listens(hub: &Arc<Hub>, id: &str, field: Field, ear: &TestSubscriber) -> Subscription {
    hub.subscribe(&group(id), selection(field), |_| Arc::new(ear.clone()))
}

#[test]
fn a_message_is_rendered_once_and_its_bytes_are_shared() {
    let (hub, one, two) = (
        Hub::new(),
        TestSubscriber::default(),
        TestSubscriber::default(),
    );
    let _a = listens(&hub, "g", Field::GroupId, &one);
    let _b = listens(&hub, "g", Field::GroupId, &two);
    hub.publish(&message("g"));
    hub.flush();
    assert_eq!(&one.heard()[0], r#"{"onMessageInGroup":{"groupId":"g"}}"#);
    assert_eq!(one.heard()[0].as_ptr(), two.heard()[0].as_ptr());
}

#[test]
fn a_large_class_shares_the_bytes_as_well() {
    let hub = Hub::new();
    let ears: Vec<_> = (0..600).map(|_| TestSubscriber::default()).collect();
    let listen = |ear| listens(&hub, "g", Field::GroupId, ear);
    let class: Vec<_> = ears.iter().map(listen).collect();
    hub.publish(&message("g"));
    hub.flush();
    let first = ears[0].heard()[0].as_ptr();
    assert!(ears.iter().all(|ear| ear.heard()[0].as_ptr() == first));
    drop(class);
    assert_eq!(hub.topics(), 0);
}

#[test]
fn each_selection_and_each_group_hears_its_own() {
    let (hub, one, two, other) = (
        Hub::new(),
        TestSubscriber::default(),
        TestSubscriber::default(),
        TestSubscriber::default(),
    );
    let _a = listens(&hub, "g", Field::GroupId, &one);
    let _b = listens(&hub, "g", Field::Domain, &two);
    let _c = listens(&hub, "h", Field::Domain, &other);
    hub.publish(&message("g"));
    hub.flush();
    assert_eq!(&two.heard()[0], r#"{"onMessageInGroup":{"domain":"d"}}"#);
    assert_eq!((one.heard().len(), other.heard().len()), (1, 0));
}

#[test]
fn what_was_published_together_is_heard_in_one_pass_and_in_order() {
    let (hub, ear) = (Hub::new(), TestSubscriber::default());
    let _a = listens(&hub, "g", Field::GroupDissolve, &ear);
    let ends = [
        EndReason::TimeUp,
        EndReason::HostSilent,
        EndReason::Replaced,
    ];
    for end in ends {
        hub.publish(&Message::Dissolved(Dissolution::by_end(group("g"), end)));
    }
    hub.flush();
    assert_eq!((ear.heard().len(), ear.passes()), (3, 1));
}

#[test]
fn whoever_comes_later_hears_nothing_of_before() {
    let (hub, one, two) = (
        Hub::new(),
        TestSubscriber::default(),
        TestSubscriber::default(),
    );
    let _a = listens(&hub, "g", Field::GroupId, &one);
    hub.publish(&message("g"));
    let _b = listens(&hub, "g", Field::GroupId, &two);
    hub.publish(&message("g"));
    hub.flush();
    assert_eq!((one.heard().len(), two.heard().len()), (2, 1));
}

#[test]
fn whoever_publishes_more_than_the_speaker_takes_away_speaks_for_it() {
    let (hub, ear) = (Hub::new(), TestSubscriber::default());
    let _a = listens(&hub, "g", Field::GroupId, &ear);
    let bytes = message("g").bytes();
    for _ in 0..=256 * 1024 / bytes {
        hub.publish(&message("g"));
    }
    assert_eq!(ear.passes(), 1);
    hub.publish(&message("g"));
    hub.flush();
    assert_eq!(ear.heard().len(), 256 * 1024 / bytes + 2);
}

/// A selection of the group's id under so many aliases.
fn aliases(n: usize) -> Selection {
    let picks = (0..n).map(|i| SelectedField::leaf(&format!("a{i}"), Field::GroupId));
    Selection::new("onMessageInGroup", picks.collect())
}

#[test]
fn publishing_renders_nothing_and_aliases_are_rendered_by_those_who_chose_them() {
    let (hub, one) = (Hub::new(), TestSubscriber::default());
    let mut own = None;
    let listener = |held| {
        own = held;
        listener(&one)
    };
    let _a = hub.subscribe(&group("g"), aliases(2), listener);
    hub.publish(&message("g"));
    hub.flush();
    assert!(one.heard().is_empty());
    let waiting = one.0.lock().unwrap().unrendered.clone();
    let rendered = waiting[0].render(own.unwrap().selection()).unwrap();
    assert_eq!(&rendered, r#"{"onMessageInGroup":{"a0":"g","a1":"g"}}"#);
}

#[test]
fn a_group_shares_a_bounded_number_of_selections() {
    let hub = Hub::new();
    let fields = [
        Field::GroupId,
        Field::Domain,
        Field::NodeStatus,
        Field::BatchEvent,
        Field::GroupDissolve,
        Field::Typename,
    ];
    let mut own = 0;
    let mut subscriptions = Vec::new();
    for field in fields.iter().chain(&fields) {
        let selection = Selection::new(
            "onMessageInGroup",
            vec![SelectedField::leaf(field.name(), *field)],
        );
        subscriptions.push(hub.subscribe(&group("g"), selection, |held| {
            own += usize::from(held.is_some());
            listener(&TestSubscriber::default())
        }));
    }
    assert_eq!(own, 2 * (fields.len() - MAX_SHARED_SELECTIONS));
    drop(subscriptions);
    assert_eq!(hub.topics(), 0);
}

#[test]
fn selections_and_messages_are_counted_as_long_as_they_are_held() {
    let memory = Memory::unlimited();
    let (hub, one) = (Hub::with_memory(memory.clone()), TestSubscriber::default());
    let shared = hub.subscribe(&group("g"), selection(Field::GroupId), |_| listener(&one));
    let counted = memory.held(Purpose::Selections);
    assert_eq!(counted, selection(Field::GroupId).bytes());
    let again = hub.subscribe(&group("g"), selection(Field::GroupId), |_| listener(&one));
    assert_eq!(memory.held(Purpose::Selections), counted, "it is shared");
    let apart = hub.subscribe(&group("g"), aliases(3), |_| listener(&one));
    assert_eq!(memory.held(Purpose::Selections), counted, "it was not kept");
    hub.publish(&message("g"));
    assert_eq!(memory.held(Purpose::Queues), message("g").bytes());
    hub.flush();
    one.0.lock().unwrap().unrendered.clear();
    assert_eq!(memory.held(Purpose::Queues), 0);
    drop((shared, again, apart));
    assert_eq!(memory.total(), 0);
}

#[test]
fn a_dropped_subscription_hears_nothing_and_leaves_nothing_behind() {
    let (hub, one, two) = (
        Hub::new(),
        TestSubscriber::default(),
        TestSubscriber::default(),
    );
    let a = listens(&hub, "g", Field::GroupId, &one);
    let b = listens(&hub, "g", Field::GroupId, &two);
    drop(a);
    assert!(one.0.lock().unwrap().left);
    hub.publish(&message("g"));
    hub.flush();
    assert_eq!((one.heard().len(), two.heard().len()), (0, 1));
    drop(b);
    assert_eq!(hub.topics(), 0);
    let _again = listens(&hub, "g", Field::GroupId, &one);
    hub.publish(&message("g"));
    hub.flush();
    assert_eq!(one.heard().len(), 1);
}

#[tokio::test]
async fn one_listener_at_a_time_renders_for_itself() {
    let hub = Hub::new();
    let first = hub.rendering_permit().await;
    let mut second = Box::pin(hub.rendering_permit());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert!(second.await.is_some());
}

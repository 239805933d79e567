use super::*;
use crate::hub::selection::{Field, Pick};
use crate::model::group::End;
use crate::model::message::Dissolution;

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    messages: Vec<Bytes>,
    passes: usize,
    left: bool,
}

impl Listener for Ear {
    fn welcome(&self) {}

    fn hear(&self, messages: &[Bytes], _: &mut Vec<u8>) {
        let mut heard = self.0.lock().unwrap();
        heard.messages.extend_from_slice(messages);
        heard.passes += 1;
    }

    fn farewell(&self) {
        self.0.lock().unwrap().left = true;
    }
}

impl Ear {
    fn heard(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().messages.clone()
    }

    fn passes(&self) -> usize {
        self.0.lock().unwrap().passes
    }
}

fn group(id: &str) -> GroupKey {
    GroupKey::parse(id, "d").unwrap()
}

fn selection(field: Field) -> Selection {
    Selection::new("onMessageInGroup", vec![Pick::leaf("x", field)])
}

fn message(id: &str) -> Message {
    Message::Dissolved(Dissolution::by_end(group(id), End::TimeUp))
}

fn listens(hub: &Arc<Hub>, id: &str, field: Field, ear: &Ear) -> Subscription {
    hub.listen(&group(id), selection(field), Arc::new(ear.clone()))
}

#[test]
fn a_message_is_rendered_once_and_its_bytes_are_shared() {
    let (hub, one, two) = (Hub::new(), Ear::default(), Ear::default());
    let _a = listens(&hub, "g", Field::GroupId, &one);
    let _b = listens(&hub, "g", Field::GroupId, &two);
    hub.publish(&message("g"));
    hub.pass();
    assert_eq!(&one.heard()[0], r#"{"onMessageInGroup":{"x":"g"}}"#);
    assert_eq!(one.heard()[0].as_ptr(), two.heard()[0].as_ptr());
}

#[test]
fn a_large_class_shares_the_bytes_as_well() {
    let hub = Hub::new();
    let ears: Vec<_> = (0..600).map(|_| Ear::default()).collect();
    let listen = |ear| listens(&hub, "g", Field::GroupId, ear);
    let class: Vec<_> = ears.iter().map(listen).collect();
    hub.publish(&message("g"));
    hub.pass();
    let first = ears[0].heard()[0].as_ptr();
    assert!(ears.iter().all(|ear| ear.heard()[0].as_ptr() == first));
    drop(class);
    assert_eq!(hub.groups(), 0);
}

#[test]
fn each_selection_and_each_group_hears_its_own() {
    let (hub, one, two, other) = (Hub::new(), Ear::default(), Ear::default(), Ear::default());
    let _a = listens(&hub, "g", Field::GroupId, &one);
    let _b = listens(&hub, "g", Field::Domain, &two);
    let _c = listens(&hub, "h", Field::Domain, &other);
    hub.publish(&message("g"));
    hub.pass();
    assert_eq!(&two.heard()[0], r#"{"onMessageInGroup":{"x":"d"}}"#);
    assert_eq!((one.heard().len(), other.heard().len()), (1, 0));
}

#[test]
fn what_was_published_together_is_heard_in_one_pass_and_in_order() {
    let (hub, ear) = (Hub::new(), Ear::default());
    let _a = listens(&hub, "g", Field::GroupDissolve, &ear);
    let ends = [End::TimeUp, End::HostSilent, End::Replaced];
    for end in ends {
        hub.publish(&Message::Dissolved(Dissolution::by_end(group("g"), end)));
    }
    hub.pass();
    assert_eq!((ear.heard().len(), ear.passes()), (3, 1));
}

#[test]
fn whoever_comes_later_hears_nothing_of_before() {
    let (hub, one, two) = (Hub::new(), Ear::default(), Ear::default());
    let _a = listens(&hub, "g", Field::GroupId, &one);
    hub.publish(&message("g"));
    let _b = listens(&hub, "g", Field::GroupId, &two);
    hub.publish(&message("g"));
    hub.pass();
    assert_eq!((one.heard().len(), two.heard().len()), (2, 1));
}

#[test]
fn whoever_publishes_more_than_the_speaker_takes_away_speaks_for_it() {
    let (hub, ear) = (Hub::new(), Ear::default());
    let _a = listens(&hub, "g", Field::GroupId, &ear);
    let bytes = selection(Field::GroupId).render(&message("g")).len();
    for _ in 0..=256 * 1024 / bytes {
        hub.publish(&message("g"));
    }
    assert_eq!(ear.passes(), 1);
    hub.publish(&message("g"));
    hub.pass();
    assert_eq!(ear.heard().len(), 256 * 1024 / bytes + 2);
}

#[test]
fn a_dropped_subscription_hears_nothing_and_leaves_nothing_behind() {
    let (hub, one, two) = (Hub::new(), Ear::default(), Ear::default());
    let a = listens(&hub, "g", Field::GroupId, &one);
    let b = listens(&hub, "g", Field::GroupId, &two);
    drop(a);
    assert!(one.0.lock().unwrap().left);
    hub.publish(&message("g"));
    hub.pass();
    assert_eq!((one.heard().len(), two.heard().len()), (0, 1));
    drop(b);
    assert_eq!(hub.groups(), 0);
    let _again = listens(&hub, "g", Field::GroupId, &one);
    hub.publish(&message("g"));
    hub.pass();
    assert_eq!(one.heard().len(), 1);
}

//! What renders, and up to which size.

use super::*;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;

fn status(bytes: usize) -> Message {
    Message::Status(NodeStatus {
        node: NodeId::parse("nodeId", "n").unwrap(),
        group: GroupKey::parse("g", "d").unwrap(),
        data: vec![SensorData {
            key: "k".into(),
            value: "v".repeat(bytes),
        }]
        .into(),
        timestamp: Timestamp::from_millis(0),
    })
}

fn data(aliases: usize) -> Selection {
    let value = || vec![SelectedField::leaf("value", Field::Value)];
    let data = (0..aliases).map(|i| SelectedField::node(&format!("d{i}"), Field::Data, value()));
    let status = SelectedField::node("nodeStatus", Field::NodeStatus, data.collect());
    Selection::new("onMessageInGroup", vec![status])
}

#[test]
fn a_message_up_to_the_limit_is_rendered_and_one_byte_more_is_not() {
    let around = data(1).render(&status(0)).unwrap().len();
    let whole = data(1).render(&status(MESSAGE_BYTES - around)).unwrap();
    assert_eq!(whole.len(), MESSAGE_BYTES);
    assert_eq!(data(1).render(&status(MESSAGE_BYTES - around + 1)), None);
}

#[test]
fn a_rendering_beyond_the_limit_is_never_built() {
    let mut json = JsonWriter::with_limit(MESSAGE_BYTES);
    data(49).write(&mut json, &status(60_000));
    assert!(json.exceeded);
    assert!(json.bytes.len() <= MESSAGE_BYTES, "{}", json.bytes.len());
    assert!(json.bytes.capacity() <= 2 * MESSAGE_BYTES);
}

#[test]
fn aliases_differ_from_fields_under_their_own_names() {
    let plain = Selection::new(
        "onMessageInGroup",
        vec![SelectedField::leaf("domain", Field::Domain)],
    );
    assert!(plain.has_no_aliases());
    let renamed = Selection::new("m", vec![SelectedField::leaf("domain", Field::Domain)]);
    assert!(!renamed.has_no_aliases());
    assert!(!data(1).has_no_aliases());
    assert!(data(49).bytes() > 49 * 2 * size_of::<SelectedField>());
}

use proptest::prelude::*;

use super::*;
use crate::model::readings::Readings;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;

fn name() -> impl Strategy<Value = String> {
    "[^#\\p{C}]{1,40}"
}

proptest! {
    #[test]
    fn a_node_of_any_script_survives_a_round_trip(id in name(), domain in name(), node in name(), value in ".*") {
        let group = GroupKey::parse(&id, &domain).unwrap();
        let node = NodeId::parse("nodeId", &node).unwrap();
        let mut readings = Readings::default();
        readings.write(&vec![SensorData { key: "k".into(), value }].into(), Timestamp::from_millis(7));
        let record = NodeRecord { membership: None, alive_until: Timestamp::from_millis(9), readings };
        let mut changes = Changes::enabled();
        changes.put_node(&group, &node, &record);
        let change = changes.take().remove(0);
        match read(change.table, &change.key, &change.value.unwrap()).unwrap() {
            Record::Node(g, n, r) => prop_assert_eq!((g, n, r), (group, node, record)),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn a_damaged_record_is_an_error_without_its_key() {
    let error = read(Table::Nodes, "domain#group#kitten", b"{")
        .unwrap_err()
        .to_string();
    assert!(
        !error.contains("kitten") && error.contains("Nodes"),
        "{error}"
    );
}

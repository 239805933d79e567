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

#[test]
fn records_of_earlier_versions_are_read_and_written_alike() {
    for (table, key, json) in [
        (
            Table::Groups,
            "d#g",
            r#"{"key":{"domain":"d","id":"g"},"name":"n","host":"h","created_at":1,"expires_at":2,"heartbeat_at":1,"delivery":{"Polling":{"every_seconds":2}}}"#,
        ),
        (
            Table::Nodes,
            "d#g#n",
            r#"{"membership":{"joined_at":1,"use_websocket":true},"alive_until":9,"readings":[{"timestamp":7,"data":[{"key":"k","value":"v"}]}]}"#,
        ),
        (
            Table::Calls,
            "d#g#00000000000000000007#000003",
            r#"{"stamp":{"at":7,"call":3},"node":"n","fingerprint":null,"count":1,"events":[{"name":"e","payload":null,"fired_at":"t","order_key":"1"}],"bytes":3}"#,
        ),
        (
            Table::Tombstones,
            "d#g",
            r#"{"end":"HostSilent","expires_at":7,"until":9}"#,
        ),
    ] {
        let mut changes = Changes::enabled();
        match read(table, key, json.as_bytes()).unwrap() {
            Record::Group(group) => changes.put_group(&group),
            Record::Node(group, node, record) => changes.put_node(&group, &node, &record),
            Record::Call(group, call) => changes.put_call(&group, &call),
            Record::Tombstone(group, tombstone) => changes.put_tombstone(&group, &tombstone),
        }
        let change = changes.take().remove(0);
        let written = String::from_utf8(change.value.unwrap()).unwrap();
        assert_eq!((change.table, &*change.key, &*written), (table, key, json));
    }
}

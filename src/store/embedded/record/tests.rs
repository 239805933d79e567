use proptest::prelude::*;

use super::*;
use crate::model::readings::Readings;
use crate::model::status::SensorData;
use crate::property::name;

proptest! {
    #[test]
    fn a_node_of_any_script_survives_a_round_trip(
        id in name(), domain in name(), node in name(), value in ".*",
    ) {
        let group = GroupKey::parse(&id, &domain).unwrap();
        let node = NodeId::parse("nodeId", &node).unwrap();
        let mut readings = Readings::default();
        let data = vec![SensorData { key: "k".into(), value }];
        readings.write(&data.into(), Timestamp::from_millis(7));
        let record = NodeRecord { token: None, nickname: None, membership: None, alive_until: Timestamp::from_millis(9), readings };
        let record = Record::Node {
            group: Cow::Borrowed(&group),
            node: Cow::Borrowed(&node),
            record: Cow::Borrowed(&record),
        };
        let mut line = Vec::new();
        record.write(&mut line);
        // A line feed in a value must not end the line.
        prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        let read: Record<'_> = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(read, record);
    }
}

/// docs/storage.md has these forms; another form is another version.
#[test]
fn records_are_read_and_written_in_the_documented_forms() {
    let page = include_str!("../../../../docs/storage.md");
    let (_, examples) = page.split_once("```json\n").unwrap();
    let (examples, _) = examples.split_once("```").unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    for example in examples.lines() {
        let record: Record<'_> = serde_json::from_str(example).unwrap();
        let mut line = Vec::new();
        record.write(&mut line);
        assert_eq!(String::from_utf8(line).unwrap().trim_end(), example);
        kinds.insert(format!("{:?}", std::mem::discriminant(&record)));
    }
    assert_eq!(kinds.len(), 15, "every kind of record has an example");
}

#[test]
fn a_record_with_an_unknown_field_is_refused() {
    let error = serde_json::from_str::<Record<'_>>(r#"{"format":{"version":1,"more":2}}"#);
    assert!(error.is_err());
}

use proptest::prelude::*;

use super::*;

fn data(pairs: &[(&str, &str)]) -> SharedData {
    let pairs = pairs.iter().map(|(k, v)| SensorData {
        key: (*k).into(),
        value: (*v).into(),
    });
    Arc::new(pairs.collect())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_changed_key_leaves_the_others_with_their_times() {
    let mut readings = Readings::default();
    readings.write(&data(&[("a", "1"), ("b", "1")]), at(1));
    readings.write(&data(&[("b", "2")]), at(2));
    let layers: Vec<_> = readings
        .layers()
        .iter()
        .map(|l| (l.timestamp, l.data.clone()))
        .collect();
    assert_eq!(
        layers,
        [(at(1), data(&[("a", "1")])), (at(2), data(&[("b", "2")]))]
    );
    assert_eq!(
        readings.merged().unwrap(),
        Layer {
            timestamp: at(2),
            data: data(&[("a", "1"), ("b", "2")])
        }
    );
}

#[test]
fn a_layer_whose_keys_were_all_rewritten_is_removed() {
    let mut readings = Readings::default();
    readings.write(&data(&[("a", "1")]), at(1));
    readings.write(&data(&[("a", "2")]), at(2));
    assert_eq!(readings.layers().len(), 1);
}

#[test]
fn the_last_value_of_a_repeated_key_wins_and_one_time_is_one_layer() {
    let mut readings = Readings::default();
    readings.write(&data(&[("a", "1"), ("a", "2")]), at(1));
    readings.write(&data(&[("b", "1")]), at(1));
    assert_eq!(
        readings.layers(),
        [Layer {
            timestamp: at(1),
            data: data(&[("a", "2"), ("b", "1")])
        }]
    );
    let size = readings.size_with(&data(&[("b", "22"), ("c", ""), ("c", "3")]), at(1));
    assert_eq!((size.keys, size.bytes), (3, 7));
}

#[test]
fn an_empty_report_is_one_empty_status_until_a_variable_is_reported() {
    let mut readings = Readings::default();
    readings.write(&data(&[]), at(1));
    assert_eq!(
        readings.layers(),
        [Layer {
            timestamp: at(1),
            data: data(&[])
        }]
    );
    readings.write(&data(&[("a", "1")]), at(2));
    readings.write(&data(&[]), at(3));
    assert_eq!(
        readings.layers(),
        [Layer {
            timestamp: at(2),
            data: data(&[("a", "1")])
        }]
    );
}

#[test]
fn a_reader_shares_its_data_and_later_writes_do_not_change_it() {
    let mut readings = Readings::default();
    let sent = data(&[("a", "1"), ("b", "1")]);
    readings.write(&sent, at(1));
    let read = readings.layers()[0].clone();
    assert!(Arc::ptr_eq(&read.data, &sent));
    readings.write(&data(&[("b", "2")]), at(2));
    assert_eq!(read.data, data(&[("a", "1"), ("b", "1")]));
    assert_eq!(readings.layers()[0].data, data(&[("a", "1")]));
}

proptest! {
    #[test]
    fn sizes_match_the_layers(
        reports in prop::collection::vec((prop::collection::vec((0u8..5, "[a\"\n\u{1}あ]{0,3}"), 0..4), 0i64..3), 1..12),
    ) {
        let mut readings = Readings::default();
        let mut now = 0;
        for (pairs, later) in reports {
            now += later;
            let pairs = pairs.into_iter().map(|(key, value)| SensorData { key: format!("k{key}"), value });
            let sent: SharedData = Arc::new(pairs.collect());
            let predicted = readings.size_with(&sent, at(now));
            readings.write(&sent, at(now));
            prop_assert_eq!(predicted, readings.size());
            prop_assert_eq!(readings.json_bytes(1000), predicted.json_bytes(1000));
            prop_assert_eq!(&Readings::from(readings.layers().to_vec()), &readings);
            let text: usize = readings.layers().iter().flat_map(|l| l.data.iter()).map(json_size::variable).sum();
            prop_assert_eq!(predicted.json_bytes(1000), 1000 * readings.layers().len() + text);
        }
    }
}

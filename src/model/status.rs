//! What nodes report: their variables, each with the time of its own last write.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::limits::Limits;
use crate::model::rendered;
use crate::model::time::Timestamp;

/// Variables that are shared, not copied, between a store, its readers and a message.
pub type SharedData = Arc<Vec<SensorData>>;

/// One variable of a node, as others read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SensorData {
    /// The variable's name.
    pub key: String,
    /// Its value; always text.
    pub value: String,
}

impl SensorData {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Variables of one node that were written at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Whose variables.
    pub node: NodeId,
    /// The group it reported in.
    pub group: GroupKey,
    /// The variables.
    pub data: SharedData,
    /// When they were written, by the server's clock.
    pub timestamp: Timestamp,
}

/// The variables that share a write time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// When these keys were last written.
    pub timestamp: Timestamp,
    /// The keys and their values.
    pub data: SharedData,
}

/// All a node has reported, oldest write first (decision D9).
///
/// The client sends only what changed and reads the newest timestamp per key, so
/// an old value must never stand under a newer time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Layer>")]
pub struct Readings {
    layers: Vec<Layer>,
    /// Bytes of all variables in an answer, without the rows that they stand in.
    data_bytes: usize,
}

impl Serialize for Readings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.layers.serialize(serializer)
    }
}

/// Takes back what [`Readings::layers`] gave.
impl From<Vec<Layer>> for Readings {
    fn from(layers: Vec<Layer>) -> Self {
        let data = layers.iter().flat_map(|layer| layer.data.iter());
        Self {
            data_bytes: data.map(rendered::datum).sum(),
            layers,
        }
    }
}

/// How much readings hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Keys.
    pub keys: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
    /// Distinct write times.
    pub rows: usize,
    data_bytes: usize,
}

impl Size {
    /// Refuses what is too much or too large for one node.
    pub fn within(&self, limits: &Limits) -> Result<(), ClientError> {
        let argument = "data";
        if self.keys > limits.keys_per_node {
            let items = limits.keys_per_node;
            Err(ClientError::TooMany { argument, items })
        } else if self.bytes > limits.status_bytes {
            let bytes = limits.status_bytes;
            Err(ClientError::TooLarge { argument, bytes })
        } else {
            Ok(())
        }
    }

    /// Bytes in an answer whose rows without variables take `row` each (decision D24).
    pub fn rendered(&self, row: usize) -> usize {
        self.rows * row + self.data_bytes
    }
}

impl Readings {
    /// Writes `data` at `timestamp`, which must not lie before an earlier write.
    /// Of a key that comes twice in one report, the last value stays.
    pub fn write(&mut self, data: &SharedData, timestamp: Timestamp) {
        let mut written = HashSet::with_capacity(data.len());
        let last_of_key = data.iter().rev().filter(|d| written.insert(d.key.as_str()));
        let kept = last_of_key.count();
        let mut fresh = Arc::clone(data);
        if kept < data.len() {
            let mut seen = HashSet::with_capacity(kept);
            let last_of_key = data.iter().rev().filter(|d| seen.insert(d.key.as_str()));
            let mut own: Vec<_> = last_of_key.cloned().collect();
            own.reverse();
            fresh = Arc::new(own);
        }
        self.data_bytes += fresh.iter().map(rendered::datum).sum::<usize>();
        for layer in &mut self.layers {
            self.data_bytes -= take_out(&mut layer.data, &written);
        }
        match self.layers.last_mut() {
            Some(last) if last.timestamp == timestamp && !last.data.is_empty() => {
                if !fresh.is_empty() {
                    Arc::make_mut(&mut last.data).extend(fresh.iter().cloned());
                }
            }
            Some(last) if last.timestamp == timestamp => last.data = fresh,
            _ => self.layers.push(Layer {
                timestamp,
                data: fresh,
            }),
        }
        // A node that never said anything still has one, empty, status.
        let newest = self.layers.pop();
        self.layers.retain(|layer| !layer.data.is_empty());
        self.layers
            .extend(newest.filter(|layer| !layer.data.is_empty() || self.layers.is_empty()));
    }

    /// One layer per distinct write time, oldest first; at least one after a write.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Every key in one list, and the newest write time; nothing before the first write.
    pub fn merged(&self) -> Option<Layer> {
        merged(&self.layers)
    }

    /// How much they hold.
    pub fn size(&self) -> Size {
        let data = || self.layers.iter().flat_map(|layer| layer.data.iter());
        Size {
            keys: data().count(),
            bytes: data().map(SensorData::bytes).sum(),
            rows: self.layers.len(),
            data_bytes: self.data_bytes,
        }
    }

    /// Bytes in an answer whose rows without variables take `row` each (decision D24).
    pub fn rendered(&self, row: usize) -> usize {
        self.layers.len() * row + self.data_bytes
    }

    /// How much they would hold after writing `data` at `timestamp`.
    pub fn size_with(&self, data: &[SensorData], timestamp: Timestamp) -> Size {
        let mut written = HashSet::with_capacity(data.len());
        let mut size = Size {
            keys: 0,
            bytes: 0,
            rows: 0,
            data_bytes: self.data_bytes,
        };
        for fresh in data.iter().rev() {
            if written.insert(fresh.key.as_str()) {
                size.keys += 1;
                size.bytes += fresh.bytes();
                size.data_bytes += rendered::datum(fresh);
            }
        }
        let fresh = size.keys;
        for (layer, later) in self.layers.iter().zip((0..self.layers.len()).rev()) {
            let before = size.keys;
            for kept in layer.data.iter() {
                if written.contains(kept.key.as_str()) {
                    size.data_bytes -= rendered::datum(kept);
                } else {
                    size.keys += 1;
                    size.bytes += kept.bytes();
                }
            }
            let joined = later == 0 && layer.timestamp == timestamp;
            size.rows += usize::from(size.keys > before && !(joined && fresh > 0));
        }
        // A report of nothing is a row only where there would be none.
        size.rows += usize::from(fresh > 0 || size.rows == 0);
        size
    }
}

/// Every key of the layers in one list, under the newest time.
pub fn merged(layers: &[Layer]) -> Option<Layer> {
    let last = layers.last()?;
    let data = match layers {
        [one] => Arc::clone(&one.data),
        all => Arc::new(all.iter().flat_map(|l| l.data.iter().cloned()).collect()),
    };
    Some(Layer {
        timestamp: last.timestamp,
        data,
    })
}

/// Takes the written keys out of a layer and answers the bytes that they took. What stays
/// is copied only where a reader still holds the layer.
fn take_out(data: &mut SharedData, written: &HashSet<&str>) -> usize {
    let goes = |d: &SensorData| written.contains(d.key.as_str());
    let (mut gone, mut bytes) = (0, 0);
    for old in data.iter().filter(|d| goes(d)) {
        gone += 1;
        bytes += rendered::datum(old);
    }
    if gone == data.len() {
        *data = SharedData::default();
    } else if gone > 0 {
        match Arc::get_mut(data) {
            Some(own) => {
                own.retain(|d| !goes(d));
                // One that stays must not hold the room of a thousand that went.
                own.shrink_to(own.len() * 2);
            }
            None => *data = Arc::new(data.iter().filter(|d| !goes(d)).cloned().collect()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
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
    fn a_changed_key_leaves_the_others_under_their_own_time() {
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
    fn a_layer_whose_keys_were_all_rewritten_is_gone() {
        let mut readings = Readings::default();
        readings.write(&data(&[("a", "1")]), at(1));
        readings.write(&data(&[("a", "2")]), at(2));
        assert_eq!(readings.layers().len(), 1);
    }

    #[test]
    fn the_last_of_a_doubled_key_stays_and_one_time_is_one_layer() {
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
    fn an_empty_report_is_one_empty_status_until_something_is_said() {
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
    fn a_reader_keeps_what_it_was_given_and_nothing_is_copied_for_it() {
        let mut readings = Readings::default();
        let sent = data(&[("a", "1"), ("b", "1")]);
        readings.write(&sent, at(1));
        let told = readings.layers()[0].clone();
        assert!(Arc::ptr_eq(&told.data, &sent));
        readings.write(&data(&[("b", "2")]), at(2));
        assert_eq!(told.data, data(&[("a", "1"), ("b", "1")]));
        assert_eq!(readings.layers()[0].data, data(&[("a", "1")]));
    }

    proptest! {
        #[test]
        fn sizes_are_those_of_what_is_told(
            reports in prop::collection::vec((prop::collection::vec((0u8..5, "[a\"\n\u{1}あ]{0,3}"), 0..4), 0i64..3), 1..12),
        ) {
            let mut readings = Readings::default();
            let mut now = 0;
            for (pairs, later) in reports {
                now += later;
                let pairs = pairs.into_iter().map(|(key, value)| SensorData { key: format!("k{key}"), value });
                let sent: SharedData = Arc::new(pairs.collect());
                let foretold = readings.size_with(&sent, at(now));
                readings.write(&sent, at(now));
                prop_assert_eq!(foretold, readings.size());
                prop_assert_eq!(readings.rendered(1000), foretold.rendered(1000));
                prop_assert_eq!(&Readings::from(readings.layers().to_vec()), &readings);
                let text: usize = readings.layers().iter().flat_map(|l| l.data.iter()).map(rendered::datum).sum();
                prop_assert_eq!(foretold.rendered(1000), 1000 * readings.layers().len() + text);
            }
        }
    }
}

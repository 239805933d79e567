//! What nodes report: their variables, each with the time of its own last write.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

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
    pub data: Vec<SensorData>,
    /// When they were written, by the server's clock.
    pub timestamp: Timestamp,
}

/// The variables that share a write time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// When these keys were last written.
    pub timestamp: Timestamp,
    /// The keys and their values.
    pub data: Vec<SensorData>,
}

/// All a node has reported, oldest write first (decision D9).
///
/// The client sends only what changed and reads the newest timestamp per key, so
/// an old value must never stand under a newer time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Readings {
    layers: Vec<Layer>,
}

impl Readings {
    /// Writes `data` at `timestamp`, which must not lie before an earlier write.
    /// Of a key that comes twice in one report, the last value stays.
    pub fn write(&mut self, data: &[SensorData], timestamp: Timestamp) {
        let mut written = HashSet::with_capacity(data.len());
        let mut fresh: Vec<SensorData> = data
            .iter()
            .rev()
            .filter(|d| written.insert(d.key.as_str()))
            .cloned()
            .collect();
        fresh.reverse();
        for layer in &mut self.layers {
            layer.data.retain(|d| !written.contains(d.key.as_str()));
        }
        match self.layers.last_mut() {
            Some(last) if last.timestamp == timestamp => last.data.append(&mut fresh),
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

    /// Takes back what [`Readings::layers`] gave.
    pub fn from_layers(layers: Vec<Layer>) -> Self {
        Self { layers }
    }

    /// One layer per distinct write time, oldest first; at least one after a write.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Every key in one list, and the newest write time; nothing before the first write.
    pub fn merged(&self) -> Option<Layer> {
        let timestamp = self.layers.last()?.timestamp;
        Some(Layer {
            timestamp,
            data: self
                .layers
                .iter()
                .flat_map(|layer| layer.data.iter().cloned())
                .collect(),
        })
    }

    /// How many keys, and how many bytes of keys and values, there would be after
    /// writing `data`.
    pub fn size_with(&self, data: &[SensorData]) -> (usize, usize) {
        let mut written = HashSet::with_capacity(data.len());
        let fresh = data.iter().rev().filter(|d| written.insert(d.key.as_str()));
        let fresh = fresh.fold((0, 0), |size, d| (size.0 + 1, size.1 + d.bytes()));
        let kept = self.layers.iter().flat_map(|layer| &layer.data);
        let kept = kept.filter(|d| !written.contains(d.key.as_str()));
        kept.fold(fresh, |size, d| (size.0 + 1, size.1 + d.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Vec<SensorData> {
        pairs
            .iter()
            .map(|(k, v)| SensorData {
                key: (*k).into(),
                value: (*v).into(),
            })
            .collect()
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
        assert_eq!(
            readings.size_with(&data(&[("b", "22"), ("c", ""), ("c", "3")])),
            (3, 7)
        );
    }

    #[test]
    fn an_empty_report_is_one_empty_status_until_something_is_said() {
        let mut readings = Readings::default();
        readings.write(&[], at(1));
        assert_eq!(
            readings.layers(),
            [Layer {
                timestamp: at(1),
                data: vec![]
            }]
        );
        readings.write(&data(&[("a", "1")]), at(2));
        readings.write(&[], at(3));
        assert_eq!(
            readings.layers(),
            [Layer {
                timestamp: at(2),
                data: data(&[("a", "1")])
            }]
        );
    }
}

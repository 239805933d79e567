//! All variables of a node, each with the time of its last write.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::error::ClientError;
use crate::model::json_size;
use crate::model::limits::Limits;
use crate::model::status::{SensorData, SharedData};
use crate::model::time::Timestamp;

/// Variables with the same write time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// When these keys were last written.
    pub timestamp: Timestamp,
    /// The keys and their values.
    pub data: SharedData,
}

/// A node's variables in layers, oldest write first (decision D9).
///
/// A client sends only what changed and takes the newest timestamp per key, so an old value
/// must never have a newer time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<Layer>")]
pub struct Readings {
    layers: Vec<Layer>,
    /// Bytes of all variables in a response, without their rows.
    data_bytes: usize,
}

impl Serialize for Readings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.layers.serialize(serializer)
    }
}

/// The inverse of [`Readings::layers`].
impl From<Vec<Layer>> for Readings {
    fn from(layers: Vec<Layer>) -> Self {
        let data = layers.iter().flat_map(|layer| layer.data.iter());
        Self {
            data_bytes: data.map(json_size::variable).sum(),
            layers,
        }
    }
}

/// The size of readings.
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
    /// Refuses what exceeds the limits of one node.
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

    /// Bytes in a response whose rows take `row` each without variables (decision D24).
    pub fn json_bytes(&self, row: usize) -> usize {
        self.rows * row + self.data_bytes
    }
}

impl Readings {
    /// Writes `data` at `timestamp`, which must not be before an earlier write. If a key occurs
    /// twice in `data`, the last value wins.
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
        self.data_bytes += fresh.iter().map(json_size::variable).sum::<usize>();
        for layer in &mut self.layers {
            self.data_bytes -= remove_keys(&mut layer.data, &written);
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
        // A node that reported no variable still has one empty status.
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

    /// Their size.
    pub fn size(&self) -> Size {
        let data = || self.layers.iter().flat_map(|layer| layer.data.iter());
        Size {
            keys: data().count(),
            bytes: data().map(SensorData::bytes).sum(),
            rows: self.layers.len(),
            data_bytes: self.data_bytes,
        }
    }

    /// Bytes in a response whose rows take `row` each without variables (decision D24).
    pub fn json_bytes(&self, row: usize) -> usize {
        self.layers.len() * row + self.data_bytes
    }

    /// Their size after writing `data` at `timestamp`.
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
                size.data_bytes += json_size::variable(fresh);
            }
        }
        let fresh = size.keys;
        for (layer, later) in self.layers.iter().zip((0..self.layers.len()).rev()) {
            let before = size.keys;
            for kept in layer.data.iter() {
                if written.contains(kept.key.as_str()) {
                    size.data_bytes -= json_size::variable(kept);
                } else {
                    size.keys += 1;
                    size.bytes += kept.bytes();
                }
            }
            let joined = later == 0 && layer.timestamp == timestamp;
            size.rows += usize::from(size.keys > before && !(joined && fresh > 0));
        }
        // An empty report adds a row only if there is no other.
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

/// Removes the written keys from a layer and returns their bytes. The rest is copied only if a
/// reader still holds the layer.
fn remove_keys(data: &mut SharedData, written: &HashSet<&str>) -> usize {
    let is_removed = |d: &SensorData| written.contains(d.key.as_str());
    let (mut removed, mut bytes) = (0, 0);
    for old in data.iter().filter(|d| is_removed(d)) {
        removed += 1;
        bytes += json_size::variable(old);
    }
    if removed == data.len() {
        *data = SharedData::default();
    } else if removed > 0 {
        match Arc::get_mut(data) {
            Some(own) => {
                own.retain(|d| !is_removed(d));
                // One remaining variable must not keep the capacity of a thousand removed ones.
                own.shrink_to(own.len() * 2);
            }
            None => *data = Arc::new(data.iter().filter(|d| !is_removed(d)).cloned().collect()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests;

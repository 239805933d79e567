//! Nodes' variables, as they are reported and read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

/// Variables shared between a store, its readers and messages without copying.
pub type SharedData = Arc<Vec<SensorData>>;

/// One variable of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SensorData {
    /// The variable's name.
    pub key: String,
    /// Its value; always text.
    pub value: String,
}

impl SensorData {
    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

/// Variables of one node with the same write time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The node.
    pub node: NodeId,
    /// The group it reported in.
    pub group: GroupKey,
    /// The variables.
    pub data: SharedData,
    /// When they were written, by the server's clock.
    pub timestamp: Timestamp,
}

//! Restores the state from persisted records.

use crate::store::embedded::records::Record;
use crate::store::embedded::state::State;

impl State {
    /// Replaces the state by `records`, in which groups come before their nodes and calls.
    pub fn restore_all(&mut self, records: Vec<Record>) {
        self.take_changes();
        self.take_messages();
        self.groups.clear();
        self.by_host.clear();
        self.by_domain.clear();
        self.by_name.clear();
        self.by_node.clear();
        self.tombstones.clear();
        for record in records {
            self.restore(record);
        }
    }

    fn restore(&mut self, record: Record) {
        match record {
            Record::Group(group) => self.insert(group),
            Record::Node(key, node, record) => {
                if let Some(state) = self.groups.get_mut(&key) {
                    if record.membership.is_some() {
                        self.by_node.insert(node.clone(), key);
                    }
                    state.restore(node, record);
                }
            }
            Record::Call(key, call) => {
                if let Some(state) = self.groups.get_mut(&key) {
                    state.restore_call(call);
                }
            }
            Record::Tombstone(key, tombstone) => self.tombstones.restore(key, tombstone),
        }
    }
}

//! What was persisted becomes the state again.

use crate::store::embedded::records::Record;
use crate::store::embedded::state::State;

impl State {
    /// Forgets everything and takes what was persisted; groups come before what is in them.
    pub fn restore_all(&mut self, records: Vec<Record>) {
        self.take_changes();
        self.rooms.clear();
        self.by_host.clear();
        self.by_domain.clear();
        self.by_name.clear();
        self.by_node.clear();
        self.ended.clear();
        for record in records {
            self.restore(record);
        }
    }

    fn restore(&mut self, record: Record) {
        match record {
            Record::Group(group) => self.insert(group),
            Record::Node(key, node, record) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    if record.membership.is_some() {
                        self.by_node.insert(node.clone(), key);
                    }
                    room.restore(node, record);
                }
            }
            Record::Call(key, call) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.log.restore(call);
                }
            }
            Record::EndedGroup(key, tombstone) => self.ended.restore(key, tombstone),
        }
    }
}

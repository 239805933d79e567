//! The variables that a client has set and that are not yet reported: the last value of each, in
//! the order of the last sets. Nothing here waits.

use std::collections::HashMap;

use crate::model::status::SensorData;

/// What waits to be reported, what is being reported, and what the group does not yet show.
#[derive(Debug, Default)]
pub struct Pending {
    /// The values, each with the number of its set.
    waiting: HashMap<String, (u64, String)>,
    sets: u64,
    bytes: usize,
    /// The report that is under way.
    reporting: Vec<SensorData>,
    /// The last report that succeeded, while the group does not yet show it.
    reported: Vec<SensorData>,
    /// The keys of reports whose messages did not yet come back, and of how many.
    unseen: HashMap<String, usize>,
}

impl Pending {
    /// The client set a variable.
    pub fn set(&mut self, key: String, value: String) {
        self.sets += 1;
        self.bytes += key.len() + value.len();
        let length = key.len();
        if let Some((_, former)) = self.waiting.insert(key, (self.sets, value)) {
            self.bytes -= length + former.len();
        }
    }

    /// The bytes of keys and values that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many variables wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Begins a report of all that waits; `None` if there is nothing, or one is under way.
    pub fn begin(&mut self) -> Option<Vec<SensorData>> {
        if self.waiting.is_empty() || !self.reporting.is_empty() {
            return None;
        }
        self.reporting = self.take_waiting();
        for data in &self.reporting {
            *self.unseen.entry(data.key.clone()).or_default() += 1;
        }
        Some(self.reporting.clone())
    }

    /// The report succeeded; its message comes, or came.
    pub fn on_reported(&mut self) {
        self.reported = std::mem::take(&mut self.reporting);
        self.forget_shown();
    }

    /// The report is to be repeated: what was set again meanwhile goes with its newer value.
    pub fn on_postponed(&mut self) {
        let newer = self.take_waiting();
        for data in std::mem::take(&mut self.reporting) {
            self.see(&data.key);
            self.set(data.key, data.value);
        }
        for data in newer {
            self.set(data.key, data.value);
        }
    }

    /// The report was refused; returns the keys whose values the group does not have.
    pub fn on_refused(&mut self) -> Vec<String> {
        let keys: Vec<_> = self.reporting.drain(..).map(|data| data.key).collect();
        for key in &keys {
            self.see(key);
        }
        keys
    }

    /// The group shows a report of this client.
    pub fn on_seen(&mut self, data: &[SensorData]) {
        for data in data {
            self.see(&data.key);
        }
        self.forget_shown();
    }

    fn forget_shown(&mut self) {
        let unseen = &self.unseen;
        self.reported.retain(|data| unseen.contains_key(&data.key));
    }

    /// The client's own newest value of a variable that the group does not yet show.
    pub fn value(&self, key: &str) -> Option<String> {
        if let Some((_, value)) = self.waiting.get(key) {
            return Some(value.clone());
        }
        let mut sent = self.reporting.iter().chain(&self.reported);
        let found = sent.find(|data| data.key == key);
        found.map(|data| data.value.clone())
    }

    fn take_waiting(&mut self) -> Vec<SensorData> {
        self.bytes = 0;
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_unstable_by_key(|(_, (number, _))| *number);
        let data = waiting
            .into_iter()
            .map(|(key, (_, value))| SensorData { key, value });
        data.collect()
    }

    fn see(&mut self, key: &str) {
        if let Some(reports) = self.unseen.get_mut(key) {
            *reports -= 1;
            if *reports == 0 {
                self.unseen.remove(key);
            }
        }
    }

    /// Whether the client has set the variable since what the group shows now: another node's
    /// value is older.
    pub fn is_newer(&self, key: &str) -> bool {
        self.unseen.contains_key(key) || self.waiting.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(data: &[SensorData]) -> Vec<String> {
        let texts = data
            .iter()
            .map(|data| format!("{}={}", data.key, data.value));
        texts.collect()
    }

    fn set(pending: &mut Pending, key: &str, value: &str) {
        pending.set(key.into(), value.into());
    }

    #[test]
    fn the_last_value_of_each_variable_waits_in_the_order_of_the_last_sets() {
        let mut pending = Pending::default();
        for (key, value) in [("a", "1"), ("b", "2"), ("a", "333"), ("c", "4"), ("b", "5")] {
            set(&mut pending, key, value);
        }
        assert_eq!((pending.len(), pending.bytes()), (3, 8));
        let report = pending.begin().unwrap();
        assert_eq!(texts(&report), ["a=333", "c=4", "b=5"]);
        assert_eq!((pending.len(), pending.bytes()), (0, 0));
        set(&mut pending, "a", "6");
        assert!(pending.begin().is_none(), "one at a time");
        pending.on_reported();
        assert_eq!(texts(&pending.begin().unwrap()), ["a=6"]);
    }

    #[test]
    fn a_postponed_report_goes_with_what_was_set_meanwhile() {
        let mut pending = Pending::default();
        set(&mut pending, "a", "1");
        set(&mut pending, "b", "2");
        pending.begin();
        set(&mut pending, "a", "3");
        pending.on_postponed();
        assert_eq!(pending.bytes(), 4);
        assert_eq!(texts(&pending.begin().unwrap()), ["b=2", "a=3"]);
    }

    #[test]
    fn a_variable_is_newer_here_until_the_group_shows_its_report() {
        let mut pending = Pending::default();
        set(&mut pending, "a", "1");
        assert!(pending.is_newer("a") && !pending.is_newer("b"));
        let report = pending.begin().unwrap();
        pending.on_reported();
        assert!(pending.is_newer("a"));
        pending.on_seen(&report);
        assert!(!pending.is_newer("a"));
        set(&mut pending, "b", "2");
        pending.begin();
        assert_eq!(pending.on_refused(), ["b"]);
        assert!(!pending.is_newer("b"));
    }

    #[test]
    fn its_own_values_are_known_until_the_group_shows_them() {
        let mut pending = Pending::default();
        pending.set("a".into(), "1".into());
        assert_eq!(pending.value("a").as_deref(), Some("1"));
        let report = pending.begin().unwrap();
        assert_eq!(pending.value("a").as_deref(), Some("1"));
        pending.on_reported();
        assert_eq!(pending.value("a").as_deref(), Some("1"));
        pending.on_seen(&report);
        assert_eq!(pending.value("a"), None);
    }
}

//! Changes of JSON: of one value, member or item.

use serde_json::{Map, Value, json};

use super::Mutator;

impl Mutator<'_> {
    /// Changes one value in a value, also in JSON that a string contains.
    pub(super) fn value(&mut self, value: &mut Value) {
        let go_on = !self.one_in(3);
        match value {
            Value::Object(members) if go_on && !members.is_empty() => {
                let at = self.below(members.len());
                let member = members.values_mut().nth(at);
                self.value(member.expect("a member"));
            }
            Value::Array(items) if go_on && !items.is_empty() => {
                let at = self.below(items.len());
                self.value(&mut items[at]);
            }
            Value::Object(members) if !self.one_in(4) => self.members(members),
            Value::Array(items) if !self.one_in(4) => self.items(items),
            Value::String(text) if !self.one_in(6) => self.string(text),
            value => *value = self.any_value(),
        }
    }

    fn members(&mut self, members: &mut Map<String, Value>) {
        let name = members.keys().nth(self.below(members.len())).cloned();
        let old = name.and_then(|name| match self.below(3) {
            0 => members.get(&name).cloned(),
            _ => members.shift_remove(&name),
        });
        match self.below(3) {
            0 => {}
            1 => drop(members.insert(self.text(), old.unwrap_or_default())),
            _ => drop(members.insert(self.text(), self.any_value())),
        }
    }

    fn items(&mut self, items: &mut Vec<Value>) {
        let (at, to) = (self.below(items.len()), self.below(items.len() + 1));
        let last = items.len().saturating_sub(1);
        match self.below(5) {
            0 if !items.is_empty() => drop(items.remove(at)),
            1 if !items.is_empty() => items.insert(to, items[at].clone()),
            2 if !items.is_empty() => {
                let many = vec![items[at].clone(); self.below(300)];
                items.extend(many);
            }
            3 if last > 0 => items.swap(at, to.min(last)),
            _ => items.insert(to, self.any_value()),
        }
    }

    fn string(&mut self, text: &mut String) {
        match serde_json::from_str::<Value>(text) {
            Ok(mut inner) if inner.is_object() => {
                self.value(&mut inner);
                *text = inner.to_string();
            }
            _ => {
                let mut bytes = std::mem::take(text).into_bytes();
                self.bytes(&mut bytes, b"");
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
    }

    fn any_value(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => json!(self.random.bool()),
            2 => serde_json::from_str(self.number()).expect("a number"),
            3 => json!([]),
            4 => json!({}),
            5 => json!([self.text()]),
            6 => json!({ self.text(): self.text() }),
            7 => json!(self.text().repeat(self.random.usize(..300))),
            _ => json!(self.text()),
        }
    }
}

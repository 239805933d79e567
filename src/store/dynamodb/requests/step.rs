//! The writes of a request.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::store::dynamodb::items::keys::{Item, Key};

/// One write, alone or as a step of a transaction.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) action: Action,
    pub(super) condition: Option<String>,
    values: HashMap<String, AttributeValue>,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Put(Item),
    Update(Key, String),
    Delete(Key),
    Check(Key),
}

impl Step {
    fn new(action: Action) -> Self {
        Self {
            action,
            condition: None,
            values: HashMap::new(),
        }
    }

    /// Writes a whole record.
    pub fn put(item: Item) -> Self {
        Self::new(Action::Put(item))
    }

    /// Changes attributes; `#name` refers to the attribute `name`.
    pub fn update(key: Key, change: impl Into<String>) -> Self {
        Self::new(Action::Update(key, change.into()))
    }

    /// Removes the record.
    pub fn delete(key: Key) -> Self {
        Self::new(Action::Delete(key))
    }

    /// Only checks the condition.
    pub fn check(key: Key) -> Self {
        Self::new(Action::Check(key))
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: &str) -> Self {
        self.condition = Some(match self.condition {
            None => condition.into(),
            Some(before) => format!("({before}) AND ({condition})"),
        });
        self
    }

    /// Sets a value; its name begins with a colon.
    #[must_use]
    pub fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.into(), value);
        self
    }

    /// The key of the record that it changes, and the record if it puts the whole one.
    pub fn record(&self) -> Option<(Key, Option<&Item>)> {
        match &self.action {
            Action::Put(item) => Some((Key::of(item)?, Some(item))),
            Action::Update(key, _) | Action::Delete(key) => Some((key.clone(), None)),
            Action::Check(_) => None,
        }
    }

    /// Whether it only checks a condition.
    pub fn checks_only(&self) -> bool {
        matches!(self.action, Action::Check(_))
    }

    /// The change of an update.
    #[cfg(test)]
    pub fn change(&self) -> Option<&str> {
        match &self.action {
            Action::Update(_, change) => Some(change),
            _ => None,
        }
    }

    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let change = match &self.action {
            Action::Update(_, change) => change.as_str(),
            _ => "",
        };
        names(&[Some(change), self.condition.as_deref()])
    }

    pub(in crate::store::dynamodb) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// The attribute names in expressions: a word after `#` is an attribute's name. The `#` avoids
/// DynamoDB's reserved words.
pub(super) fn names(expressions: &[Option<&str>]) -> Option<HashMap<String, String>> {
    let texts = expressions.iter().flatten();
    let words = texts.flat_map(|text| text.split('#').skip(1));
    let names: HashMap<_, _> = words
        .map(|word| {
            let end = word.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &word[..end.unwrap_or(word.len())];
            (format!("#{name}"), name.to_owned())
        })
        .collect();
    (!names.is_empty()).then_some(names)
}

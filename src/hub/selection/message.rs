//! Writes the parts of a message by the fields selected of them.

use crate::hub::selection::{Field, JsonWriter, SelectedField};
use crate::model::event::{Event, EventBatch};
use crate::model::group::GroupKey;
use crate::model::message::{Dissolution, Message};
use crate::model::status::{NodeStatus, SensorData};

impl JsonWriter {
    pub(crate) fn message(&mut self, fields: &[SelectedField], message: &Message) {
        self.object(fields, |json, field| match (field.field, message) {
            (Field::Typename, _) => json.raw("\"MeshMessage\""),
            (Field::GroupId, _) => json.value(&message.group().id),
            (Field::Domain, _) => json.value(&message.group().domain),
            (Field::NodeStatus, Message::Status(status)) => json.status(&field.inner, status),
            (Field::BatchEvent, Message::Events(batch)) => json.batch(&field.inner, batch),
            (Field::GroupDissolve, Message::Dissolved(end)) => json.dissolution(&field.inner, end),
            _ => json.raw("null"),
        });
    }

    pub(crate) fn status(&mut self, fields: &[SelectedField], status: &NodeStatus) {
        self.object(fields, |json, field| match field.field {
            Field::Typename => json.raw("\"NodeStatus\""),
            Field::NodeId => json.value(&status.node),
            Field::GroupId => json.value(&status.group.id),
            Field::Domain => json.value(&status.group.domain),
            Field::Data => json.list(&status.data, |json, data| json.sensor(&field.inner, data)),
            Field::Timestamp => json.unescaped(&status.timestamp),
            _ => json.raw("null"),
        });
    }

    fn sensor(&mut self, fields: &[SelectedField], data: &SensorData) {
        self.object(fields, |json, field| match field.field {
            Field::Typename => json.raw("\"SensorData\""),
            Field::Key => json.value(&data.key),
            Field::Value => json.value(&data.value),
            _ => json.raw("null"),
        });
    }

    fn batch(&mut self, fields: &[SelectedField], batch: &EventBatch) {
        self.object(fields, |json, field| match field.field {
            Field::Typename => json.raw("\"BatchEvent\""),
            Field::Events => json.list(&batch.events, |json, event| {
                json.event(&field.inner, event, &batch.group);
            }),
            Field::FiredByNodeId => json.value(&batch.fired_by),
            Field::GroupId => json.value(&batch.group.id),
            Field::Domain => json.value(&batch.group.domain),
            Field::Timestamp => json.unescaped(&batch.timestamp),
            _ => json.raw("null"),
        });
    }

    pub(crate) fn event(&mut self, fields: &[SelectedField], event: &Event, group: &GroupKey) {
        self.object(fields, |json, field| match (field.field, &event.cursor) {
            (Field::Typename, _) => json.raw("\"Event\""),
            (Field::Name, _) => json.value(&event.name),
            (Field::FiredByNodeId, _) => json.value(&event.fired_by),
            (Field::GroupId, _) => json.value(&group.id),
            (Field::Domain, _) => json.value(&group.domain),
            (Field::Payload, _) => json.value(&event.payload),
            (Field::Timestamp, _) => json.value(&event.timestamp),
            (Field::Cursor, Some(cursor)) => json.unescaped(cursor),
            (Field::OrderKey, _) => json.value(&event.order_key),
            _ => json.raw("null"),
        });
    }

    fn dissolution(&mut self, fields: &[SelectedField], end: &Dissolution) {
        self.object(fields, |json, field| match field.field {
            Field::Typename => json.raw("\"GroupDissolvePayload\""),
            Field::GroupId => json.value(&end.group.id),
            Field::Domain => json.value(&end.group.domain),
            Field::Message => json.value(&end.message),
            _ => json.raw("null"),
        });
    }
}

//! Positions: `extensions.mesh` of a `subscribe` of graphql-transport-ws asks for them, and that
//! of a `next` has them (docs/protocols.md, Resuming). Other sockets' frames have none. An event
//! stream has them as ids of its events, unless its request asks by `extensions.mesh`.

use serde_json::{Value, json};

use crate::hub::{Position, Start};

/// A client's request for positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRequest {
    /// The position of the last message that it received, if it has one.
    pub after: Option<Position>,
    /// Where it reads them.
    pub form: PositionForm,
}

/// Where a message has its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionForm {
    /// `extensions.mesh`.
    Extensions,
    /// The event's `id`, which a browser sends as `Last-Event-ID` when it connects again.
    EventId,
}

impl PositionRequest {
    /// The request in the payload of a `subscribe`, if there is one, or what is wrong with it.
    pub fn parse(payload: &Value) -> Result<Option<Self>, &'static str> {
        let Some(mesh) = payload.get("extensions").and_then(|e| e.get("mesh")) else {
            return Ok(None);
        };
        let Some(mesh) = mesh.as_object() else {
            return Err("extensions.mesh must be an object");
        };
        let after = match (mesh.get("epoch"), mesh.get("offset")) {
            (None, None) => None,
            (Some(Value::String(epoch)), Some(offset)) => {
                let offset = offset.as_u64();
                Some(Position {
                    epoch: epoch.as_str().into(),
                    offset: offset
                        .ok_or("extensions.mesh.offset must be a non-negative integer")?,
                })
            }
            (Some(Value::String(_)), None) | (None, Some(_)) => {
                return Err("extensions.mesh has epoch and offset, or neither");
            }
            (Some(_), _) => return Err("extensions.mesh.epoch must be a string"),
        };
        let form = PositionForm::Extensions;
        Ok(Some(Self { after, form }))
    }

    /// The request of an event stream whose client sent a `Last-Event-ID`, or none. What is no
    /// position of ours is one of an epoch that is over.
    pub fn of_events(last_event_id: Option<&str>) -> Self {
        let after = last_event_id.filter(|id| !id.is_empty()).map(|id| {
            let parts = id.rsplit_once(':');
            let parts = parts.and_then(|(epoch, offset)| Some((epoch, offset.parse().ok()?)));
            let (epoch, offset) = parts.unwrap_or_default();
            let epoch = epoch.into();
            Position { epoch, offset }
        });
        let form = PositionForm::EventId;
        Self { after, form }
    }
}

/// What is around the number in a message with a position, after the value of `data`.
#[derive(Clone, Debug)]
pub struct AroundOffset {
    /// What precedes it.
    pub before: Box<str>,
    /// What follows it.
    pub after: &'static str,
}

impl AroundOffset {
    /// For the epoch of `position`, in a message that ends with `suffix`.
    pub fn new(position: &Position, form: PositionForm) -> Self {
        match form {
            PositionForm::Extensions => {
                let epoch = Value::from(&*position.epoch);
                Self {
                    before: format!(r#","extensions":{{"mesh":{{"epoch":{epoch},"offset":"#).into(),
                    after: "}}",
                }
            }
            PositionForm::EventId => Self {
                before: format!("}}\nid: {}:", position.epoch).into(),
                after: "",
            },
        }
    }
}

/// The payload's `extensions` of the first `next`, which tells a client without a valid position
/// where it starts; one that has recovered gets no such `next`.
pub fn first_extensions(start: &Start) -> Option<String> {
    let mut mesh = json!({"epoch": &*start.position.epoch, "offset": start.position.offset});
    match start.recovered {
        Some(true) => return None,
        Some(false) => mesh["recovered"] = false.into(),
        None => {}
    }
    Some(format!(r#","extensions":{}"#, json!({"mesh": mesh})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offset: u64) -> Position {
        Position {
            epoch: "e".into(),
            offset,
        }
    }

    #[test]
    fn a_request_is_an_object_with_a_position_or_without() {
        let parse = |sent: Value| PositionRequest::parse(&json!({"extensions": sent}));
        for none in [
            json!({}),
            json!(null),
            json!("mesh"),
            json!({"other": {"epoch": 1}}),
        ] {
            assert_eq!(parse(none), Ok(None));
        }
        assert_eq!(PositionRequest::parse(&json!({})), Ok(None));
        let extensions = |after| {
            let form = PositionForm::Extensions;
            Ok(Some(PositionRequest { after, form }))
        };
        let first = extensions(None);
        assert_eq!(parse(json!({"mesh": {}})), first);
        assert_eq!(parse(json!({"mesh": {"later": true}})), first);
        let after = Some(position(7));
        let mesh = json!({"epoch": "e", "offset": 7});
        assert_eq!(parse(json!({"mesh": mesh})), extensions(after));
        for wrong in [
            json!(null),
            json!("e"),
            json!([]),
            json!({"epoch": "e"}),
            json!({"offset": 7}),
            json!({"epoch": 1, "offset": 7}),
            json!({"epoch": null, "offset": null}),
            json!({"epoch": "e", "offset": -1}),
            json!({"epoch": "e", "offset": 1.5}),
            json!({"epoch": "e", "offset": "7"}),
            json!({"epoch": "e", "offset": null}),
        ] {
            let refused = parse(json!({"mesh": wrong.clone()})).expect_err(&wrong.to_string());
            assert!(refused.starts_with("extensions.mesh"), "{refused}");
        }
    }

    #[test]
    fn the_last_events_id_is_a_position() {
        let parse = |id| PositionRequest::of_events(id).after;
        assert_eq!(parse(None), None);
        assert_eq!(parse(Some("")), None);
        assert_eq!(parse(Some("e:7")), Some(position(7)));
        let unknown = Position {
            epoch: "".into(),
            offset: 0,
        };
        for other in ["7", "e:", "e:-1", "e:7 ", "e:99999999999999999999", ":"] {
            assert_eq!(parse(Some(other)), Some(unknown.clone()), "{other}");
        }
    }

    #[test]
    fn only_a_client_that_may_have_missed_something_gets_where_it_starts() {
        let first = |recovered| {
            let position = position(7);
            first_extensions(&Start {
                position,
                recovered,
            })
        };
        let extensions = |mesh: &str| Some(format!(r#","extensions":{{"mesh":{mesh}}}"#));
        assert_eq!(first(None), extensions(r#"{"epoch":"e","offset":7}"#));
        let lost = r#"{"epoch":"e","offset":7,"recovered":false}"#;
        assert_eq!(first(Some(false)), extensions(lost));
        assert_eq!(first(Some(true)), None);
    }
}

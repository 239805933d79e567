//! Positions on graphql-transport-ws: `extensions.mesh` of a `subscribe` asks for them, and that
//! of a `next` has them (docs/protocols.md, Resuming). Other clients' frames have none.

use serde_json::{Value, json};

use crate::hub::{Position, Start};

/// A client's request for positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRequest {
    /// The position of the last message that it received, if it has one.
    pub after: Option<Position>,
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
        Ok(Some(Self { after }))
    }
}

/// What precedes the number in the payload's `extensions`; what follows it are [`AFTER_OFFSET`].
pub fn before_offset(position: &Position) -> String {
    let epoch = Value::from(&*position.epoch);
    format!(r#","extensions":{{"mesh":{{"epoch":{epoch},"offset":"#)
}

/// What follows the number in the payload's `extensions`.
pub const AFTER_OFFSET: &str = "}}";

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
        let parse = |extensions: Value| PositionRequest::parse(&json!({"extensions": extensions}));
        for none in [
            json!({}),
            json!(null),
            json!("mesh"),
            json!({"other": {"epoch": 1}}),
        ] {
            assert_eq!(parse(none), Ok(None));
        }
        assert_eq!(PositionRequest::parse(&json!({})), Ok(None));
        let first = Ok(Some(PositionRequest { after: None }));
        assert_eq!(parse(json!({"mesh": {}})), first);
        assert_eq!(parse(json!({"mesh": {"later": true}})), first);
        let after = Some(position(7));
        let mesh = json!({"epoch": "e", "offset": 7});
        assert_eq!(
            parse(json!({"mesh": mesh})),
            Ok(Some(PositionRequest { after }))
        );
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

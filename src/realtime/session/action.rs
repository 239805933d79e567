//! What a session makes its connection do.

use crate::model::join_code::JoinCode;
use crate::realtime::close::Close;
use crate::realtime::position::PositionRequest;
use crate::realtime::protocol::Dialect;
use crate::resolvers::request::OwnedGraphQlRequest;

/// Identifies an operation. The number distinguishes it from an earlier operation of the
/// same id, whose response may still be on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationKey {
    /// The client's id.
    pub id: String,
    pub(in crate::realtime) number: u64,
}

impl OperationKey {
    /// The operation `id`, started as the socket's `number`th.
    pub fn new(id: &str, number: u64) -> Self {
        Self {
            id: id.into(),
            number,
        }
    }
}

/// What the connection is to do next.
#[derive(Debug)]
pub enum Action {
    /// Send a text.
    Send(String),
    /// Send the response to a query or mutation.
    Respond(Vec<u8>),
    /// Run an operation and report its outcome to the session.
    Run {
        /// Which operation.
        operation: OperationKey,
        /// Its protocol.
        dialect: Dialect,
        /// Its request.
        request: OwnedGraphQlRequest,
        /// The request for positions, if there is one.
        positions: Option<PositionRequest>,
        /// The join code that came with it or with its connection.
        join_code: Option<JoinCode>,
    },
    /// Cancel an operation.
    Cancel(String),
    /// A token may be signed by a new key: fetch the keys, and handle the message again if they
    /// were fetched. What follows is the answer if not.
    FetchKeys,
    /// A key was wrong: count it, and delay what follows.
    WrongKey,
    /// Close the socket.
    Close(Close),
}

//! AppSync's way of refusing a whole request (docs/protocols.md).

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::auth::Unauthorized;
use crate::server::http::{ERROR_TYPE, answer};

/// A request that is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpError {
    status: StatusCode,
    kind: &'static str,
    message: &'static str,
    /// What to do next, beside AppSync's own text.
    hint: Option<&'static str>,
}

impl HttpError {
    /// The body is empty.
    pub const EMPTY: Self = Self::malformed("Request body is empty.");
    /// The request holds no GraphQL query.
    pub const UNREADABLE: Self = Self::malformed("Unable to parse GraphQL query.");
    /// The request comes from a page that may not call.
    pub const ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        kind: "ForbiddenException",
        message: "Pages of this origin may not call this server.",
        hint: Some("who runs the server can add the page's origin to MESH_ALLOWED_ORIGINS"),
    };
    /// The counters in prod.
    pub const OPERATORS_ONLY: Self = Self {
        status: StatusCode::FORBIDDEN,
        kind: "ForbiddenException",
        message: "In prod, metrics need the key of an operator.",
        hint: Some(
            "name a key of role operator in MESH_KEYS_FILE, or serve them with MESH_METRICS_LISTEN",
        ),
    };
    /// The content type is not JSON.
    pub const CONTENT_TYPE: Self = Self::malformed("Unable to parse GraphQL query.")
        .hinting("send the header content-type: application/json");
    /// The body did not arrive in time.
    pub const TOO_LATE: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        kind: "MalformedHttpRequestException",
        message: "The request's body took too long to arrive.",
        hint: None,
    };
    /// The body is larger than the server takes.
    pub const TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "MalformedHttpRequestException",
        message: "The request's body is too large.",
        hint: None,
    };
    /// The body is cut into more pieces than the server takes.
    pub const TOO_MANY_PIECES: Self = Self {
        status: StatusCode::BAD_REQUEST,
        kind: "MalformedHttpRequestException",
        message: "The request's body comes in too many pieces: send it as a whole.",
        hint: None,
    };
    /// There is no memory for the body now (decision D26).
    pub const FULL: Self = Self {
        status: StatusCode::OK,
        kind: "LimitExceeded",
        message: "The server's memory is full. Please try again.",
        hint: None,
    };
    /// Several operations and no name.
    pub const NO_OPERATION_NAME: Self = Self::bad("Missing operation name.");
    /// A subscription where it cannot be served.
    pub const SUBSCRIPTION: Self = Self::bad(
        "Subscriptions are not supported over HTTP; open a WebSocket at /graphql/realtime or /graphql, or an event stream at /graphql/stream.",
    );
    /// A WebSocket upgrade that is none.
    pub const NO_UPGRADE: Self =
        Self::bad("A WebSocket upgrade (RFC 6455, version 13) is wanted here.");
    /// A method that event streams do not have.
    pub const STREAM_METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        ..Self::bad("An event stream has the methods GET, POST, PUT and DELETE.")
    };
    /// The client does not read event streams.
    pub const NO_EVENTS: Self = Self {
        status: StatusCode::NOT_ACCEPTABLE,
        ..Self::bad("This address answers with an event stream.")
    }
    .hinting("send the header accept: text/event-stream");
    /// A token of no event stream.
    pub const NO_STREAM: Self = Self {
        status: StatusCode::NOT_FOUND,
        ..Self::bad("There is no event stream with this token: reserve one by PUT.")
    };
    /// Another request has opened the event stream.
    pub const STREAM_IS_OPEN: Self = Self {
        status: StatusCode::CONFLICT,
        ..Self::bad("This event stream is open already: reserve another one by PUT.")
    };
    /// An operation without an id on a shared event stream.
    pub const NO_OPERATION_ID: Self = Self::bad("operationId must be a text of 1 to 256 bytes.");
    /// An operation with the id of another one.
    pub const OPERATION_ID_IN_USE: Self = Self {
        status: StatusCode::CONFLICT,
        ..Self::bad("This operationId is in use on the event stream.")
    };
    /// The client's address has its share of the event streams.
    pub const TOO_MANY_STREAMS: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        kind: "LimitExceeded",
        message: "Too many event streams from here. Please try again later.",
        hint: None,
    };

    const fn malformed(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "MalformedHttpRequestException",
            message,
            hint: None,
        }
    }

    const fn hinting(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    const fn bad(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "BadRequestException",
            message,
            hint: None,
        }
    }

    /// The refusal as AppSync answers it.
    pub fn response(self) -> Response {
        let mut error = json!({"errorType": self.kind, "message": self.message});
        if let Some(hint) = self.hint {
            error["hint"] = hint.into();
        }
        let mut response = answer(
            self.status,
            json!({"errors": [error]}).to_string().into_bytes(),
        );
        response
            .headers_mut()
            .insert(ERROR_TYPE, HeaderValue::from_static(self.kind));
        response
    }
}

impl From<Unauthorized> for HttpError {
    fn from(why: Unauthorized) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            kind: Unauthorized::KIND,
            message: why.message(),
            hint: Some(why.hint()),
        }
    }
}

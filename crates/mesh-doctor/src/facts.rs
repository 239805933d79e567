//! What was observed of a network. Nothing here judges.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

use crate::answer::{Answer, plain};

/// Why a step of a connection failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing came in time.
    Timeout,
    /// The host refused the connection.
    Refused,
    /// The name has no address.
    NoAddress(String),
    /// The certificate was not accepted.
    Certificate(Distrust),
    /// TLS failed otherwise.
    Tls(String),
    /// The connection failed or broke otherwise.
    Broken(String),
}

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// No authority that this system trusts has signed it.
    Issuer,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYet,
    /// It is for another name.
    Name,
}

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Who signed it.
    pub issuer: String,
    /// For which names and addresses it is.
    pub names: Vec<String>,
    /// When it ends.
    pub until: Option<Timestamp>,
}

/// What an attempt came to, and how long it took.
#[derive(Clone, Debug)]
pub struct Attempt<T> {
    /// From its begin to its end.
    pub took: Duration,
    /// What it gave.
    pub result: Result<T, Failure>,
}

/// What a server answered an operation that it did not execute.
#[derive(Clone, Debug)]
pub enum Rejection {
    /// No response.
    Failed(Failure),
    /// A response of something else than the server.
    Odd(Answer),
    /// An error of the server.
    Error {
        /// Its type.
        kind: String,
        /// Its text.
        message: String,
    },
}

/// How opening a WebSocket ended.
#[derive(Clone, Debug)]
pub enum Upgrade {
    /// With a WebSocket.
    Opened,
    /// With another response.
    Answered(Answer),
    /// With none.
    Failed(Failure),
}

/// What was seen of a WebSocket.
#[derive(Clone, Debug)]
pub struct SocketFacts {
    /// How opening it ended.
    pub upgrade: Upgrade,
    /// How long that took.
    pub upgrade_took: Duration,
    /// After what time the first message was acknowledged, if it was.
    pub acknowledged: Option<Duration>,
    /// After what time the subscription was acknowledged, if it was.
    pub subscribed: Option<Duration>,
    /// After what time each event arrived that was sent, if it did.
    pub events: Vec<Option<Duration>>,
    /// After what time it was closed, and why.
    pub closed: Option<(Duration, String)>,
    /// What the server refused.
    pub rejected: Option<String>,
    /// The server's clock less this one's, in seconds, by the time of an event.
    pub clock: Option<f64>,
}

/// What was seen of an event stream.
#[derive(Clone, Debug)]
pub enum StreamFacts {
    /// Something else than an event stream.
    Absent,
    /// No stream, or its end.
    Failed(Failure),
    /// Nothing in time.
    Silent,
    /// Its beginning and an event; the later of them came after this time.
    Arrived(Duration),
}

/// What polling gave.
#[derive(Clone, Debug)]
pub enum Polled {
    /// The event, after this time.
    Found(Duration),
    /// Not the event.
    Missing,
    /// An error.
    Rejected(Rejection),
}

/// Everything that was observed. What was not tried is `None`.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The addresses of the host.
    pub dns: Option<Attempt<Vec<IpAddr>>>,
    /// The address that accepted a connection.
    pub tcp: Option<Attempt<SocketAddr>>,
    /// The TLS handshake.
    pub tls: Option<Attempt<()>>,
    /// The certificate, whether it was accepted or not.
    pub certificate: Option<Certificate>,
    /// The first request.
    pub post: Option<Attempt<Answer>>,
    /// The question of a browser before a request.
    pub preflight: Option<Attempt<Answer>>,
    /// The event stream.
    pub stream: Option<StreamFacts>,
    /// Answers of createDomain.
    pub domains: Vec<Result<String, Rejection>>,
    /// Whether there was a group, and whether it was dissolved.
    pub group: Option<Result<bool, Rejection>>,
    /// The WebSocket.
    pub socket: Option<SocketFacts>,
    /// Polling.
    pub polled: Option<Polled>,
    /// The server's clock less this one's, in seconds.
    pub clock: Option<f64>,
    /// When the check was made.
    pub at: Timestamp,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timeout => f.write_str("timeout"),
            Self::Refused => f.write_str("connection refused"),
            Self::Certificate(_) => f.write_str("certificate not accepted"),
            Self::NoAddress(why) | Self::Tls(why) | Self::Broken(why) => f.write_str(&plain(why)),
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Odd(answer) => write!(f, "HTTP {} {}", answer.status, answer.title()),
            Self::Error { kind, message } => write!(f, "{}: {}", plain(kind), plain(message)),
        }
    }
}

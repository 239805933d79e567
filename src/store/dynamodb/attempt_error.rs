//! Why an attempt failed, and when it is retried.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

use crate::model::error::ClientError;
use crate::store::dynamodb::items::attributes::Unreadable;
use crate::store::{Error, Failure};

/// Why an attempt failed.
#[derive(Clone, Debug)]
pub enum AttemptError {
    /// The request was refused.
    Refused(ClientError),
    /// The write was not applied: retry from the reads.
    Retry(Cause, Failure),
    /// The table failed, after all retries of the client.
    Failed(Failure),
}

/// Why a write was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A condition did not hold: the records are not as they were read.
    Lost,
    /// Another write of the same records was under way. It may fail, so it proves nothing.
    Conflict,
    /// The table is busy.
    Throttled,
}

impl AttemptError {
    /// What was read does not fit together, because another write is under way.
    pub fn conflict(failure: Failure) -> Self {
        Self::Retry(Cause::Conflict, failure)
    }
}

impl AttemptError {
    /// Whether it may be for a cached record that is out of date.
    pub fn may_be_stale(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Retry(Cause::Lost, _))
    }
}

impl From<ClientError> for AttemptError {
    fn from(error: ClientError) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for AttemptError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Unreadable> for AttemptError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Failed(unreadable.into())
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Self::new("read a record", unreadable)
    }
}

impl From<AttemptError> for Error {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Refused(error) => error.into(),
            AttemptError::Retry(_, failure) | AttemptError::Failed(failure) => failure.into(),
        }
    }
}

/// The cause by the code of an error, or of a step of a transaction that was cancelled.
fn cause(code: &str) -> Option<Cause> {
    match code {
        "ConditionalCheckFailed" | "ConditionalCheckFailedException" => Some(Cause::Lost),
        "TransactionConflict"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException" => Some(Cause::Conflict),
        "ThrottlingError" | "ProvisionedThroughputExceeded" => Some(Cause::Throttled),
        _ => None,
    }
}

fn attempt_error(cause: Option<Cause>, failure: Failure) -> AttemptError {
    match cause {
        Some(cause) => AttemptError::Retry(cause, failure),
        None => AttemptError::Failed(failure),
    }
}

/// The result of a single request. The client has retried one that was throttled.
pub fn single<T, E>(doing: &'static str, sent: Result<T, SdkError<E>>) -> Result<T, AttemptError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    sent.map_err(|error| {
        let code = error.as_service_error().and_then(E::code);
        attempt_error(code.and_then(cause), failure(doing, &error))
    })
}

/// The result of a transaction. It is retried if every step that failed has a cause; a lost
/// condition counts most, because only it proves something.
pub fn transaction<T>(
    doing: &'static str,
    sent: Result<T, SdkError<TransactWriteItemsError>>,
) -> Result<T, AttemptError> {
    sent.map_err(|error| {
        let found = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons().iter();
                let codes =
                    reasons.filter_map(|reason| reason.code().filter(|code| *code != "None"));
                let causes: Option<Vec<Cause>> = codes.map(cause).collect();
                let first = |causes: Vec<Cause>| {
                    let order = [Cause::Lost, Cause::Conflict, Cause::Throttled];
                    order.into_iter().find(|cause| causes.contains(cause))
                };
                // Without any reason it is retried as well.
                causes.map(|causes| first(causes).unwrap_or(Cause::Conflict))
            }
            Some(other) => other.code().and_then(cause),
            None => None,
        };
        attempt_error(found, failure(doing, &error))
    })
}

/// The failure for the log: AWS's error, or the network's. Contains no request and no record.
pub fn failure<E>(doing: &'static str, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let cause = if let Some(service) = error.as_service_error() {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let status = status.unwrap_or_default();
        let code = service.code().unwrap_or("nothing");
        let message = service.message().unwrap_or("no message");
        format!("DynamoDB answered {status}, {code}: {message}")
    } else {
        let mut cause = error.to_string();
        let mut next = std::error::Error::source(error);
        while let Some(source) = next {
            cause = format!("{cause}: {source}");
            next = source.source();
        }
        cause
    };
    Failure::new(doing, cause)
}

//! Why an attempt failed, and when it is retried.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

use crate::model::error::ClientError;
use crate::store::dynamodb::items::attributes::Unreadable;
use crate::store::{Error, Failure};

/// Why an attempt failed.
#[derive(Debug)]
pub enum AttemptError {
    /// The request was refused.
    Refused(ClientError),
    /// A concurrent write conflicted, or the table is busy: retry from the reads.
    Conflict(Failure),
    /// The table failed, after all retries of the client.
    Failed(Failure),
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
            AttemptError::Conflict(failure) | AttemptError::Failed(failure) => failure.into(),
        }
    }
}

/// Whether an error is a conflict with a concurrent write.
trait IsConflict {
    fn is_conflict(&self) -> bool;
}

impl<E: ProvideErrorMetadata> IsConflict for E {
    fn is_conflict(&self) -> bool {
        matches!(
            self.code(),
            Some(
                "ConditionalCheckFailedException"
                    | "TransactionConflictException"
                    | "TransactionInProgressException"
                    | "ReplicatedWriteConflictException"
            )
        )
    }
}

/// The result of a single request.
pub fn single<T, E>(doing: &'static str, sent: Result<T, SdkError<E>>) -> Result<T, AttemptError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    sent.map_err(|error| {
        let is_conflict = error
            .as_service_error()
            .is_some_and(IsConflict::is_conflict);
        let failure = failure(doing, &error);
        if is_conflict {
            AttemptError::Conflict(failure)
        } else {
            AttemptError::Failed(failure)
        }
    })
}

/// The result of a transaction. It is a conflict if every step that failed conflicted with a
/// concurrent write or with a busy table.
pub fn transaction<T>(
    doing: &'static str,
    sent: Result<T, SdkError<TransactWriteItemsError>>,
) -> Result<T, AttemptError> {
    sent.map_err(|error| {
        let is_conflict = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let mut reasons = cancelled.cancellation_reasons().iter();
                reasons.all(|reason| {
                    matches!(
                        reason.code(),
                        None | Some(
                            "None"
                                | "ConditionalCheckFailed"
                                | "TransactionConflict"
                                | "ThrottlingError"
                                | "ProvisionedThroughputExceeded"
                        )
                    )
                })
            }
            Some(other) => other.is_conflict(),
            None => false,
        };
        let failure = failure(doing, &error);
        if is_conflict {
            AttemptError::Conflict(failure)
        } else {
            AttemptError::Failed(failure)
        }
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

//! Why a try gave no answer, and when to try again.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;

use crate::model::error::ClientError;
use crate::store::dynamodb::items::attributes::Unreadable;
use crate::store::{Error, Failure};

/// The first pause after a lost race; each next one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Why a try gave no answer.
#[derive(Debug)]
pub enum AttemptError {
    /// The answer is no.
    Refused(ClientError),
    /// Another caller got ahead, or the table is busy: look again and decide anew.
    Lost(Failure),
    /// The table failed, and was asked often enough.
    Failed(Failure),
}

impl From<ClientError> for AttemptError {
    fn from(refusal: ClientError) -> Self {
        Self::Refused(refusal)
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
    fn from(attempt_error: AttemptError) -> Self {
        match attempt_error {
            AttemptError::Refused(refusal) => refusal.into(),
            AttemptError::Lost(failure) | AttemptError::Failed(failure) => failure.into(),
        }
    }
}

/// Whether a write ran into another caller's.
trait Conflict {
    fn conflict(&self) -> bool;
}

impl<E: ProvideErrorMetadata> Conflict for E {
    fn conflict(&self) -> bool {
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

/// What became of a request that stood alone.
pub fn single<T, E>(doing: &'static str, sent: Result<T, SdkError<E>>) -> Result<T, AttemptError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    sent.map_err(|error| {
        let lost = error.as_service_error().is_some_and(Conflict::conflict);
        let failure = failure(doing, &error);
        if lost {
            AttemptError::Lost(failure)
        } else {
            AttemptError::Failed(failure)
        }
    })
}

/// What became of a transaction: lost when each of its steps that could not be taken
/// ran into another caller's write, or into a busy table.
pub fn transaction<T>(
    doing: &'static str,
    sent: Result<T, SdkError<TransactWriteItemsError>>,
) -> Result<T, AttemptError> {
    sent.map_err(|error| {
        let lost = match error.as_service_error() {
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
            Some(other) => other.conflict(),
            None => false,
        };
        let failure = failure(doing, &error);
        if lost {
            AttemptError::Lost(failure)
        } else {
            AttemptError::Failed(failure)
        }
    })
}

/// The failure to log: what AWS said, or how the way there broke. No request or record
/// is in it.
pub fn failure<E>(doing: &'static str, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let cause = if let Some(service) = error.as_service_error() {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
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

/// Counts the tries of one call.
#[derive(Debug)]
pub struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    /// As many as the settings allow.
    pub fn new(most: u32) -> Self {
        Self {
            left: most,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits a random while before the next try; gives up after the last.
    pub async fn again(&mut self, failure: Failure) -> Result<(), Failure> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Err(failure);
        }
        tokio::time::sleep(self.pause.mul_f64(random())).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// From 0 to 1: jitter, so that those who met once do not meet again.
fn random() -> f64 {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}

/// Tries until there is an answer: whoever lost a race looks again and decides anew.
macro_rules! until_settled {
    ($store:expr, $try:expr) => {{
        let mut tries = $crate::store::dynamodb::attempt_error::Tries::new($store.settings.races);
        loop {
            match $try.await {
                Ok(answer) => break Ok(answer),
                Err($crate::store::dynamodb::attempt_error::AttemptError::Lost(failure)) => {
                    tries.again(failure).await?;
                }
                Err(attempt_error) => break Err($crate::store::Error::from(attempt_error)),
            }
        }
    }};
}
pub(super) use until_settled;

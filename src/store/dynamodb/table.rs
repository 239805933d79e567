//! The table: create, show, check, delete. Makes a deployment possible without the CDK.

mod create;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_table::DeleteTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{KeySchemaElement, TableDescription, TableStatus};
use thiserror::Error;

pub use self::create::create;
use crate::store::Failure;
use crate::store::dynamodb::attempt_error::failure;

/// Timeout for creating or deleting a table.
const TIMEOUT: Duration = Duration::from_mins(3);
/// Time between two reads of its state meanwhile.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Why a table cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// It does not exist.
    #[error("there is no table {0}; make it with `mesh-v2 table create`")]
    Missing(String),
    /// It exists already.
    #[error("there is a table {0} already; see it with `mesh-v2 table show`")]
    Exists(String),
    /// Its keys or indexes are wrong.
    #[error(
        "the table {table} cannot be used: {lacks}; choose another with --table, and make it with \
         `mesh-v2 table create`"
    )]
    Unfit {
        /// The table.
        table: String,
        /// What is wrong.
        lacks: &'static str,
    },
    /// It could not be reached.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A description of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its state.
    pub status: String,
    /// The number of records, as DynamoDB counted hours ago.
    pub records: i64,
    /// Its indexes.
    pub indexes: Vec<String>,
    /// The attribute of its TTL, if enabled.
    pub ttl: Option<String>,
}

async fn describe(
    client: &Client,
    name: &str,
    doing: &'static str,
) -> Result<Option<TableDescription>, Failure> {
    match client.describe_table().table_name(name).send().await {
        Ok(output) => Ok(output.table),
        Err(SdkError::ServiceError(error))
            if matches!(
                error.err(),
                DescribeTableError::ResourceNotFoundException(_)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(failure(doing, &error)),
    }
}

async fn wait(
    client: &Client,
    name: &str,
    doing: &'static str,
    done: impl Fn(Option<&TableDescription>) -> bool,
) -> Result<(), Failure> {
    let wait = async {
        while !done(describe(client, name, doing).await?.as_ref()) {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        Ok(())
    };
    match tokio::time::timeout(TIMEOUT, wait).await {
        Ok(done) => done,
        Err(elapsed) => Err(Failure::new(doing, elapsed)),
    }
}

/// Describes the table.
pub async fn show(client: &Client, name: &str) -> Result<Description, Error> {
    const DOING: &str = "describe the table";
    let table = describe(client, name, DOING).await?;
    let table = table.ok_or_else(|| Error::Missing(name.into()))?;
    let ttl = client.describe_time_to_live().table_name(name).send().await;
    let ttl = ttl.map_err(|error| failure(DOING, &error))?;
    let ttl = ttl.time_to_live_description;
    let enabled = ttl.filter(|ttl| {
        ttl.time_to_live_status()
            .is_some_and(|status| matches!(status.as_str(), "ENABLED" | "ENABLING"))
    });
    Ok(Description {
        name: name.into(),
        arn: table.table_arn().unwrap_or_default().into(),
        status: table.table_status().map_or("", TableStatus::as_str).into(),
        records: table.item_count().unwrap_or_default(),
        indexes: table
            .global_secondary_indexes()
            .iter()
            .filter_map(|index| Some(index.index_name()?.to_owned()))
            .collect(),
        ttl: enabled.and_then(|ttl| ttl.attribute_name),
    })
}

/// Checks that the table exists and has the right keys and indexes.
pub async fn check(client: &Client, name: &str) -> Result<(), Error> {
    const DOING: &str = "describe the table";
    let table = describe(client, name, DOING).await?;
    let table = table.ok_or_else(|| Error::Missing(name.into()))?;
    let unfit = |lacks| Error::Unfit {
        table: name.into(),
        lacks,
    };
    let indexes = table.global_secondary_indexes();
    for (index, lacks) in [
        ("GroupIdIndex", "it has no index GroupIdIndex"),
        ("GroupNameIndex", "it has no index GroupNameIndex"),
    ] {
        if !indexes
            .iter()
            .any(|found| found.index_name() == Some(index))
        {
            return Err(unfit(lacks));
        }
    }
    let keys: Vec<_> = table
        .key_schema()
        .iter()
        .map(KeySchemaElement::attribute_name)
        .collect();
    if keys != ["pk", "sk"] {
        return Err(unfit("its keys are not pk and sk"));
    }
    Ok(())
}

/// Deletes the table with its records, and waits until it is deleted.
pub async fn delete(client: &Client, name: &str) -> Result<(), Error> {
    const DOING: &str = "delete the table";
    if let Err(error) = client.delete_table().table_name(name).send().await {
        let missing = error
            .as_service_error()
            .is_some_and(DeleteTableError::is_resource_not_found_exception);
        if missing {
            return Err(Error::Missing(name.into()));
        }
        return Err(failure(DOING, &error).into());
    }
    wait(client, name, DOING, |found| found.is_none()).await?;
    Ok(())
}

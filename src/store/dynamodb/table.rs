//! The table itself: made, shown, deleted, so that a stage stands up without the CDK.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::delete_table::DeleteTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus, Tag,
    TimeToLiveSpecification,
};
use thiserror::Error;

use crate::store::Failure;
use crate::store::dynamodb::attempt_error::failure;

/// How long a table may take to come or go.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The attribute by which the table tidies.
const TTL: &str = "ttl";

/// Why a table cannot be served.
#[derive(Debug, Error)]
pub enum Error {
    /// It is not there.
    #[error("there is no table {0}; make it with `mesh-v2 table create`")]
    Missing(String),
    /// It is there already.
    #[error("there is a table {0} already; see it with `mesh-v2 table show`")]
    Exists(String),
    /// It is not the kind of table that a stage needs.
    #[error("the table {table} is of no use to a stage: {lacks}")]
    Unfit {
        /// The table.
        table: String,
        /// What it lacks.
        lacks: &'static str,
    },
    /// It could not be reached.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What there is to know about a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What state it is in.
    pub status: String,
    /// How many records it has, by DynamoDB's count of some hours ago.
    pub records: i64,
    /// Its indexes.
    pub indexes: Vec<String>,
    /// The attribute by which it tidies, if that is on.
    pub ttl: Option<String>,
}

/// Makes the stage's table and waits until it can be used.
pub async fn create(client: &Client, name: &str, stage: &str, service: &str) -> Result<(), Error> {
    const DOING: &str = "make the table";
    let built = |error| Failure::new(DOING, error);
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys("pk", "sk").map_err(built)?));
    for attribute in ["pk", "sk", "gsi_pk", "gsi_sk", "gsi2_pk", "gsi2_sk"] {
        let text = AttributeDefinition::builder().attribute_name(attribute);
        let text = text.attribute_type(ScalarAttributeType::S).build();
        request = request.attribute_definitions(text.map_err(built)?);
    }
    for (index, pk, sk, projection) in [
        ("GroupIdIndex", "gsi_pk", "gsi_sk", ProjectionType::All),
        // It only names candidates: without the rest, a heartbeat costs it nothing.
        (
            "GroupNameIndex",
            "gsi2_pk",
            "gsi2_sk",
            ProjectionType::KeysOnly,
        ),
    ] {
        let projection = Projection::builder().projection_type(projection).build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(index)
            .set_key_schema(Some(keys(pk, sk).map_err(built)?))
            .projection(projection)
            .build();
        request = request.global_secondary_indexes(index.map_err(built)?);
    }
    for (key, value) in [
        ("Project", "MeshV2"),
        ("Stage", stage),
        ("Service", service),
        ("ManagedBy", "mesh-v2"),
        ("ResourceType", "DynamoDB"),
    ] {
        let tag = Tag::builder().key(key).value(value).build();
        request = request.tags(tag.map_err(built)?);
    }
    if let Err(error) = request.send().await {
        let in_use = error
            .as_service_error()
            .is_some_and(CreateTableError::is_resource_in_use_exception);
        if in_use {
            return Err(Error::Exists(name.into()));
        }
        return Err(failure(DOING, &error).into());
    }
    wait(client, name, DOING, |found| {
        found.is_some_and(|table| table.table_status() == Some(&TableStatus::Active))
    })
    .await?;
    tidy(client, name).await
}

fn keys(pk: &str, sk: &str) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    [(pk, KeyType::Hash), (sk, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
        })
        .collect()
}

async fn tidy(client: &Client, name: &str) -> Result<(), Error> {
    const DOING: &str = "turn on the table's TTL";
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name(TTL)
        .enabled(true)
        .build()
        .map_err(|error| Failure::new(DOING, error))?;
    let request = client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl);
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(failure(DOING, &error).into()),
    }
}

async fn describe(
    client: &Client,
    name: &str,
    doing: &'static str,
) -> Result<Option<TableDescription>, Failure> {
    match client.describe_table().table_name(name).send().await {
        Ok(answer) => Ok(answer.table),
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
    let waiting = async {
        while !done(describe(client, name, doing).await?.as_ref()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(done) => done,
        Err(late) => Err(Failure::new(doing, late)),
    }
}

/// What there is to know about the table.
pub async fn show(client: &Client, name: &str) -> Result<Shown, Error> {
    const DOING: &str = "look at the table";
    let table = describe(client, name, DOING).await?;
    let table = table.ok_or_else(|| Error::Missing(name.into()))?;
    let ttl = client.describe_time_to_live().table_name(name).send().await;
    let ttl = ttl.map_err(|error| failure(DOING, &error))?;
    let ttl = ttl.time_to_live_description;
    let on = ttl.filter(|ttl| {
        ttl.time_to_live_status()
            .is_some_and(|status| matches!(status.as_str(), "ENABLED" | "ENABLING"))
    });
    Ok(Shown {
        name: name.into(),
        arn: table.table_arn().unwrap_or_default().into(),
        status: table.table_status().map_or("", TableStatus::as_str).into(),
        records: table.item_count().unwrap_or_default(),
        indexes: table
            .global_secondary_indexes()
            .iter()
            .filter_map(|index| Some(index.index_name()?.to_owned()))
            .collect(),
        ttl: on.and_then(|ttl| ttl.attribute_name),
    })
}

/// Says what is missing before a stage is served on the table.
pub async fn check(client: &Client, name: &str) -> Result<(), Error> {
    const DOING: &str = "look at the table";
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
            .any(|there| there.index_name() == Some(index))
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

/// Deletes the table with all that is in it, and waits until it is gone.
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

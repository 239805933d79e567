//! Creating the table with its indexes.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, Tag, TimeToLiveSpecification,
};

use crate::store::Failure;
use crate::store::dynamodb::attempt_error::failure;
use crate::store::dynamodb::table::{Error, wait};

/// The attribute of the table's TTL.
const TTL: &str = "ttl";

/// Creates the table of an environment and waits until it can be used.
pub async fn create(client: &Client, name: &str, stage: &str, service: &str) -> Result<(), Error> {
    const DOING: &str = "create the table";
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
        // Only candidates are read from it. Without other attributes, heartbeats need no update
        // of the index.
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
    enable_ttl(client, name).await
}

fn keys(pk: &str, sk: &str) -> Result<Vec<KeySchemaElement>, BuildError> {
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

async fn enable_ttl(client: &Client, name: &str) -> Result<(), Error> {
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

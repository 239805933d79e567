//! The table and its indexes: create, check, show, delete.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{new_group, new_table, server, settings};
use crate::model::ids::{Domain, NodeId};
use crate::model::limits::Limits;
use crate::model::time::Timestamp;
use crate::store::Store;
use crate::store::dynamodb::table::{self, Error};
use crate::store::dynamodb::{client, items};

const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

#[tokio::test]
async fn a_table_is_created_checked_shown_and_deleted() {
    let (settings, client) = new_table().await;
    let name = &settings.table;
    table::check(&client, name).await.unwrap();
    let description = table::show(&client, name).await.unwrap();
    assert_eq!(description.status, "ACTIVE");
    assert_eq!(description.ttl.as_deref(), Some("ttl"));
    let mut indexes = description.indexes;
    indexes.sort();
    assert_eq!(indexes, ["GroupIdIndex", "GroupNameIndex"]);
    if let Some(tags) = tags(&client, &description.arn).await {
        let expected = [
            ("ManagedBy", "mesh-v2"),
            ("Project", "MeshV2"),
            ("ResourceType", "DynamoDB"),
            ("Service", "Tests"),
            ("Stage", "test"),
        ];
        assert_eq!(
            tags,
            expected.map(|(key, value)| (key.into(), value.into()))
        );
    }
    let again = table::create(&client, name, "test", "Tests").await;
    assert!(matches!(again, Err(Error::Exists(_))));
    table::delete(&client, name).await.unwrap();
    let missing = table::check(&client, name).await.unwrap_err();
    assert!(
        missing.to_string().contains("mesh-v2 table create"),
        "{missing}"
    );
    let missing = table::delete(&client, name).await;
    assert!(matches!(missing, Err(Error::Missing(_))));
}

/// A table's tags in their order; `None` on DynamoDB Local, which ignores them.
async fn tags(client: &Client, arn: &str) -> Option<Vec<(String, String)>> {
    let tags = client.list_tags_of_resource().resource_arn(arn).send();
    let tags = match tags.await {
        Err(error) if error.code() == Some("UnknownOperationException") => return None,
        tags => tags.unwrap().tags.unwrap(),
    };
    let mut tags: Vec<_> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    tags.sort_unstable();
    Some(tags)
}

#[tokio::test]
async fn a_store_without_its_table_is_not_ready_and_fails() {
    let settings = settings();
    let store = server(&settings, Limits::default()).await;
    assert!(store.ready().await.is_err());
    let domain = Domain::parse("domain", "d").unwrap();
    let failed = store.groups_in(&domain, NOW).await.unwrap_err();
    assert!(matches!(failed, crate::store::Error::Failed(_)));
    let (settings, _) = new_table().await;
    let store = server(&settings, Limits::default()).await;
    store.ready().await.unwrap();
}

#[tokio::test]
async fn a_group_is_found_by_its_id_and_only_groups_are_indexed() {
    let (settings, client) = new_table().await;
    let store = server(&settings, Limits::default()).await;
    let request = new_group("先生", "学校");
    let group = store.host_group(request, NOW).await.unwrap().group;
    let kitten = NodeId::parse("nodeId", "kitten").unwrap();
    store
        .join(&group.key, &kitten.clone().into(), None, NOW)
        .await
        .unwrap();
    store
        .report(&group.key, &kitten.clone().into(), vec![], NOW)
        .await
        .unwrap();
    let found = store.groups_by_id(&group.key.id).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&group));
    for index in ["GroupIdIndex", "GroupNameIndex"] {
        let all = client.scan().table_name(&settings.table).index_name(index);
        assert_eq!(all.send().await.unwrap().count, 1, "{index}");
    }
    store
        .dissolve(&group.key, &group.host.clone().into(), NOW)
        .await
        .unwrap();
    assert_eq!(store.groups_by_id(&group.key.id).await.unwrap(), []);
}

#[tokio::test]
async fn a_table_without_indexes_is_refused() {
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };
    let settings = settings();
    let client = client::client(&settings).await;
    let mut bare = client
        .create_table()
        .table_name(&settings.table)
        .billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let text = AttributeDefinition::builder().attribute_name(name);
        let text = text.attribute_type(ScalarAttributeType::S).build().unwrap();
        let key = KeySchemaElement::builder().attribute_name(name);
        bare = bare
            .attribute_definitions(text)
            .key_schema(key.key_type(kind).build().unwrap());
    }
    bare.send().await.unwrap();
    let refused = table::check(&client, &settings.table).await.unwrap_err();
    assert!(refused.to_string().contains("GroupIdIndex"), "{refused}");
}

#[tokio::test]
async fn a_damaged_record_is_a_failure_without_its_values() {
    let (settings, client) = new_table().await;
    let store = server(&settings, Limits::default()).await;
    let domain = Domain::parse("domain", "school").unwrap();
    let key = crate::model::group::GroupKey::parse("kitten", "school").unwrap();
    let mut damaged = items::keys::Key::group(&key).attributes();
    damaged.insert("id".into(), AttributeValue::N("7".into()));
    let put = client.put_item().table_name(&settings.table);
    put.set_item(Some(damaged)).send().await.unwrap();
    let failed = store.groups_in(&domain, NOW).await.unwrap_err();
    let text = format!("{:#}", anyhow::Error::new(failed));
    assert!(
        text.contains("cannot be read") && !text.contains("kitten"),
        "{text}"
    );
}

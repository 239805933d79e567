//! Requests to the table: read, query, write, remove. All pages are read, unprocessed items of
//! a batch are retried, and reads are consistent unless stated otherwise.

mod node_cache;
mod query;
mod step;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, WriteRequest};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::node_cache::NodeCache;
pub use self::query::Query;
pub use self::step::Step;
use crate::memory::Memory;
use crate::store::Failure;
use crate::store::dynamodb::attempt_error::{AttemptError, single};
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::items::keys::{Item, Key};
use crate::store::dynamodb::retry::Backoff;

/// Records in one `BatchGetItem`.
const READ_BATCH: usize = 100;
/// Records in one `BatchWriteItem`.
const REMOVE_BATCH: usize = 25;

/// A table and its client. The SDK's futures are large, so each is boxed to keep the futures
/// that await them small.
#[derive(Debug)]
pub struct Table {
    client: Client,
    name: String,
    permits: Semaphore,
    attempts: u32,
    nodes: NodeCache,
}

impl Table {
    /// A table with its client.
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self {
            client,
            name: settings.table.clone(),
            permits: Semaphore::new(settings.connections),
            attempts: settings.conflict_attempts,
            nodes: NodeCache::new(settings.cached_node_bytes, &Memory::unlimited()),
        }
    }

    /// The same without a cache of nodes' records.
    #[must_use]
    pub fn without_node_cache(self) -> Self {
        let nodes = NodeCache::new(0, &Memory::unlimited());
        Self { nodes, ..self }
    }

    /// The same, whose cache is part of a memory budget.
    #[must_use]
    pub fn within(self, memory: &Memory) -> Self {
        let nodes = self.nodes.within(memory);
        Self { nodes, ..self }
    }

    /// Takes a node's record from the cache, as this server wrote it last.
    pub fn take_node(&self, key: &Key) -> Option<Item> {
        self.nodes.take(key)
    }

    /// Drops cached records that were not used for a while.
    pub fn drop_unused(&self) {
        self.nodes.drop_unused();
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let permit = self.permits.acquire().await;
        permit.map_err(|closed| Failure::new("reach the table", closed))
    }

    /// Reads records by key, in the order of the keys; one request for up to a hundred.
    pub async fn read(
        &self,
        doing: &'static str,
        keys: &[Key],
    ) -> Result<Vec<Option<Item>>, AttemptError> {
        if let [key] = keys {
            let _permit = self.permit().await?;
            let get = self.client.get_item().table_name(&self.name);
            let get = get.set_key(Some(key.attributes())).consistent_read(true);
            return Ok(vec![single(doing, Box::pin(get.send()).await)?.item]);
        }
        let mut found = HashMap::new();
        for keys in keys.chunks(READ_BATCH) {
            for item in self.read_batch(doing, keys).await? {
                if let Some(key) = Key::of(&item) {
                    found.insert(key, item);
                }
            }
        }
        Ok(keys.iter().map(|key| found.remove(key)).collect())
    }

    async fn read_batch(
        &self,
        doing: &'static str,
        keys: &[Key],
    ) -> Result<Vec<Item>, AttemptError> {
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(Key::attributes).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| Failure::new(doing, error))?;
        let mut wanted = HashMap::from([(self.name.clone(), wanted)]);
        let mut found = Vec::new();
        let mut backoff = Backoff::new(self.attempts);
        loop {
            let permit = self.permit().await?;
            let get = self.client.batch_get_item().set_request_items(Some(wanted));
            let output = single(doing, Box::pin(get.send()).await)?;
            drop(permit);
            let items = output.responses.unwrap_or_default();
            found.extend(items.into_values().flatten());
            wanted = output.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
            let busy = Failure::new(doing, "DynamoDB left keys of a batch unread");
            backoff.wait(busy).await?;
        }
    }

    /// Removes records unconditionally.
    pub async fn remove(&self, doing: &'static str, keys: &[Key]) -> Result<(), AttemptError> {
        self.nodes.remove(keys);
        for keys in keys.chunks(REMOVE_BATCH) {
            let requests: Result<Vec<_>, _> = keys.iter().map(removal).collect();
            let requests = requests.map_err(|error| Failure::new(doing, error))?;
            let mut remaining = HashMap::from([(self.name.clone(), requests)]);
            let mut backoff = Backoff::new(self.attempts);
            loop {
                let permit = self.permit().await?;
                let write = self.client.batch_write_item();
                let sent = Box::pin(write.set_request_items(Some(remaining.clone())).send()).await;
                drop(permit);
                let busy = match single(doing, sent) {
                    Ok(output) => {
                        remaining = output.unprocessed_items.unwrap_or_default();
                        if remaining.is_empty() {
                            break;
                        }
                        Failure::new(doing, "DynamoDB left records of a batch unwritten")
                    }
                    Err(AttemptError::Retry(_, failure)) => failure,
                    Err(other) => return Err(other),
                };
                backoff.wait(busy).await?;
            }
        }
        Ok(())
    }
}

fn removal(key: &Key) -> Result<WriteRequest, aws_sdk_dynamodb::error::BuildError> {
    let delete = DeleteRequest::builder().set_key(Some(key.attributes()));
    Ok(WriteRequest::builder()
        .delete_request(delete.build()?)
        .build())
}

//! The table's requests: read, search, write, remove. Every page is followed, whatever
//! a batch leaves over is asked for again, and reads are consistent unless said otherwise.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, DeleteRequest, KeysAndAttributes, Put, Select,
    TransactWriteItem, Update, WriteRequest,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::Failure;
use crate::store::dynamodb::attempt_error::{AttemptError, Tries, single, transaction};
use crate::store::dynamodb::items::keys::{Item, Key};

/// Records that one `BatchGetItem` may ask for.
const READ_BATCH: usize = 100;
/// Records that one `BatchWriteItem` may remove.
const REMOVE_BATCH: usize = 25;

/// A table and the way to it. The SDK's futures are large: each is boxed, so that what
/// awaits them stays small.
#[derive(Debug)]
pub struct Table {
    client: Client,
    name: String,
    doors: Semaphore,
    tries: u32,
}

/// One write: alone, or as a step of a transaction.
#[derive(Clone, Debug)]
pub struct Step {
    what: What,
    condition: Option<String>,
    values: HashMap<String, AttributeValue>,
}

#[derive(Clone, Debug)]
enum What {
    Put(Item),
    Update(Key, String),
    Delete(Key),
    Check(Key),
}

impl Step {
    fn new(what: What) -> Self {
        Self {
            what,
            condition: None,
            values: HashMap::new(),
        }
    }

    /// Writes the whole record.
    pub fn put(item: Item) -> Self {
        Self::new(What::Put(item))
    }

    /// Changes some attributes; `#name` stands for the attribute `name`.
    pub fn update(key: Key, change: impl Into<String>) -> Self {
        Self::new(What::Update(key, change.into()))
    }

    /// Removes the record.
    pub fn delete(key: Key) -> Self {
        Self::new(What::Delete(key))
    }

    /// Only checks the condition.
    pub fn check(key: Key) -> Self {
        Self::new(What::Check(key))
    }

    /// Only if this holds.
    #[must_use]
    pub fn when(mut self, condition: &str) -> Self {
        self.condition = Some(match self.condition {
            None => condition.into(),
            Some(before) => format!("({before}) AND ({condition})"),
        });
        self
    }

    /// Gives a value its name, which begins with a colon.
    #[must_use]
    pub fn with(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.into(), value);
        self
    }

    /// Whether it changes nothing.
    pub fn checks_only(&self) -> bool {
        matches!(self.what, What::Check(_))
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        let change = match &self.what {
            What::Update(_, change) => change.as_str(),
            _ => "",
        };
        names(&[Some(change), self.condition.as_deref()])
    }

    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// The attribute names in expressions: a word after `#` is the attribute's own name,
/// which keeps clear of DynamoDB's reserved words.
fn names(expressions: &[Option<&str>]) -> Option<HashMap<String, String>> {
    let texts = expressions.iter().flatten();
    let words = texts.flat_map(|text| text.split('#').skip(1));
    let names: HashMap<_, _> = words
        .map(|word| {
            let end = word.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &word[..end.unwrap_or(word.len())];
            (format!("#{name}"), name.to_owned())
        })
        .collect();
    (!names.is_empty()).then_some(names)
}

/// What to look for in one partition.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The index, if not the table itself. Indexes lag: whatever they tell is looked up.
    pub index: Option<&'static str>,
    /// The key condition.
    pub keys: &'static str,
    /// What else must hold.
    pub filter: Option<&'static str>,
    /// Which attributes are wanted; all if none is named.
    pub fields: Option<&'static str>,
    /// The values in both.
    pub values: Vec<(&'static str, AttributeValue)>,
    /// Whether what was written a moment ago may be missed, at half the price.
    pub may_lag: bool,
    /// How many records a page may read.
    pub page: Option<i32>,
}

/// Where a search goes on.
pub type Next = Option<Item>;

impl Table {
    /// A table reached by this client.
    pub fn new(client: Client, name: String, connections: usize, tries: u32) -> Self {
        Self {
            client,
            name,
            doors: Semaphore::new(connections),
            tries,
        }
    }

    async fn door(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let door = self.doors.acquire().await;
        door.map_err(|closed| Failure::new("reach the table", closed))
    }

    /// Takes the steps: all or none.
    pub async fn write(
        &self,
        doing: &'static str,
        mut steps: Vec<Step>,
    ) -> Result<(), AttemptError> {
        let alone = steps.len() == 1 && !matches!(steps[0].what, What::Check(_));
        match steps.pop() {
            None => Ok(()),
            Some(step) if alone => self.write_one(doing, step).await,
            Some(last) => {
                steps.push(last);
                self.write_all(doing, steps).await
            }
        }
    }

    async fn write_one(&self, doing: &'static str, step: Step) -> Result<(), AttemptError> {
        let _door = self.door().await?;
        let (names, values) = (step.names(), step.values());
        match step.what {
            What::Put(item) => {
                let put = self.client.put_item().table_name(&self.name);
                let put = put.set_item(Some(item));
                let put = put.set_condition_expression(step.condition);
                let put = put
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                single(doing, Box::pin(put.send()).await).map(drop)
            }
            What::Update(key, change) => {
                let update = self.client.update_item().table_name(&self.name);
                let update = update.set_key(Some(key.attributes()));
                let update = update
                    .update_expression(change)
                    .set_condition_expression(step.condition);
                let update = update
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                single(doing, Box::pin(update.send()).await).map(drop)
            }
            What::Delete(key) | What::Check(key) => {
                let delete = self.client.delete_item().table_name(&self.name);
                let delete = delete.set_key(Some(key.attributes()));
                let delete = delete.set_condition_expression(step.condition);
                let delete = delete
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                single(doing, Box::pin(delete.send()).await).map(drop)
            }
        }
    }

    /// The SDK gives each transaction a token, so that one whose answer was lost and
    /// that is sent again is taken once.
    async fn write_all(&self, doing: &'static str, steps: Vec<Step>) -> Result<(), AttemptError> {
        let _door = self.door().await?;
        let steps: Result<Vec<_>, _> = steps.into_iter().map(|step| self.transact(step)).collect();
        let steps = steps.map_err(|error| Failure::new(doing, error))?;
        let request = self.client.transact_write_items();
        let sent = Box::pin(request.set_transact_items(Some(steps)).send()).await;
        transaction(doing, sent).map(drop)
    }

    fn transact(
        &self,
        step: Step,
    ) -> Result<TransactWriteItem, aws_sdk_dynamodb::error::BuildError> {
        let (names, values) = (step.names(), step.values());
        let item = TransactWriteItem::builder();
        Ok(match step.what {
            What::Put(record) => {
                let put = Put::builder().table_name(&self.name);
                let put = put.set_item(Some(record));
                let put = put
                    .set_condition_expression(step.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.put(put.build()?)
            }
            What::Update(key, change) => {
                let update = Update::builder().table_name(&self.name);
                let update = update
                    .set_key(Some(key.attributes()))
                    .update_expression(change);
                let update = update
                    .set_condition_expression(step.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.update(update.build()?)
            }
            What::Delete(key) => {
                let delete = Delete::builder().table_name(&self.name);
                let delete = delete.set_key(Some(key.attributes()));
                let delete = delete
                    .set_condition_expression(step.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.delete(delete.build()?)
            }
            What::Check(key) => {
                let check = ConditionCheck::builder().table_name(&self.name);
                let check = check.set_key(Some(key.attributes()));
                let check = check
                    .set_condition_expression(step.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.condition_check(check.build()?)
            }
        }
        .build())
    }

    /// Reads records by key, in the order of the keys: one request for up to a hundred.
    pub async fn read(
        &self,
        doing: &'static str,
        keys: &[Key],
    ) -> Result<Vec<Option<Item>>, AttemptError> {
        if let [key] = keys {
            let _door = self.door().await?;
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
        let mut tries = Tries::new(self.tries);
        loop {
            let door = self.door().await?;
            let get = self.client.batch_get_item().set_request_items(Some(wanted));
            let answer = single(doing, Box::pin(get.send()).await)?;
            drop(door);
            let items = answer.responses.unwrap_or_default();
            found.extend(items.into_values().flatten());
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
            let busy = Failure::new(doing, "DynamoDB left keys of a batch unread");
            tries.again(busy).await?;
        }
    }

    /// One page of a search, and where the next begins.
    pub async fn page(
        &self,
        doing: &'static str,
        search: &Search,
        from: Next,
    ) -> Result<(Vec<Item>, Next), AttemptError> {
        let answer = self.query(doing, search, from, None).await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    /// All that a search finds.
    pub async fn all(
        &self,
        doing: &'static str,
        search: &Search,
    ) -> Result<Vec<Item>, AttemptError> {
        let (mut all, mut next) = self.page(doing, search, None).await?;
        while next.is_some() {
            let (more, after) = self.page(doing, search, next).await?;
            all.extend(more);
            next = after;
        }
        Ok(all)
    }

    /// How many records a search finds, and how many it read for that.
    pub async fn count(
        &self,
        doing: &'static str,
        search: &Search,
    ) -> Result<(usize, usize), AttemptError> {
        let (mut count, mut read, mut next) = (0, 0, None);
        loop {
            let answer = self.query(doing, search, next, Some(Select::Count)).await?;
            count += usize::try_from(answer.count).unwrap_or(0);
            read += usize::try_from(answer.scanned_count).unwrap_or(0);
            next = answer.last_evaluated_key;
            if next.is_none() {
                return Ok((count, read));
            }
        }
    }

    async fn query(
        &self,
        doing: &'static str,
        search: &Search,
        from: Next,
        select: Option<Select>,
    ) -> Result<aws_sdk_dynamodb::operation::query::QueryOutput, AttemptError> {
        let _door = self.door().await?;
        let values = search.values.iter().cloned();
        let values = values.map(|(name, value)| (name.to_owned(), value));
        let query = self.client.query().table_name(&self.name);
        let query = query
            .set_index_name(search.index.map(Into::into))
            .key_condition_expression(search.keys)
            .set_filter_expression(search.filter.map(Into::into))
            .set_projection_expression(search.fields.map(Into::into))
            .set_expression_attribute_names(names(&[
                Some(search.keys),
                search.filter,
                search.fields,
            ]))
            .set_expression_attribute_values(Some(values.collect()))
            .consistent_read(search.index.is_none() && !search.may_lag)
            .set_limit(search.page)
            .set_select(select)
            .set_exclusive_start_key(from);
        single(doing, Box::pin(query.send()).await)
    }

    /// Removes records, whatever is in them.
    pub async fn remove(&self, doing: &'static str, keys: &[Key]) -> Result<(), AttemptError> {
        for keys in keys.chunks(REMOVE_BATCH) {
            let requests: Result<Vec<_>, _> = keys.iter().map(removal).collect();
            let requests = requests.map_err(|error| Failure::new(doing, error))?;
            let mut left = HashMap::from([(self.name.clone(), requests)]);
            let mut tries = Tries::new(self.tries);
            loop {
                let door = self.door().await?;
                let write = self.client.batch_write_item();
                let sent = Box::pin(write.set_request_items(Some(left.clone())).send()).await;
                drop(door);
                let busy = match single(doing, sent) {
                    Ok(answer) => {
                        left = answer.unprocessed_items.unwrap_or_default();
                        if left.is_empty() {
                            break;
                        }
                        Failure::new(doing, "DynamoDB left records of a batch unwritten")
                    }
                    Err(AttemptError::Lost(conflict)) => conflict,
                    Err(other) => return Err(other),
                };
                tries.again(busy).await?;
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

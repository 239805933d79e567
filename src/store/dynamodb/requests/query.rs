//! Queries of one partition.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::{AttributeValue, Select};

use crate::store::dynamodb::attempt_error::{AttemptError, single};
use crate::store::dynamodb::items::keys::Item;
use crate::store::dynamodb::requests::Table;
use crate::store::dynamodb::requests::step::names;

/// A query of one partition.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The index, if not the table. Indexes lag, so their results must be read from the table.
    pub index: Option<&'static str>,
    /// The key condition.
    pub keys: &'static str,
    /// The filter expression.
    pub filter: Option<&'static str>,
    /// The attributes to return; all if `None`.
    pub fields: Option<&'static str>,
    /// The values in the expressions.
    pub values: Vec<(&'static str, AttributeValue)>,
    /// Whether the read may be eventually consistent, at half the price.
    pub eventually_consistent: bool,
    /// The number of records in a page.
    pub page: Option<i32>,
}

/// The position at which the next page begins.
pub type NextPage = Option<Item>;

impl Table {
    /// One page of a query, and where the next begins.
    pub async fn page(
        &self,
        doing: &'static str,
        query: &Query,
        from: NextPage,
    ) -> Result<(Vec<Item>, NextPage), AttemptError> {
        let output = self.query(doing, query, from, None).await?;
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// All records that a query finds.
    pub async fn all(&self, doing: &'static str, query: &Query) -> Result<Vec<Item>, AttemptError> {
        Ok(self.all_of(doing, query).await?.0)
    }

    /// The same, and how many it scanned.
    pub async fn all_of(
        &self,
        doing: &'static str,
        query: &Query,
    ) -> Result<(Vec<Item>, usize), AttemptError> {
        let (mut all, mut scanned, mut next) = (Vec::new(), 0, None);
        loop {
            let output = self.query(doing, query, next, None).await?;
            all.extend(output.items.unwrap_or_default());
            scanned += usize::try_from(output.scanned_count).unwrap_or(0);
            next = output.last_evaluated_key;
            if next.is_none() {
                return Ok((all, scanned));
            }
        }
    }

    /// How many records a query finds, and how many it scanned.
    pub async fn count(
        &self,
        doing: &'static str,
        query: &Query,
    ) -> Result<(usize, usize), AttemptError> {
        let (mut count, mut read, mut next) = (0, 0, None);
        loop {
            let output = self.query(doing, query, next, Some(Select::Count)).await?;
            count += usize::try_from(output.count).unwrap_or(0);
            read += usize::try_from(output.scanned_count).unwrap_or(0);
            next = output.last_evaluated_key;
            if next.is_none() {
                return Ok((count, read));
            }
        }
    }

    async fn query(
        &self,
        doing: &'static str,
        query: &Query,
        from: NextPage,
        select: Option<Select>,
    ) -> Result<QueryOutput, AttemptError> {
        let _permit = self.permit().await?;
        let values = query.values.iter().cloned();
        let values = values.map(|(name, value)| (name.to_owned(), value));
        let request = self.client.query().table_name(&self.name);
        let request = request
            .set_index_name(query.index.map(Into::into))
            .key_condition_expression(query.keys)
            .set_filter_expression(query.filter.map(Into::into))
            .set_projection_expression(query.fields.map(Into::into))
            .set_expression_attribute_names(names(&[Some(query.keys), query.filter, query.fields]))
            .set_expression_attribute_values(Some(values.collect()))
            .consistent_read(query.index.is_none() && !query.eventually_consistent)
            .set_limit(query.page)
            .set_select(select)
            .set_exclusive_start_key(from);
        single(doing, Box::pin(request.send()).await)
    }
}

//! Writes: single ones and transactions.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValue, TransactWriteItem, Update,
};

use crate::store::Failure;
use crate::store::dynamodb::attempt_error::{AttemptError, single, transaction};
use crate::store::dynamodb::items::keys::Item;
use crate::store::dynamodb::requests::Table;
use crate::store::dynamodb::requests::step::{Action, Step};

impl Table {
    /// Writes all steps or none.
    pub async fn write(&self, doing: &'static str, steps: Vec<Step>) -> Result<(), AttemptError> {
        let nodes = self.nodes.begin_write(&steps);
        self.send(doing, steps).await?;
        self.nodes.insert(nodes);
        Ok(())
    }

    async fn send(&self, doing: &'static str, mut steps: Vec<Step>) -> Result<(), AttemptError> {
        let alone = steps.len() == 1 && !matches!(steps[0].action, Action::Check(_));
        match steps.pop() {
            None => Ok(()),
            Some(step) if alone => self.write_one(doing, step).await,
            Some(last) => {
                steps.push(last);
                self.write_all(doing, steps).await
            }
        }
    }

    /// Updates one record, and returns it as it is then.
    pub async fn update(&self, doing: &'static str, step: Step) -> Result<Item, AttemptError> {
        let _permit = self.permit().await?;
        let (names, values) = (step.names(), step.values());
        let Action::Update(key, change) = step.action else {
            return Err(Failure::new(doing, "only an update returns its record").into());
        };
        let update = self.client.update_item().table_name(&self.name);
        let update = update
            .set_key(Some(key.attributes()))
            .update_expression(change)
            .set_condition_expression(step.condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew);
        let updated = single(doing, Box::pin(update.send()).await)?;
        Ok(updated.attributes.unwrap_or_default())
    }

    async fn write_one(&self, doing: &'static str, step: Step) -> Result<(), AttemptError> {
        let _permit = self.permit().await?;
        let (names, values) = (step.names(), step.values());
        match step.action {
            Action::Put(item) => {
                let put = self.client.put_item().table_name(&self.name);
                let put = put.set_item(Some(item));
                let put = put.set_condition_expression(step.condition);
                let put = put
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                single(doing, Box::pin(put.send()).await).map(drop)
            }
            Action::Update(key, change) => {
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
            Action::Delete(key) | Action::Check(key) => {
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

    /// The SDK gives each transaction a token, so that a transaction that is sent again because
    /// its response was lost is applied once.
    async fn write_all(&self, doing: &'static str, steps: Vec<Step>) -> Result<(), AttemptError> {
        let _permit = self.permit().await?;
        let steps: Result<Vec<_>, _> = steps.into_iter().map(|step| self.transact(step)).collect();
        let steps = steps.map_err(|error| Failure::new(doing, error))?;
        let request = self.client.transact_write_items();
        let sent = Box::pin(request.set_transact_items(Some(steps)).send()).await;
        transaction(doing, sent).map(drop)
    }

    fn transact(&self, step: Step) -> Result<TransactWriteItem, BuildError> {
        let (names, values) = (step.names(), step.values());
        let item = TransactWriteItem::builder();
        Ok(match step.action {
            Action::Put(record) => {
                let put = Put::builder().table_name(&self.name);
                let put = put.set_item(Some(record));
                let put = put
                    .set_condition_expression(step.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.put(put.build()?)
            }
            Action::Update(key, change) => {
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
            Action::Delete(key) => {
                let delete = Delete::builder().table_name(&self.name);
                let delete = delete.set_key(Some(key.attributes()));
                let delete = delete
                    .set_condition_expression(step.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values);
                item.delete(delete.build()?)
            }
            Action::Check(key) => {
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
}

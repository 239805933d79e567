//! The operations of graphql-sse's single connection mode: requests of their own begin them, and
//! one event stream carries the results of all.

use std::sync::Arc;

use serde_json::Value;

use crate::auth::{Caller, Unauthorized};
use crate::model::error::ClientError;
use crate::realtime::message::channel_error;
use crate::realtime::operation::{Outcome, Registration, run};
use crate::realtime::session::OperationKey;
use crate::realtime::stream::EventStream;
use crate::realtime::stream::operations::NotBegun;
use crate::realtime::stream::request::StreamRequest;
use crate::resolvers::response;

impl EventStream {
    /// A caller with what opened the stream, if that still holds.
    pub fn authorize(&self, caller: Caller) -> Result<Caller, Unauthorized> {
        let context = &self.context;
        let now = context.runner.mesh().clock.now();
        let grant = context.authenticator.recheck(&context.grant, now)?;
        Ok(Caller {
            role: grant.role,
            join_code: caller.join_code.or(context.join_code),
            ..caller
        })
    }

    /// Begins an operation. One too many is refused on the stream (`None`).
    pub fn begin(&self, id: &str) -> Result<Option<OperationKey>, NotBegun> {
        let limit = self.context.limits.operations;
        match self.state().operations.begin(id, limit) {
            Err(NotBegun::TooMany) => {
                let message = format!("Max number of {limit} subscriptions reached");
                let error = channel_error("MaxSubscriptionsReachedError", &message);
                self.outbox.send(&self.dialect.error(id, vec![error]));
                Ok(None)
            }
            begun => begun.map(Some),
        }
    }

    /// Runs an operation. A subscription stands when this returns (decision D17).
    pub async fn execute(
        self: Arc<Self>,
        key: OperationKey,
        request: StreamRequest,
        caller: Caller,
    ) {
        let StreamRequest {
            graphql, positions, ..
        } = request;
        let outcome = match positions {
            Ok(positions) => {
                let (runner, operation) = (self.context.runner.clone(), key.clone());
                run(runner, caller, operation, self.dialect, graphql, positions).await
            }
            Err(wrong) => {
                let error = response::request_error("ValidationError", wrong);
                Outcome::Rejected(key.clone(), vec![error])
            }
        };
        match outcome {
            Outcome::Response(_, text) => self.respond(&key, text),
            Outcome::Rejected(_, errors) => self.reject(&key, errors),
            Outcome::Subscription(registration) => self.subscribe(&key, registration),
        }
    }

    /// Ends an operation. Nothing of it follows its `complete`.
    pub fn end(&self, id: &str) {
        let mut state = self.state();
        let was_there = state.operations.end_by_id(id);
        state.subscriptions.remove(id);
        drop(state);
        if was_there {
            self.outbox.send(&self.dialect.complete(id));
        }
    }

    /// Queues a result, unless the operation was ended meanwhile. Results count towards what may
    /// wait, for many may come at once.
    fn respond(&self, key: &OperationKey, text: Vec<u8>) {
        if !self.state().operations.end(key) {
            return;
        }
        if !self.outbox.offer(text) {
            let bytes = self.context.limits.outbox_bytes;
            let refused = response::client_error(&ClientError::UnreadResponses { bytes });
            return self
                .outbox
                .send(&self.dialect.error(&key.id, vec![refused]));
        }
        self.outbox.send(&self.dialect.complete(&key.id));
    }

    fn reject(&self, key: &OperationKey, errors: Vec<Value>) {
        if self.state().operations.end(key) {
            self.outbox.send(&self.dialect.error(&key.id, errors));
        }
    }

    fn subscribe(&self, key: &OperationKey, registration: Registration) {
        let mut state = self.state();
        // The client may have ended it meanwhile, or the stream has ended.
        if !state.operations.contains(key) {
            return;
        }
        if let Err(refused) = self.register_in(&mut state, registration) {
            state.operations.end(key);
            drop(state);
            self.outbox.send(&refused);
        }
    }
}

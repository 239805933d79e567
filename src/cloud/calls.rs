//! The fields of the schema that cloud sockets call, each by a document of its own that is parsed
//! once. So a cloud socket may do what any client may, and nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::auth::Caller;
use crate::cloud::close;
use crate::model::group::GroupKey;
use crate::realtime::close::Close;
use crate::resolvers::request::GraphQlRequest;
use crate::resolvers::run::{Runner, SubscriptionTarget};

/// When a call that failed inside the server is repeated.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

const FIND: &str = "query ($code: String!) { it: groupByJoinCode(code: $code) { id domain } }";
const CREATE: &str = "mutation ($name: String!, $hostId: ID!, $domain: String!, $hostToken: String) { \
    it: createGroup(name: $name, hostId: $hostId, domain: $domain, useWebSocket: true, \
    hostToken: $hostToken) { id domain heartbeatIntervalSeconds } }";
const JOIN: &str = "mutation ($groupId: ID!, $domain: String!, $nodeId: ID!, $nodeToken: String, \
    $nickname: String) { it: joinGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId, \
    useWebSocket: true, nodeToken: $nodeToken, nickname: $nickname) { heartbeatIntervalSeconds } }";
const STATUSES: &str = "query ($groupId: ID!, $domain: String!) { \
    listGroupStatuses(groupId: $groupId, domain: $domain) { nodeId timestamp data { key value } } }";
const REPORT: &str = "mutation ($groupId: ID!, $domain: String!, $nodeId: ID!, \
    $data: [SensorDataInput!]!, $nodeToken: String) { reportDataByNode(groupId: $groupId, \
    domain: $domain, nodeId: $nodeId, data: $data, nodeToken: $nodeToken) { groupId } }";
const HEARTBEAT: &str = "mutation ($groupId: ID!, $domain: String!, $nodeId: ID!, \
    $nodeToken: String) { it: sendMemberHeartbeat(groupId: $groupId, domain: $domain, \
    nodeId: $nodeId, nodeToken: $nodeToken) { nodeId } }";
const RENEW: &str = "mutation ($groupId: ID!, $domain: String!, $hostId: ID!, $hostToken: String) { \
    it: renewHeartbeat(groupId: $groupId, domain: $domain, hostId: $hostId, \
    hostToken: $hostToken) { groupId } }";
const LEAVE: &str = "mutation ($groupId: ID!, $domain: String!, $nodeId: ID!, $nodeToken: String) { \
    it: leaveGroup(groupId: $groupId, domain: $domain, nodeId: $nodeId, nodeToken: $nodeToken) \
    { peerId } }";
const SUBSCRIBE: &str = "subscription ($groupId: ID!, $domain: String!) { \
    onMessageInGroup(groupId: $groupId, domain: $domain) { groupId } }";

/// A field that is called, with its document.
#[derive(Clone, Copy, Debug)]
pub struct Field(&'static str);

impl Field {
    /// groupByJoinCode.
    pub const FIND: Self = Self(FIND);
    /// createGroup.
    pub const CREATE: Self = Self(CREATE);
    /// joinGroup.
    pub const JOIN: Self = Self(JOIN);
    /// listGroupStatuses.
    pub const STATUSES: Self = Self(STATUSES);
    /// reportDataByNode.
    pub const REPORT: Self = Self(REPORT);
    /// sendMemberHeartbeat.
    pub const HEARTBEAT: Self = Self(HEARTBEAT);
    /// renewHeartbeat.
    pub const RENEW: Self = Self(RENEW);
    /// leaveGroup.
    pub const LEAVE: Self = Self(LEAVE);
}

/// Calls as one caller.
#[derive(Clone)]
pub struct Calls {
    /// Runs the documents.
    pub runner: Runner,
    /// Who calls.
    pub caller: Caller,
}

/// A call that was refused or failed.
#[derive(Debug)]
pub struct CallError {
    kind: String,
    message: String,
    retry_after: Option<Duration>,
}

/// What follows from an error of a member's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// The call may be repeated after this time.
    Repeat(Duration),
    /// The socket is closed.
    Close(Close),
    /// The call has no effect.
    Drop,
}

impl Calls {
    /// Calls a field of a group, with more arguments.
    pub async fn in_group(
        &self,
        field: Field,
        group: &GroupKey,
        more: Value,
    ) -> Result<Value, CallError> {
        self.call(field, arguments(group, more)).await
    }

    /// Calls a field; returns its value.
    pub async fn call(&self, field: Field, arguments: Value) -> Result<Value, CallError> {
        let variables = serde_json::value::to_raw_value(&arguments);
        let variables = variables.map_err(|_| CallError::failure())?;
        let request = GraphQlRequest {
            query: field.0.into(),
            variables: Some(&variables),
            operation_name: None,
        };
        let document = self.runner.documents().get(&request);
        let document = document.map_err(|_| CallError::failure())?;
        let response = self.runner.execute(document, &request, self.caller).await;
        let response = response.ok_or_else(CallError::failure)?;
        let response = serde_json::from_slice(&response.text);
        let mut response: Value = response.map_err(|_| CallError::failure())?;
        match &response["errors"][0] {
            Value::Null => {
                let value = response["data"].as_object_mut();
                let value = value.and_then(|fields| fields.values_mut().next());
                Ok(value.map(Value::take).unwrap_or_default())
            }
            error => Err(CallError::of(error)),
        }
    }

    /// Asks whether the caller may subscribe to a group.
    pub async fn subscribe(&self, group: &GroupKey) -> Result<SubscriptionTarget, CallError> {
        let variables = serde_json::value::to_raw_value(&arguments(group, json!({})));
        let variables = variables.map_err(|_| CallError::failure())?;
        let request = GraphQlRequest {
            query: SUBSCRIBE.into(),
            variables: Some(&variables),
            operation_name: None,
        };
        let document = self.runner.documents().get(&request);
        let document = document.map_err(|_| CallError::failure())?;
        let variables = request.variables().unwrap_or_default();
        let target = self.runner.subscribe(&document, variables, self.caller);
        target.await.map_err(|errors| match errors.first() {
            Some(error) => CallError::of(error),
            None => CallError::failure(),
        })
    }
}

fn arguments(group: &GroupKey, mut more: Value) -> Value {
    more["groupId"] = group.id.as_str().into();
    more["domain"] = group.domain.as_str().into();
    more
}

impl CallError {
    fn of(error: &Value) -> Self {
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let retry_after = error["extensions"]["retryAfterMs"].as_u64();
        Self {
            kind: text("errorType"),
            message: text("message"),
            retry_after: retry_after.map(Duration::from_millis),
        }
    }

    fn failure() -> Self {
        Self {
            kind: "InternalFailure".into(),
            message: String::new(),
            retry_after: None,
        }
    }

    /// Whether the node or host with this id has another token.
    pub fn is_wrong_token(&self) -> bool {
        self.message.ends_with("with which it was made")
    }

    /// Whether the process is short of memory, which may pass: a full group stays full.
    fn is_for_memory(&self) -> bool {
        self.message.contains("memory is full")
    }

    /// How a socket is closed that cannot enter the group.
    pub fn on_entering(&self) -> Close {
        match self.kind.as_str() {
            "GroupNotFound" => close::UNAVAILABLE,
            "Locked" => close::LOCKED,
            "Unauthorized" => close::REMOVED,
            "LimitExceeded" if !self.is_for_memory() => close::FULL,
            "ValidationError" => close::BAD_MESSAGE,
            _ => close::NOT_NOW,
        }
    }

    /// What follows for a member; `ended` closes it if the group has ended.
    pub fn on_member(&self, ended: Close) -> Consequence {
        match self.kind.as_str() {
            "GroupNotFound" => Consequence::Close(ended),
            "NodeNotFound" => Consequence::Close(close::AGAIN),
            "Unauthorized" => Consequence::Close(close::REMOVED),
            "LimitExceeded" if !self.is_for_memory() => Consequence::Drop,
            "ValidationError" => Consequence::Drop,
            _ => Consequence::Repeat(self.retry_after.unwrap_or(AFTER_FAILURE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::Mesh;
    use crate::resolvers::DocumentLimits;

    fn calls() -> Calls {
        let tasks = tokio_util::task::TaskTracker::new();
        let runner = Runner::new(Mesh::in_memory(), DocumentLimits::default(), tasks);
        let caller = Caller::default();
        Calls { runner, caller }
    }

    #[tokio::test]
    async fn every_document_is_valid() {
        let (calls, token) = (calls(), "0123456789abcdef");
        let created = json!({"name": "n", "hostId": "h", "domain": "d", "hostToken": token});
        let created = calls.call(Field::CREATE, created).await.unwrap();
        let id = created["id"].as_str().unwrap();
        let group = GroupKey::parse(id, created["domain"].as_str().unwrap()).unwrap();
        let node = || json!({"nodeId": "n", "nodeToken": token, "nickname": "n", "data": []});
        for field in [Field::JOIN, Field::HEARTBEAT, Field::REPORT, Field::LEAVE] {
            let value = calls.in_group(field, &group, node()).await.unwrap();
            assert!(value.is_object(), "{field:?}");
        }
        let host = json!({"hostId": "h", "hostToken": token});
        calls.in_group(Field::RENEW, &group, host).await.unwrap();
        let statuses = calls.in_group(Field::STATUSES, &group, json!({})).await;
        assert!(statuses.unwrap().is_array());
        assert_eq!(calls.subscribe(&group).await.unwrap().group, group);
        let found = calls.call(Field::FIND, json!({"code": "000000"})).await;
        assert_eq!(found.unwrap(), Value::Null);
    }

    #[tokio::test]
    async fn errors_close_repeat_or_drop() {
        let (calls, group) = (calls(), GroupKey::parse("g", "d").unwrap());
        let node = json!({"nodeId": "n"});
        let error = calls.in_group(Field::HEARTBEAT, &group, node).await;
        let error = error.unwrap_err();
        assert_eq!(error.on_entering(), close::UNAVAILABLE);
        assert_eq!(
            error.on_member(close::ENDED),
            Consequence::Close(close::ENDED)
        );
        let paused = json!({"errorType": "Paused", "extensions": {"retryAfterMs": 300}});
        let paused = CallError::of(&paused).on_member(close::ENDED);
        assert_eq!(paused, Consequence::Repeat(Duration::from_millis(300)));
        let short = crate::memory::Memory::new(1).admit(crate::memory::Work::Data, 2);
        let short = short.unwrap_err();
        let short = json!({"errorType": short.kind(), "message": short.to_string()});
        let short = CallError::of(&short);
        assert_eq!(short.on_entering(), close::NOT_NOW);
        assert_eq!(
            short.on_member(close::ENDED),
            Consequence::Repeat(AFTER_FAILURE)
        );
    }
}

//! Hosts, groups and nodes, with the product's verbs.

use serde_json::{Value, json};

use super::json::{list, text};
use super::mesh::TestMesh;
use super::reply::Reply;
use super::socket::TestSubscriber;

/// A client that hosts groups.
pub struct Host<'a> {
    mesh: &'a TestMesh,
    pub id: String,
    pub domain: String,
}

impl<'a> Host<'a> {
    pub fn new(mesh: &'a TestMesh, id: String, domain: String) -> Self {
        Self { mesh, id, domain }
    }

    /// The same host in another domain.
    pub fn moves_to(mut self, domain: &str) -> Self {
        self.domain = domain.into();
        self
    }

    /// Calls createGroup for a WebSocket group.
    pub async fn creates(&self, name: &str) -> Group<'a> {
        self.group(&self.calls_create_group(name, json!({})).await)
    }

    /// Calls createGroup for a polling group.
    pub async fn creates_polling(&self, name: &str) -> Group<'a> {
        self.group(
            &self
                .calls_create_group(name, json!({"useWebSocket": false}))
                .await,
        )
    }

    /// Calls createGroup with the usual arguments, some of them changed.
    pub async fn calls_create_group(&self, name: &str, changed: Value) -> Reply {
        let mut arguments = json!({
            "name": name, "hostId": self.id, "domain": self.domain, "useWebSocket": true,
        });
        merge(&mut arguments, changed);
        self.mesh.calls("createGroup", arguments).await
    }

    #[track_caller]
    pub fn group(&self, reply: &Reply) -> Group<'a> {
        let record = reply.value();
        Group {
            mesh: self.mesh,
            id: text(&record["id"]),
            domain: text(&record["domain"]),
            host: self.id.clone(),
            record,
        }
    }
}

/// A group as its host received it.
#[derive(Clone)]
pub struct Group<'a> {
    pub mesh: &'a TestMesh,
    pub id: String,
    pub domain: String,
    pub host: String,
    pub record: Value,
}

impl<'a> Group<'a> {
    /// The arguments that name this group, with more.
    pub fn and(&self, more: Value) -> Value {
        let mut arguments = json!({"groupId": self.id, "domain": self.domain});
        merge(&mut arguments, more);
        arguments
    }

    /// Calls a root field about this group.
    pub async fn calls(&self, field: &str, more: Value) -> Reply {
        self.mesh.calls(field, self.and(more)).await
    }

    /// A node of this group, member or not.
    pub fn node(&self, name: &str) -> Node<'a> {
        let (mesh, id) = (self.mesh, self.mesh.id(name));
        Node {
            mesh,
            id,
            group: self.id.clone(),
            domain: self.domain.clone(),
        }
    }

    /// The host as a node of the group.
    pub fn hosting_node(&self) -> Node<'a> {
        Node {
            id: self.host.clone(),
            ..self.node("")
        }
    }

    /// Calls joinGroup for a member on a WebSocket.
    pub async fn join(&self, name: &str) -> Node<'a> {
        let node = self.node(name);
        node.calls("joinGroup", json!({"useWebSocket": true}))
            .await
            .value();
        node
    }

    /// Calls joinGroup for a member that polls.
    pub async fn join_polling(&self, name: &str) -> Node<'a> {
        let node = self.node(name);
        node.calls("joinGroup", json!({"useWebSocket": false}))
            .await
            .value();
        node
    }

    /// Opens an AppSync subscription to the group.
    pub async fn subscribe(&self) -> TestSubscriber {
        TestSubscriber::to(self.mesh, &self.id, &self.domain).await
    }

    pub async fn renews(&self) -> Reply {
        self.calls("renewHeartbeat", json!({"hostId": self.host}))
            .await
    }

    pub async fn dissolves(&self) -> Reply {
        self.calls("dissolveGroup", json!({"hostId": self.host}))
            .await
    }

    /// The nodes of listNodesInGroup, by id.
    pub async fn members(&self) -> Vec<String> {
        let nodes = self.calls("listNodesInGroup", json!({})).await.value();
        list(&nodes).iter().map(|node| text(&node["id"])).collect()
    }

    /// The entries of listGroupStatuses.
    pub async fn statuses(&self) -> Vec<Status> {
        let statuses = self.calls("listGroupStatuses", json!({})).await.value();
        list(&statuses).iter().map(Status::of).collect()
    }

    /// The events of getEventsSince.
    pub async fn events_since(&self, since: &str) -> Vec<Value> {
        list(
            &self
                .calls("getEventsSince", json!({"since": since}))
                .await
                .value(),
        )
        .clone()
    }

    /// Reads the log to its end, page by page.
    pub async fn reads_on_from(&self, mut since: String) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let page = self.events_since(&since).await;
            let Some(last) = page.last() else { return all };
            since = text(&last["cursor"]);
            all.extend(page);
        }
    }
}

/// A node in a group.
#[derive(Clone)]
pub struct Node<'a> {
    mesh: &'a TestMesh,
    pub id: String,
    pub group: String,
    pub domain: String,
}

impl Node<'_> {
    /// Calls a root field as this node in its group.
    pub async fn calls(&self, field: &str, more: Value) -> Reply {
        let mut arguments =
            json!({"groupId": self.group, "domain": self.domain, "nodeId": self.id});
        merge(&mut arguments, more);
        self.mesh.calls(field, arguments).await
    }

    /// Calls reportDataByNode and answers its nodeStatus.
    pub async fn reports<const N: usize>(&self, data: [(&str, &str); N]) -> Value {
        let data: Vec<_> = data
            .iter()
            .map(|(k, v)| json!({"key": k, "value": v}))
            .collect();
        let message = self
            .calls("reportDataByNode", json!({"data": data}))
            .await
            .value();
        message["nodeStatus"].clone()
    }

    /// Calls fireEventsByNode with events of these names.
    pub async fn fires<const N: usize>(&self, names: [&str; N]) -> Value {
        let events = names.map(|name| event(name, json!({}))).to_vec();
        self.calls("fireEventsByNode", json!({"events": events}))
            .await
            .value()
    }

    /// Calls recordEventsByNode with events of these names and answers its nextSince.
    pub async fn records<const N: usize>(&self, names: [&str; N]) -> String {
        let events = names.map(|name| event(name, json!({}))).to_vec();
        let recorded = self
            .calls("recordEventsByNode", json!({"events": events}))
            .await
            .value();
        text(&recorded["nextSince"])
    }

    pub async fn sends_heartbeat(&self) -> Reply {
        self.calls("sendMemberHeartbeat", json!({})).await
    }

    pub async fn leaves(&self) -> Reply {
        self.calls("leaveGroup", json!({})).await
    }

    /// The variables of getNodeStatus, if there are any.
    pub async fn status(&self) -> Option<Status> {
        let status = self.calls_alone("getNodeStatus").await.value();
        (!status.is_null()).then(|| Status::of(&status))
    }

    async fn calls_alone(&self, field: &str) -> Reply {
        self.mesh.calls(field, json!({"nodeId": self.id})).await
    }
}

/// An `EventInput`.
pub fn event(name: &str, more: Value) -> Value {
    let mut event = json!({"eventName": name, "firedAt": "2026-02-07T01:02:03.456Z"});
    merge(&mut event, more);
    event
}

/// A node's variables with their time.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub node: String,
    pub data: Vec<(String, String)>,
    pub timestamp: String,
}

impl Status {
    #[track_caller]
    pub fn of(status: &Value) -> Self {
        let pairs = list(&status["data"]).iter();
        Self {
            node: text(&status["nodeId"]),
            data: pairs
                .map(|pair| (text(&pair["key"]), text(&pair["value"])))
                .collect(),
            timestamp: text(&status["timestamp"]),
        }
    }
}

/// A node's id and its variables.
impl<const N: usize> PartialEq<(&str, [(&str, &str); N])> for Status {
    fn eq(&self, (node, data): &(&str, [(&str, &str); N])) -> bool {
        let own = self.data.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        self.node == *node && own.eq(data.iter().copied())
    }
}

fn merge(into: &mut Value, more: Value) {
    let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) else {
        panic!("only objects are merged");
    };
    into.extend(more);
}

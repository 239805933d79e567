//! The check's own group: made, used and dissolved. Its domain is typed and random, so it is in no
//! list of others.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::facts::Rejection;
use crate::http::Client;

/// Arguments that name a group, and what of them the document declares.
const GROUP: [(&str, &str); 2] = [("groupId", "ID!"), ("domain", "String!")];
/// What a fire selects: AppSync delivers no more than that.
const BATCH: &str = "{ groupId domain batchEvent { events { name firedByNodeId groupId domain payload timestamp orderKey } firedByNodeId groupId domain timestamp } }";

/// A group with one node.
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
    host: String,
    node: String,
    /// A server under the policy `token` needs one; others may not know the argument.
    token: Option<String>,
}

/// A document with one field, whose arguments are variables.
fn document(kind: &str, field: &str, arguments: &[(&str, &str)], selection: &str) -> String {
    let list = |write: fn(&(&str, &str)) -> String| {
        arguments.iter().map(write).collect::<Vec<_>>().join(", ")
    };
    let declared = list(|(name, kind)| format!("${name}: {kind}"));
    let passed = list(|(name, _)| format!("{name}: ${name}"));
    format!("{kind} Doctor({declared}) {{ {field}({passed}) {selection} }}")
}

impl Group {
    /// Makes a group, and a node in it.
    pub async fn create(client: &Client) -> Result<Self, Rejection> {
        let plain = Self::create_with(client, None).await;
        let Err(Rejection::Error { message, .. }) = &plain else {
            return plain;
        };
        if !message.contains("hostToken") {
            return plain;
        }
        Self::create_with(client, Some(Uuid::new_v4().to_string())).await
    }

    async fn create_with(client: &Client, token: Option<String>) -> Result<Self, Rejection> {
        let run = Uuid::new_v4().simple().to_string();
        let mut group = Self {
            id: String::new(),
            domain: format!("doctor-{}", &run[..16]),
            host: format!("doctor-host-{run}"),
            node: format!("doctor-node-{run}"),
            token,
        };
        let mut arguments = vec![
            ("name", "String!"),
            ("hostId", "ID!"),
            ("domain", "String!"),
            ("useWebSocket", "Boolean!"),
        ];
        let mut variables = json!({
            "name": "doctor",
            "hostId": group.host,
            "domain": group.domain,
            "useWebSocket": true,
        });
        if let Some(token) = &group.token {
            arguments.push(("hostToken", "String"));
            variables["hostToken"] = token.as_str().into();
        }
        let create = document("mutation", "createGroup", &arguments, "{ id }");
        let created = client.execute(&create, &variables).await?;
        created["id"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut group.id);
        if let Err(why) = group
            .as_node(client, "joinGroup", &[], json!({}), "{ id }")
            .await
        {
            group.dissolve(client).await;
            return Err(why);
        }
        Ok(group)
    }

    /// Fires an event; returns the server's time of it.
    pub async fn fire(&self, client: &Client, name: &str) -> Result<Value, Rejection> {
        let events = event(name);
        let fired = self.as_node(client, "fireEventsByNode", EVENTS, events, BATCH);
        Ok(fired.await?["batchEvent"]["timestamp"].take())
    }

    /// Records an event.
    pub async fn record(&self, client: &Client, name: &str) -> Result<(), Rejection> {
        let selection = "{ groupId domain recordedCount nextSince }";
        let recorded = self.as_node(client, "recordEventsByNode", EVENTS, event(name), selection);
        recorded.await.map(drop)
    }

    /// Whether polling finds the event.
    pub async fn polls(&self, client: &Client, name: &str) -> Result<bool, Rejection> {
        let arguments = [GROUP[0], GROUP[1], ("since", "String!")];
        let selection = "{ events { name } nodeStatuses { nodeId } }";
        let poll = document("query", "pollGroupData", &arguments, selection);
        let variables = json!({"groupId": self.id, "domain": self.domain, "since": ""});
        let polled = client.execute(&poll, &variables).await?;
        let events = polled["events"].as_array();
        Ok(events.is_some_and(|events| events.iter().any(|event| event["name"] == name)))
    }

    /// Says that the host is there.
    pub async fn renew(&self, client: &Client) -> Result<(), Rejection> {
        let renewed = self.as_host(client, "renewHeartbeat", "{ groupId domain expiresAt }");
        renewed.await.map(drop)
    }

    /// Ends the group; answers whether that worked.
    pub async fn dissolve(&self, client: &Client) -> bool {
        let selection = "{ groupId domain groupDissolve { groupId domain message } }";
        self.as_host(client, "dissolveGroup", selection)
            .await
            .is_ok()
    }

    async fn as_host(
        &self,
        client: &Client,
        field: &str,
        selection: &str,
    ) -> Result<Value, Rejection> {
        let variables = json!({"hostId": self.host});
        self.call(
            client,
            field,
            [("hostId", "ID!"), ("hostToken", "String")],
            &[],
            variables,
            selection,
        )
        .await
    }

    async fn as_node(
        &self,
        client: &Client,
        field: &str,
        more: &[(&str, &str)],
        mut variables: Value,
        selection: &str,
    ) -> Result<Value, Rejection> {
        variables["nodeId"] = self.node.as_str().into();
        self.call(
            client,
            field,
            [("nodeId", "ID!"), ("nodeToken", "String")],
            more,
            variables,
            selection,
        )
        .await
    }

    /// Calls a mutation as an actor: the argument of its id, and that of its token.
    async fn call(
        &self,
        client: &Client,
        field: &str,
        [id, token]: [(&str, &str); 2],
        more: &[(&str, &str)],
        mut variables: Value,
        selection: &str,
    ) -> Result<Value, Rejection> {
        let mut arguments = [&GROUP[..], &[id], more].concat();
        variables["groupId"] = self.id.as_str().into();
        variables["domain"] = self.domain.as_str().into();
        if let Some(secret) = &self.token {
            arguments.push(token);
            variables[token.0] = secret.as_str().into();
        }
        let mutation = document("mutation", field, &arguments, selection);
        client.execute(&mutation, &variables).await
    }
}

/// The argument of events.
const EVENTS: &[(&str, &str)] = &[("events", "[EventInput!]!")];

/// The server has its own time for it.
fn event(name: &str) -> Value {
    json!({"events": [{"eventName": name, "firedAt": "2000-01-01T00:00:00.000Z"}]})
}

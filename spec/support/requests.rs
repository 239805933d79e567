//! Requests to a server under test.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::documents;
use super::mesh::TestMesh;
use super::reply::Reply;
use super::socket::Socket;
use super::trust;

impl TestMesh {
    /// Posts an envelope with the server's key.
    pub async fn posts(&self, envelope: &Value) -> Reply {
        let request = self.http().post(&self.endpoint);
        Reply::to(self.signs(request).json(envelope)).await
    }

    /// A request with this client's key, address and join code.
    pub fn signs(&self, request: RequestBuilder) -> RequestBuilder {
        let mut request = request.header("x-api-key", &self.key);
        if let Some(address) = &self.forwarded {
            request = request.header("x-forwarded-for", address);
        }
        if let Some(code) = &self.join_code {
            request = request.header("x-mesh-join-code", code);
        }
        request
    }

    /// Executes a document without variables.
    pub async fn executes(&self, document: &str) -> Reply {
        self.posts(&json!({"query": document})).await
    }

    /// Executes a document with variables.
    pub async fn executes_with(&self, document: &str, variables: Value) -> Reply {
        self.posts(&json!({"query": document, "variables": variables}))
            .await
    }

    /// Calls one root field with every field of its result selected.
    pub async fn calls(&self, field: &str, arguments: Value) -> Reply {
        let given = |token: &&str| arguments.get(*token).is_some();
        let token = ["hostToken", "nodeToken"].into_iter().find(given);
        let document = documents::with_token(field, token);
        self.executes_with(&document, arguments).await
    }

    /// Opens a socket with the server's key in its query string.
    pub async fn opens(&self) -> Socket {
        Socket::connect(self, "/graphql/realtime", Some(&self.key)).await
    }

    /// Checks that another client is still served, whatever the misuse before.
    #[track_caller]
    pub fn still_serves(&self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            // A fresh client has no connection of those that were misused.
            let request = trust::client(&self.endpoint)
                .post(&self.endpoint)
                .header("x-api-key", &self.key);
            let reply = Reply::to(request.json(&json!({"query": "{ __typename }"}))).await;
            assert_eq!(
                reply.json,
                json!({"data": {"__typename": "Query"}}),
                "the server no longer serves after {caller}"
            );
        }
    }
}

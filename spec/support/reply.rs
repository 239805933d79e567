//! Answers over HTTP.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::harness::case;

/// The `errorType` of an invalid document or variable; AppSync sends none.
pub fn invalid() -> Value {
    if case::current().deployment.is_appsync() {
        Value::Null
    } else {
        json!("ValidationError")
    }
}

/// An answer over HTTP. Its helpers print the whole body when it is not as expected.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Reply {
    /// The answer to a request.
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body of text");
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status,
            headers,
            text,
            json,
        }
    }

    /// The value of the one root field, from an answer without errors.
    #[track_caller]
    pub fn value(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert!(self.json.get("errors").is_none(), "{}", self.text);
        let data = self.json["data"].as_object();
        let value = data.and_then(|data| data.values().next());
        value
            .unwrap_or_else(|| panic!("no data: {}", self.text))
            .clone()
    }

    /// The error's type and message, from an answer with exactly one error in AppSync's form.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        assert_eq!(
            self.status, 200,
            "logical failures are no HTTP errors: {}",
            self.text
        );
        let errors = self.json["errors"].as_array();
        let Some([error]) = errors.map(Vec::as_slice) else {
            panic!("one error is awaited: {}", self.text);
        };
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("errorType"), text("message"))
    }

    /// The same, compared.
    #[track_caller]
    pub fn is_refused(&self, kind: &str, message: &str) {
        assert_eq!(self.error(), (kind.into(), message.into()), "{}", self.text);
    }

    /// The message of the first error of a document or variables that cannot be run.
    #[track_caller]
    pub fn cannot_run(&self) -> &str {
        let error = &self.json["errors"][0];
        let kind = &error["errorType"];
        assert_eq!((self.status, kind), (200, &invalid()), "{}", self.text);
        error["message"].as_str().expect("a message")
    }

    /// A whole request that was refused, as AppSync answers it.
    #[track_caller]
    pub fn is_rejected(&self, status: u16, kind: &str, message: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        let mut error = self.json["errors"][0].clone();
        // Beside AppSync's text, some refusals say what to do next.
        error.as_object_mut().map(|error| error.remove("hint"));
        let whole = json!({"errorType": kind, "message": message});
        assert_eq!(error, whole, "{}", self.text);
        assert_eq!(self.json["errors"].as_array().map(Vec::len), Some(1));
        assert_eq!(self.header("x-amzn-errortype"), kind);
    }

    /// A header's text, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

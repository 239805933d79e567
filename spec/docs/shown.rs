//! What differs from run to run, as the docs show it: random ids, times and the key.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use mesh_v2::model::time::Timestamp;
use serde_json::{Value, json};

use crate::support::TestMesh;
use crate::support::json::text;

/// The first moment of every page.
const START: &str = "2026-11-20T01:00:00.000Z";
/// The key in the docs: of a server that was given none.
const KEY: &str = "da2-mesh-development";
/// The ids in the docs, in the order in which the server makes them.
const IDS: [&str; 6] = [
    "5f0c9b1e-7a34-4d2b-9c1f-3e8a6d5b2a10",
    "b27d1c48-0e6f-4a95-8d3b-71f2c9e4a6d3",
    "c8e35a90-42d7-4f1c-a6b8-9d0e1f7c3b54",
    "d4a1f6c2-95b3-4e08-b7d9-2c6e8a0f1d47",
    "e90b7d35-1c8a-4625-93fe-5a4d0b6c8e21",
    "f13c8e67-6d29-4b70-8ea4-0f9b2d7a5c96",
];

/// The join codes in the docs, in the order in which they are shown.
const CODES: [&str; 2] = ["3fa90c", "71d2e8"];
/// What stands before a join code in an answer.
const BEFORE_CODE: &str = r#""joinCode":""#;

/// A server whose clock the test moves, and how the docs show what it says.
pub struct Shown {
    pub mesh: TestMesh,
    ids: Vec<String>,
    codes: Vec<String>,
    /// Milliseconds from the docs' time to the server's.
    ahead: i64,
}

impl Shown {
    pub async fn start() -> Self {
        let mesh = TestMesh::own_still(|_| {}).await;
        // A group of one second shows what time it is.
        let document = r#"mutation { createGroup(name: "now", hostId: "now", domain: "now",
            maxConnectionTimeSeconds: 1, useWebSocket: true) { expiresAt } }"#;
        let end = mesh.posts(&json!({"query": document})).await.value();
        let now = millis(&text(&end["expiresAt"])) - 1000;
        // To a whole second, when that group is no more.
        let start = (now / 1000 + 3) * 1000;
        let wait = u64::try_from(start - now).expect("a time to come");
        mesh.passes(Duration::from_millis(wait)).await;
        Self {
            mesh,
            ids: Vec::new(),
            codes: Vec::new(),
            ahead: start - millis(START),
        }
    }

    /// A text of the server as the docs show it.
    pub fn shown(&mut self, text: &str) -> String {
        let (ids, ahead) = (&mut self.ids, self.ahead);
        let text = replaced(text, 36, is_id, |id| {
            let at = ids.iter().position(|known| known == id);
            let at = at.unwrap_or_else(|| {
                ids.push(id.to_owned());
                ids.len() - 1
            });
            (*IDS.get(at).expect("an id for the docs")).to_owned()
        });
        let text = replaced(&text, 24, is_time, |time| moved(time, -ahead));
        self.shows_codes(&text)
    }

    /// Replaces the join codes in an answer.
    fn shows_codes(&mut self, text: &str) -> String {
        let mut parts = text.split(BEFORE_CODE);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, rest) = part.split_at(6);
            if !self.codes.iter().any(|known| known == code) {
                self.codes.push(code.to_owned());
            }
            let at = self.codes.iter().position(|known| known == code);
            let code = at
                .and_then(|at| CODES.get(at))
                .expect("a code for the docs");
            out.extend([BEFORE_CODE, code, rest]);
        }
        out
    }

    /// A text of the docs as this server understands it.
    pub fn meant(&self, text: &str) -> String {
        let text = replaced(text, 36, is_id, |id| {
            let at = IDS.iter().position(|known| *known == id);
            at.and_then(|at| self.ids.get(at))
                .map_or(id, String::as_str)
                .to_owned()
        });
        let mut text = replaced(&text, 24, is_time, |time| moved(time, self.ahead));
        for (shown, code) in CODES.iter().zip(&self.codes) {
            text = text.replace(shown, code);
        }
        let header = |key: &str| json!({"host": "127.0.0.1:4000", "x-api-key": key}).to_string();
        let (shown, own) = (header(KEY), header(&self.mesh.key));
        text.replace(KEY, &self.mesh.key)
            .replace(
                &BASE64.encode(shown.as_bytes()),
                &BASE64.encode(own.as_bytes()),
            )
            .replace(
                &BASE64URL_NOPAD.encode(shown.as_bytes()),
                &BASE64URL_NOPAD.encode(own.as_bytes()),
            )
    }

    /// Runs a document of the docs over HTTP and answers the body as the docs show it.
    pub async fn runs(&mut self, document: &str) -> Value {
        let reply = self
            .mesh
            .posts(&json!({"query": self.meant(document)}))
            .await;
        let body = self.shown(&reply.text);
        serde_json::from_str(&body).expect("an answer of JSON")
    }
}

fn replaced(
    text: &str,
    length: usize,
    is_one: impl Fn(&str) -> bool,
    mut by: impl FnMut(&str) -> String,
) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        if let Some(one) = rest.get(..length).filter(|one| is_one(one)) {
            out += &by(one);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn is_id(text: &str) -> bool {
    text.as_bytes()[14] == b'4' && uuid::Uuid::try_parse(text).is_ok()
}

fn is_time(text: &str) -> bool {
    text.as_bytes()[10] == b'T' && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

fn millis(time: &str) -> i64 {
    let time: jiff::Timestamp = time.parse().expect("a time");
    time.as_millisecond()
}

fn moved(time: &str, by: i64) -> String {
    Timestamp::from_millis(millis(time) + by).to_string()
}

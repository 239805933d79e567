//! What the facts mean. Nothing here waits or reads the clock.

mod editor;
pub mod post;
mod reach;
mod ws;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::facts::Facts;
use crate::texts::{Lang, State, TEXTS, fill};

/// What is measured against.
#[derive(Clone, Debug)]
pub struct Criteria {
    /// The server.
    pub endpoint: Endpoint,
    /// The editor's page.
    pub origin: String,
    /// From when a TLS handshake or a message is late.
    pub slow: Duration,
    /// The pause between two events.
    pub pause: Duration,
    /// How long a step may take.
    pub wait: Duration,
}

/// The verdict on one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name in the texts: the check, and what was found.
    pub id: &'static str,
    /// What its text mentions.
    pub values: BTreeMap<&'static str, String>,
}

/// How members will connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By WebSocket.
    Websocket,
    /// By polling, which editors choose by themselves.
    Polling,
    /// By polling, which has to be chosen by hand.
    PollingByHand,
    /// Not at all.
    None,
}

impl Finding {
    fn new(id: &'static str) -> Self {
        Self {
            id,
            values: BTreeMap::new(),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and borrowed texts alike"
    )]
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.insert(name, value.to_string());
        self
    }

    /// The check.
    pub fn check(&self) -> &'static str {
        self.id.split('-').next().unwrap_or_default()
    }

    /// Its state.
    pub fn state(&self) -> State {
        TEXTS.findings[self.id].state
    }

    /// What it means, and what to do.
    pub fn advice(&self, lang: Lang) -> (String, String) {
        let advice = TEXTS.findings[self.id].advice.of(lang);
        (
            fill(&advice.means, &self.values),
            fill(&advice.todo, &self.values),
        )
    }
}

impl Way {
    /// Its name in the texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Polling => "polling",
            Self::PollingByHand => "polling-by-hand",
            Self::None => "none",
        }
    }
}

/// The findings, one for each check, in the order in which a connection needs them.
pub fn findings(facts: &Facts, criteria: &Criteria) -> Vec<Finding> {
    let place = &criteria.endpoint.http;
    let socket = ws::socket(facts, criteria);
    let all = [
        reach::dns(facts, criteria),
        reach::tcp(facts),
        reach::tls(facts, criteria),
        post::post(facts, criteria),
        post::cors(facts, criteria),
        post::group(facts),
        socket.clone(),
        post::poll(facts, criteria),
        ws::stream(facts, criteria),
        editor::clock(facts),
        editor::domain(facts),
        editor::secure(facts, criteria),
        editor::proxy(facts, socket.state() == State::Ok),
    ];
    let named = all.into_iter().map(|mut finding| {
        let host = match finding.check() {
            "ws" => &criteria.endpoint.realtime.host,
            _ => &place.host,
        };
        let values = &mut finding.values;
        values.insert("host", host.clone());
        values.insert("port", place.port.to_string());
        values.insert("origin", criteria.origin.clone());
        finding
    });
    named.collect()
}

/// How members will connect, by the findings.
pub fn way(findings: &[Finding]) -> Way {
    let state = |check: &str| {
        let finding = findings.iter().find(|finding| finding.check() == check);
        finding.map_or(State::Skipped, Finding::state)
    };
    let blocked = ["post", "cors", "group"]
        .iter()
        .any(|check| state(check) != State::Ok);
    let polls = state("poll") == State::Ok;
    match (state("ws"), polls) {
        _ if blocked => Way::None,
        (State::Ok, _) => Way::Websocket,
        (_, false) => Way::None,
        _ if findings.iter().any(|finding| ws::fools_editors(finding.id)) => Way::PollingByHand,
        _ => Way::Polling,
    }
}

/// Milliseconds, rounded.
fn millis(time: Duration) -> u128 {
    time.as_millis()
}

/// Seconds with one digit.
fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

#[cfg(test)]
mod tests;

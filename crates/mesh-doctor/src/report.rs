//! The result: for people, as JSON, and as a letter to the network department.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::facts::Facts;
use crate::texts::{Lang, State, TEXTS, fill};
use crate::verdict::{Criteria, Finding, Way, findings, way};

/// A finished check.
pub struct Report {
    /// One for each check.
    pub findings: Vec<Finding>,
    /// How members will connect.
    pub way: Way,
    endpoint: Endpoint,
    origin: String,
    at: Timestamp,
}

impl Report {
    /// Judges the facts.
    pub fn of(facts: &Facts, criteria: &Criteria) -> Self {
        let findings = findings(facts, criteria);
        Self {
            way: way(&findings),
            findings,
            endpoint: criteria.endpoint.clone(),
            origin: criteria.origin.clone(),
            at: facts.at,
        }
    }

    /// Names of the findings that are not as they should be.
    pub fn problems(&self) -> Vec<&'static str> {
        let problems = self.findings.iter().filter(|finding| is_problem(finding));
        problems.map(|finding| finding.id).collect()
    }

    /// The report for a terminal.
    pub fn text(&self, lang: Lang) -> String {
        let frame = TEXTS.frame.of(lang);
        let values = BTreeMap::from([
            ("url", self.endpoint.url.clone()),
            ("origin", self.origin.clone()),
        ]);
        let mut text = format!(
            "{}\n{}\n\n",
            fill(&frame.title, &values),
            fill(&frame.origin, &values)
        );
        for finding in &self.findings {
            let (means, todo) = finding.advice(lang);
            let state = state_name(finding.state());
            let (state, check) = (
                TEXTS.states[state].of(lang),
                TEXTS.checks[finding.check()].of(lang),
            );
            let _ = writeln!(text, "[{state}] {check}: {means}");
            if !todo.is_empty() {
                let _ = writeln!(text, "    -> {todo}");
            }
        }
        let advice = TEXTS.ways[self.way.name()].of(lang);
        let _ = write!(text, "\n=> {}\n", advice.means);
        if !advice.todo.is_empty() {
            let _ = writeln!(text, "   {}", advice.todo);
        }
        text
    }

    /// The report as JSON.
    pub fn json(&self, lang: Lang) -> Value {
        let findings = self.findings.iter().map(|finding| {
            let (means, todo) = finding.advice(lang);
            json!({
                "check": finding.check(),
                "finding": finding.id,
                "state": finding.state(),
                "means": means,
                "todo": todo,
                "values": finding.values,
            })
        });
        let advice = TEXTS.ways[self.way.name()].of(lang);
        json!({
            "url": self.endpoint.url,
            "origin": self.origin,
            "checkedAt": self.at.to_string(),
            "way": self.way,
            "means": advice.means,
            "todo": advice.todo,
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    /// A letter that names what the network has to allow.
    pub fn letter(&self, lang: Lang) -> String {
        let text = TEXTS.letter.of(lang);
        let values = self.letter_values(lang);
        let mut letter = fill(&text.greeting.join("\n"), &values) + "\n\n";
        for (number, item) in (1..).zip(&text.items) {
            let _ = writeln!(letter, "{number}. {}", fill(item, &values));
        }
        let problems: Vec<_> = self
            .findings
            .iter()
            .filter(|finding| is_problem(finding))
            .collect();
        let head = if problems.is_empty() {
            &text.nothing
        } else {
            &text.found
        };
        let _ = write!(letter, "\n{head}\n");
        for finding in problems {
            let check = TEXTS.checks[finding.check()].of(lang);
            let _ = writeln!(letter, "- {check}: {}", finding.advice(lang).0);
        }
        let _ = write!(letter, "{}\n\n", fill(&text.way, &values));
        letter + &fill(&text.closing.join("\n"), &values) + "\n"
    }

    fn letter_values(&self, lang: Lang) -> BTreeMap<&'static str, String> {
        let text = TEXTS.letter.of(lang);
        let (http, realtime) = (&self.endpoint.http, &self.endpoint.realtime);
        let mut hosts = http.host.clone();
        if realtime.host != http.host {
            hosts = format!("{hosts}, {}", realtime.host);
        }
        let scheme = if self.endpoint.secure { "wss" } else { "ws" };
        let authority = realtime.authority(self.endpoint.secure);
        BTreeMap::from([
            ("date", self.at.strftime("%Y-%m-%d").to_string()),
            ("hosts", hosts),
            ("port", http.port.to_string()),
            (
                "tls",
                if self.endpoint.secure {
                    &text.tls
                } else {
                    &text.plain
                }
                .clone(),
            ),
            (
                "realtime",
                format!("{scheme}://{authority}{}", realtime.path),
            ),
            ("way", TEXTS.ways[self.way.name()].of(lang).means.clone()),
            ("url", self.endpoint.url.clone()),
            ("page", format!("{}/doctor", self.endpoint.origin())),
        ])
    }
}

fn is_problem(finding: &Finding) -> bool {
    [State::Warning, State::Blocked].contains(&finding.state())
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Blocked => "blocked",
        State::Skipped => "skipped",
    }
}

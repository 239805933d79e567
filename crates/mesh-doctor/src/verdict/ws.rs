//! What carries messages as they come: the WebSocket and the event stream.

use std::time::Duration;

use super::{Criteria, Finding, millis, seconds};
use crate::answer::Answer;
use crate::facts::{Facts, Failure, SocketFacts, StreamFacts, Upgrade};

/// How long an editor waits for the upgrade when it chooses between WebSocket and polling.
const EDITOR_PATIENCE: Duration = Duration::from_secs(3);
/// So many times a request's time is no sign of buffering: the whole network is slow then.
const SLOW_NETWORK: u32 = 3;

/// Whether an editor takes this WebSocket for a good one: it looks at the upgrade only.
pub fn fools_editors(id: &str) -> bool {
    [
        "ws-swallowed",
        "ws-silent",
        "ws-buffered",
        "ws-cut",
        "ws-rejected",
    ]
    .contains(&id)
}

pub fn socket(facts: &Facts, criteria: &Criteria) -> Finding {
    let Some(socket) = &facts.socket else {
        return Finding::new("ws-skipped");
    };
    match &socket.upgrade {
        Upgrade::Answered(answer) => refused(answer),
        Upgrade::Failed(Failure::Timeout) => Finding::new("ws-no-answer"),
        Upgrade::Failed(why) => Finding::new("ws-broken").with("why", why),
        Upgrade::Opened => opened(socket, facts, criteria),
    }
}

fn refused(answer: &Answer) -> Finding {
    let id = if answer.is_page() {
        "ws-filter"
    } else {
        "ws-refused"
    };
    Finding::new(id)
        .with("status", answer.status)
        .with("title", answer.title())
}

fn opened(socket: &SocketFacts, facts: &Facts, criteria: &Criteria) -> Finding {
    if let Some(why) = &socket.rejected {
        return Finding::new("ws-rejected").with("message", why);
    }
    if let Some((after, why)) = &socket.closed {
        return Finding::new("ws-cut")
            .with("seconds", seconds(*after))
            .with("why", why);
    }
    let Some(acknowledged) = socket.acknowledged else {
        return Finding::new("ws-swallowed");
    };
    if facts.group.as_ref().is_none_or(Result::is_err) {
        return Finding::new("ws-opens");
    }
    if socket.subscribed.is_none() || socket.events.iter().any(Option::is_none) {
        return Finding::new("ws-silent").with("seconds", seconds(criteria.wait));
    }
    let waited = [Some(acknowledged), socket.subscribed];
    let latest = waited.iter().chain(&socket.events).flatten().max();
    let latest = latest.copied().unwrap_or_default();
    if is_late(latest, facts, criteria) {
        return Finding::new("ws-buffered").with("seconds", seconds(latest));
    }
    if socket.upgrade_took > EDITOR_PATIENCE {
        return Finding::new("ws-slow").with("seconds", seconds(socket.upgrade_took));
    }
    Finding::new("ws-ok")
        .with("ms", millis(latest))
        .with("pause", seconds(criteria.pause))
}

/// Whether a message took so long that something must have held it.
fn is_late(time: Duration, facts: &Facts, criteria: &Criteria) -> bool {
    let request = facts.post.as_ref().map_or(Duration::ZERO, |post| post.took);
    time > criteria.slow && time > request * SLOW_NETWORK
}

pub fn stream(facts: &Facts, criteria: &Criteria) -> Finding {
    match &facts.stream {
        None => Finding::new("sse-skipped"),
        Some(StreamFacts::Absent) => Finding::new("sse-absent"),
        Some(StreamFacts::Failed(why)) => Finding::new("sse-broken").with("why", why),
        Some(StreamFacts::Silent) => {
            Finding::new("sse-silent").with("seconds", seconds(criteria.wait))
        }
        Some(StreamFacts::Arrived(time)) if is_late(*time, facts, criteria) => {
            Finding::new("sse-buffered").with("seconds", seconds(*time))
        }
        Some(StreamFacts::Arrived(time)) => Finding::new("sse-ok").with("ms", millis(*time)),
    }
}

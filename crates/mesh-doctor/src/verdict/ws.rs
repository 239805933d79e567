//! The WebSocket.

use std::time::Duration;

use super::{Criteria, Finding, millis, seconds};
use crate::answer::Answer;
use crate::facts::{Facts, Failure, SocketFacts, Upgrade};

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
    let request = facts.post.as_ref().map_or(Duration::ZERO, |post| post.took);
    if latest > criteria.slow && latest > request * SLOW_NETWORK {
        return Finding::new("ws-buffered").with("seconds", seconds(latest));
    }
    if socket.upgrade_took > EDITOR_PATIENCE {
        return Finding::new("ws-slow").with("seconds", seconds(socket.upgrade_took));
    }
    Finding::new("ws-ok")
        .with("ms", millis(latest))
        .with("pause", seconds(criteria.pause))
}

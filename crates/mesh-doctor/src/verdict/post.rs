//! Requests: whether the server answers them, and what it answers.

use super::{Criteria, Finding, millis, seconds};
use crate::answer::Answer;
use crate::facts::{Attempt, Facts, Failure, Polled, Rejection};
use crate::http::EDITOR_HEADERS;

/// Whether the answer is that of a GraphQL server that executed the query.
pub fn passes(post: &Attempt<Answer>) -> bool {
    let answer = post.result.as_ref().ok();
    let json = answer.and_then(Answer::json);
    json.is_some_and(|json| json["data"]["__typename"].is_string())
}

pub fn post(facts: &Facts, criteria: &Criteria) -> Finding {
    let Some(post) = &facts.post else {
        return Finding::new("post-skipped");
    };
    if passes(post) {
        return Finding::new("post-ok").with("ms", millis(post.took));
    }
    match &post.result {
        Ok(answer) => answered(answer, criteria),
        Err(Failure::Timeout) => Finding::new("post-timeout"),
        Err(why) => Finding::new("post-broken").with("why", why),
    }
}

/// The verdict on an answer that is not the server's result.
fn answered(answer: &Answer, criteria: &Criteria) -> Finding {
    let finding = Finding::new(match answer.status {
        300..=399 => "post-redirect",
        407 => "post-sign-in",
        _ if answer.is_page() => "post-filter",
        401 if has_errors(answer) => "post-key",
        403 if has_errors(answer) => "post-origin",
        // What filters answer to programs instead of a page.
        403 | 451 | 502 | 503 | 504 if answer.json().is_none() => "post-filter",
        _ => "post-odd",
    });
    finding
        .with("status", answer.status)
        .with("title", answer.title())
        .with(
            "location",
            answer
                .header("location")
                .map_or_else(|| "?".into(), crate::answer::plain),
        )
        .with("origin", &criteria.origin)
}

fn has_errors(answer: &Answer) -> bool {
    let json = answer.json();
    json.is_some_and(|json| json["errors"].is_array())
}

pub fn cors(facts: &Facts, criteria: &Criteria) -> Finding {
    if criteria.origin == criteria.endpoint.origin() {
        return Finding::new("cors-same");
    }
    let Some(preflight) = &facts.preflight else {
        return Finding::new("cors-skipped");
    };
    let answer = match &preflight.result {
        Ok(answer) => answer,
        Err(why) => return Finding::new("cors-broken").with("why", why),
    };
    let allowed = |answer: &Answer| {
        let origin = answer.header("access-control-allow-origin");
        origin.is_some_and(|origin| origin == "*" || origin == criteria.origin)
    };
    if !(200..300).contains(&answer.status) && answer.is_page() {
        let finding = Finding::new("cors-filter").with("status", answer.status);
        return finding.with("title", answer.title());
    }
    let answers = [
        Some(answer),
        facts
            .post
            .as_ref()
            .and_then(|post| post.result.as_ref().ok()),
    ];
    if !(200..300).contains(&answer.status) || !answers.into_iter().flatten().all(allowed) {
        return Finding::new("cors-refused");
    }
    let missing = missing(answer);
    if missing.is_empty() {
        Finding::new("cors-ok")
    } else {
        Finding::new("cors-headers").with("missing", missing.join(", "))
    }
}

/// Headers of the editor that the preflight's answer does not allow.
fn missing(answer: &Answer) -> Vec<&'static str> {
    let allowed = answer
        .header("access-control-allow-headers")
        .unwrap_or_default();
    let allowed: Vec<_> = allowed
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let is_missing = |name: &&str| !allowed.iter().any(|known| known == name || known == "*");
    EDITOR_HEADERS.split(',').filter(is_missing).collect()
}

pub fn group(facts: &Facts) -> Finding {
    match &facts.group {
        None => Finding::new("group-skipped"),
        Some(Ok(true)) => Finding::new("group-ok"),
        Some(Ok(false)) => Finding::new("group-left"),
        Some(Err(why)) => Finding::new("group-refused").with("message", why),
    }
}

pub fn poll(facts: &Facts, criteria: &Criteria) -> Finding {
    match &facts.polled {
        None => Finding::new("poll-skipped"),
        Some(Polled::Found(after)) => Finding::new("poll-ok").with("ms", millis(*after)),
        Some(Polled::Missing) => {
            Finding::new("poll-missing").with("seconds", seconds(criteria.wait))
        }
        Some(Polled::Rejected(why @ Rejection::Error { .. })) => {
            Finding::new("poll-refused").with("message", why)
        }
        Some(Polled::Rejected(why)) => Finding::new("poll-broken").with("why", why),
    }
}

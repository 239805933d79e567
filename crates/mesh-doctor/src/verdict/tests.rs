use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::answer::Answer;
use crate::facts::{
    Attempt, Certificate, Distrust, Failure, Polled, SocketFacts, StreamFacts, Upgrade,
};

/// Every finding that the verdicts name.
const SOURCES: [&str; 4] = [
    include_str!("editor.rs"),
    include_str!("post.rs"),
    include_str!("reach.rs"),
    include_str!("ws.rs"),
];
const MILLIS: Duration = Duration::from_millis(20);

fn criteria(url: &str) -> Criteria {
    Criteria {
        endpoint: Endpoint::parse(url).expect("a URL"),
        origin: "https://smalruby.app".into(),
        slow: Duration::from_secs(2),
        pause: Duration::from_secs(4),
        wait: Duration::from_secs(10),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "fields of the facts are optional")]
fn took<T>(result: Result<T, Failure>) -> Option<Attempt<T>> {
    Some(Attempt {
        took: MILLIS,
        result,
    })
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Answer {
        status,
        headers: headers.iter().map(header).collect(),
        body: body.into(),
    }
}

fn socket() -> SocketFacts {
    SocketFacts {
        upgrade: Upgrade::Opened,
        upgrade_took: MILLIS,
        acknowledged: Some(MILLIS),
        subscribed: Some(MILLIS),
        events: vec![Some(MILLIS), Some(MILLIS)],
        closed: None,
        rejected: None,
        clock: None,
    }
}

/// A network without a fault.
fn good() -> Facts {
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    let any = ("access-control-allow-origin", "*");
    let allowed = (
        "access-control-allow-headers",
        "Content-Type,X-Amz-User-Agent,X-Api-Key",
    );
    let result = "{\"data\":{\"__typename\":\"Query\"}}";
    Facts {
        dns: took(Ok(vec![address])),
        tcp: took(Ok((address, 443).into())),
        tls: took(Ok(())),
        certificate: Some(Certificate {
            issuer: "An authority".into(),
            names: vec!["school.example".into()],
            until: "2027-01-01T00:00:00Z".parse().ok(),
        }),
        post: took(Ok(answer(200, &[any], result))),
        preflight: took(Ok(answer(200, &[any, allowed], ""))),
        stream: Some(StreamFacts::Arrived(MILLIS)),
        domains: vec![Ok("0123456789abcdef".into()), Ok("0123456789abcdef".into())],
        group: Some(Ok(true)),
        socket: Some(socket()),
        polled: Some(Polled::Found(MILLIS)),
        clock: Some(0.3),
        at: "2026-11-22T00:00:00Z".parse::<Timestamp>().expect("a time"),
    }
}

/// The problems that the facts have at an https address, and how members connect.
#[track_caller]
fn judged(change: impl FnOnce(&mut Facts)) -> (Vec<&'static str>, Way) {
    let mut facts = good();
    change(&mut facts);
    let findings = findings(&facts, &criteria("https://school.example/graphql"));
    for finding in &findings {
        let (means, todo) = finding.advice(Lang::Ja);
        // Values that are missing; addresses of editors have a query.
        let text = (means + &todo).replace("?mesh", "");
        assert!(!text.contains('?'), "{}: {finding:?}", finding.id);
    }
    let is_problem =
        |finding: &&Finding| [State::Warning, State::Blocked].contains(&finding.state());
    let problems = findings.iter().filter(is_problem).map(|finding| finding.id);
    (problems.collect(), way(&findings))
}

#[test]
fn every_finding_of_the_verdicts_has_a_text() {
    let mut found = 0;
    for source in SOURCES {
        for part in source.split('"').skip(1).step_by(2) {
            let check = part.split('-').next().unwrap_or_default();
            if part.contains('-') && TEXTS.checks.contains_key(check) && part != "proxy-connection"
            {
                assert!(TEXTS.findings.contains_key(part), "{part}");
                found += 1;
            }
        }
    }
    assert!(found > 60, "{found}");
}

#[test]
fn a_good_network_has_no_problem() {
    assert_eq!(judged(|_| ()), (vec![], Way::Websocket));
}

#[test]
fn certificates_are_judged_by_what_is_wrong_with_them() {
    for (why, id) in [
        (Distrust::Issuer, "tls-untrusted"),
        (Distrust::Expired, "tls-expired"),
        (Distrust::NotYet, "tls-not-yet"),
        (Distrust::Name, "tls-name"),
    ] {
        let (problems, way) = judged(|facts| {
            let good = std::mem::take(facts);
            *facts = Facts {
                dns: good.dns,
                tcp: good.tcp,
                certificate: good.certificate,
                tls: took(Err(Failure::Certificate(why))),
                ..Facts::default()
            };
        });
        assert_eq!((problems, way), (vec![id], Way::None));
    }
    let soon = |facts: &mut Facts| {
        let certificate = facts.certificate.as_mut().expect("a certificate");
        certificate.until = "2026-11-25T12:00:00Z".parse().ok();
    };
    assert_eq!(judged(soon), (vec!["tls-ends-soon"], Way::Websocket));
}

#[test]
fn answers_to_a_request_are_told_apart() {
    let errors = "{\"errors\":[{\"errorType\":\"x\"}]}";
    for (status, header, body, id) in [
        (
            503,
            ("content-type", "text/html"),
            "<html><title>Blocked</title>",
            "post-filter",
        ),
        (
            200,
            ("content-type", "text/html"),
            "<html><title>Blocked</title>",
            "post-filter",
        ),
        (403, ("server", "filter"), "", "post-filter"),
        (
            302,
            ("location", "http://sign-in.example/"),
            "",
            "post-redirect",
        ),
        (407, ("content-type", "text/html"), "<html>", "post-sign-in"),
        (
            401,
            ("content-type", "application/json"),
            errors,
            "post-key",
        ),
        (
            403,
            ("content-type", "application/json"),
            errors,
            "post-origin",
        ),
        (404, ("server", "nginx"), "", "post-odd"),
        (200, ("content-type", "application/json"), "{}", "post-odd"),
    ] {
        let (problems, way) = judged(|facts| {
            let good = std::mem::take(facts);
            *facts = Facts {
                dns: good.dns,
                tcp: good.tcp,
                tls: good.tls,
                certificate: good.certificate,
                post: took(Ok(answer(status, &[header], body))),
                ..Facts::default()
            };
        });
        assert_eq!((problems, way), (vec![id], Way::None), "{status} {body}");
    }
}

#[test]
fn a_preflight_without_the_editors_headers_blocks() {
    let any = ("access-control-allow-origin", "*");
    for (headers, id) in [
        (vec![], "cors-refused"),
        (vec![any], "cors-headers"),
        (
            vec![any, ("access-control-allow-headers", "content-type")],
            "cors-headers",
        ),
        (
            vec![("access-control-allow-origin", "https://other.example")],
            "cors-refused",
        ),
    ] {
        let preflight = took(Ok(answer(200, &headers, "")));
        let judged = judged(|facts| facts.preflight = preflight);
        assert_eq!(judged, (vec![id], Way::None));
    }
}

#[test]
fn a_websocket_is_judged_by_what_it_carries() {
    let late = Some(Duration::from_secs(5));
    let with = |change: fn(&mut SocketFacts)| {
        let mut socket = socket();
        change(&mut socket);
        judged(|facts| facts.socket = Some(socket))
    };
    let refused = with(|s| s.upgrade = Upgrade::Answered(answer(426, &[], "")));
    assert_eq!(refused, (vec!["ws-refused"], Way::Polling));
    let filter = with(|s| s.upgrade = Upgrade::Answered(answer(503, &[], "<html>")));
    assert_eq!(filter, (vec!["ws-filter"], Way::Polling));
    let silent = with(|s| s.upgrade = Upgrade::Failed(Failure::Timeout));
    assert_eq!(silent, (vec!["ws-no-answer"], Way::Polling));
    let slow = with(|s| s.upgrade_took = Duration::from_secs(4));
    assert_eq!(slow, (vec!["ws-slow"], Way::Polling));
    let swallowed = with(|s| (s.acknowledged, s.subscribed) = (None, None));
    assert_eq!(swallowed, (vec!["ws-swallowed"], Way::PollingByHand));
    let silent = with(|s| s.events = vec![Some(MILLIS), None]);
    assert_eq!(silent, (vec!["ws-silent"], Way::PollingByHand));
    let cut = with(|s| s.closed = Some((Duration::from_secs(3), "1006".into())));
    assert_eq!(cut, (vec!["ws-cut"], Way::PollingByHand));
    let mut buffered = socket();
    buffered.events[0] = late;
    let buffered = judged(|facts| facts.socket = Some(buffered));
    assert_eq!(buffered, (vec!["ws-buffered"], Way::PollingByHand));
    // Where all is slow, nothing collects messages.
    let mut slow = socket();
    slow.events[0] = late;
    let slow = judged(|facts| {
        facts.socket = Some(slow);
        facts.post.as_mut().expect("a post").took = Duration::from_secs(4);
    });
    assert_eq!(slow, (vec![], Way::Websocket));
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    for (ahead, problems) in [
        (29.0, vec![]),
        (-29.0, vec![]),
        (300.0, vec!["clock-behind"]),
        (-300.0, vec!["clock-ahead"]),
    ] {
        let judged = judged(|facts| facts.clock = Some(ahead));
        assert_eq!(judged, (problems, Way::Websocket));
    }
}

#[test]
fn several_ways_out_of_a_network_are_named() {
    let (problems, _) = judged(|facts| facts.domains[1] = Ok("fedcba9876543210".into()));
    assert_eq!(problems, ["domain-changes"]);
}

#[test]
fn a_proxy_is_suspect_only_where_something_fails() {
    let via = |facts: &mut Facts| {
        let post = facts
            .post
            .as_mut()
            .and_then(|post| post.result.as_mut().ok());
        let headers = &mut post.expect("an answer").headers;
        headers.push(("via".into(), "1.1 filter (squid)".into()));
    };
    assert_eq!(judged(via), (vec![], Way::Websocket));
    let judged = judged(|facts| {
        via(facts);
        facts.socket.as_mut().expect("a socket").acknowledged = None;
    });
    assert_eq!(judged.0, ["ws-swallowed", "proxy-suspect"]);
}

#[test]
fn pages_reach_what_browsers_let_them_reach() {
    for (url, address, id) in [
        ("https://school.example", [203, 0, 113, 7], "secure-ok"),
        ("http://school.example", [203, 0, 113, 7], "secure-mixed"),
        ("https://school.local", [192, 168, 1, 10], "secure-lna"),
        (
            "http://192.168.1.10:4000",
            [192, 168, 1, 10],
            "secure-mixed",
        ),
        ("http://127.0.0.1:4000", [127, 0, 0, 1], "secure-loopback"),
    ] {
        let mut facts = good();
        facts.dns = took(Ok(vec![address.into()]));
        assert_eq!(editor::secure(&facts, &criteria(url)).id, id, "{url}");
    }
    let own = Criteria {
        origin: "http://192.168.1.10:4000".into(),
        ..criteria("http://192.168.1.10:4000")
    };
    assert_eq!(editor::secure(&good(), &own).id, "secure-same");
}

#[test]
fn an_event_stream_that_is_held_back_is_named() {
    let late = Duration::from_secs(9);
    for (seen, id) in [
        (StreamFacts::Arrived(late), "sse-buffered"),
        (StreamFacts::Silent, "sse-silent"),
        (StreamFacts::Failed(Failure::Timeout), "sse-broken"),
    ] {
        let judged = judged(|facts| facts.stream = Some(seen));
        assert_eq!(judged, (vec![id], Way::Websocket));
    }
    let absent = |facts: &mut Facts| facts.stream = Some(StreamFacts::Absent);
    assert_eq!(judged(absent), (vec![], Way::Websocket));
}

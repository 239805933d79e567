//! What an editor on its page meets: clocks, domains, the browser's rules, proxies.

use std::net::IpAddr;

use super::{Criteria, Finding};
use crate::answer::{Answer, plain};
use crate::endpoint::Endpoint;
use crate::facts::Facts;

/// Seconds from which a difference of clocks matters.
const CLOCK_SECONDS: f64 = 30.0;
/// Headers by which proxies show themselves.
const PROXY_HEADERS: [&str; 7] = [
    "via",
    "x-cache",
    "x-squid-error",
    "x-forwarded-for",
    "forwarded",
    "proxy-connection",
    "x-bluecoat-via",
];
/// The part of AWS that stands before every AppSync API.
const CLOUDFRONT: &str = "cloudfront";

pub fn clock(facts: &Facts) -> Finding {
    let Some(ahead) = facts.clock else {
        return Finding::new("clock-unknown");
    };
    let id = if ahead > CLOCK_SECONDS {
        "clock-behind"
    } else if ahead < -CLOCK_SECONDS {
        "clock-ahead"
    } else {
        "clock-ok"
    };
    Finding::new(id).with("seconds", format!("{:.0}", ahead.abs()))
}

pub fn domain(facts: &Facts) -> Finding {
    let refused = facts
        .domains
        .iter()
        .find_map(|domain| domain.as_ref().err());
    if let Some(why) = refused {
        return Finding::new("domain-failed").with("message", why);
    }
    let mut domains: Vec<_> = facts
        .domains
        .iter()
        .flatten()
        .map(|domain| plain(domain))
        .collect();
    domains.dedup();
    match domains.as_slice() {
        [] => Finding::new("domain-skipped"),
        [domain] => Finding::new("domain-ok").with("domain", domain),
        several => Finding::new("domain-changes").with("domains", several.join(", ")),
    }
}

pub fn secure(facts: &Facts, criteria: &Criteria) -> Finding {
    let endpoint = &criteria.endpoint;
    if criteria.origin == endpoint.origin() {
        return Finding::new("secure-same");
    }
    let addresses = facts.dns.as_ref().and_then(|dns| dns.result.as_ref().ok());
    let addresses = addresses.map(Vec::as_slice).unwrap_or_default();
    let is_here = !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback);
    let page_is_secure = criteria.origin.starts_with("https://");
    Finding::new(if is_here {
        "secure-loopback"
    } else if page_is_secure && !endpoint.secure {
        "secure-mixed"
    } else if is_local(addresses) && !is_local(&page_address(&criteria.origin)) {
        "secure-lna"
    } else {
        "secure-ok"
    })
}

/// The address of the editor's page, if its host is one.
fn page_address(origin: &str) -> Vec<IpAddr> {
    let page = Endpoint::parse(origin).ok();
    page.and_then(|page| page.http.literal())
        .into_iter()
        .collect()
}

/// Whether all addresses are of a local network.
fn is_local(addresses: &[IpAddr]) -> bool {
    let is_local = |address: &IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    };
    !addresses.is_empty() && addresses.iter().all(is_local)
}

/// `all_passes`: whether the WebSocket, which proxies disturb first, passes.
pub fn proxy(facts: &Facts, all_passes: bool) -> Finding {
    let attempts = [&facts.post, &facts.preflight].into_iter().flatten();
    let answers: Vec<&Answer> = attempts
        .filter_map(|attempt| attempt.result.as_ref().ok())
        .collect();
    if answers.is_empty() {
        return Finding::new("proxy-skipped");
    }
    let mut shown: Vec<String> = Vec::new();
    for (name, value) in answers.iter().flat_map(|answer| &answer.headers) {
        let line = format!("{name}: {}", plain(value));
        let is_own = value.to_ascii_lowercase().contains(CLOUDFRONT);
        if PROXY_HEADERS.contains(&name.as_str()) && !is_own && !shown.contains(&line) {
            shown.push(line);
        }
    }
    if shown.is_empty() {
        return Finding::new("proxy-none");
    }
    let id = if all_passes {
        "proxy-passes"
    } else {
        "proxy-suspect"
    };
    Finding::new(id).with("headers", shown.join("; "))
}

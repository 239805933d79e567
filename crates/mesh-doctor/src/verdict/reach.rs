//! Name, connection, encryption.

use jiff::SpanRound;
use jiff::Unit;

use super::{Criteria, Finding, millis, seconds};
use crate::answer::plain;
use crate::facts::{Certificate, Distrust, Facts, Failure};

/// Days before its end from which a certificate is worth a warning.
const ENDS_SOON_DAYS: i32 = 14;

pub fn dns(facts: &Facts, criteria: &Criteria) -> Finding {
    if criteria.endpoint.http.literal().is_some() {
        return Finding::new("dns-literal");
    }
    let Some(dns) = &facts.dns else {
        return Finding::new("dns-failed").with("why", "?");
    };
    let addresses = match &dns.result {
        Ok(addresses) => addresses,
        Err(why) => return Finding::new("dns-failed").with("why", why),
    };
    let list = addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    let leads_nowhere = addresses.iter().all(std::net::IpAddr::is_unspecified);
    let id = if leads_nowhere {
        "dns-sinkhole"
    } else {
        "dns-ok"
    };
    Finding::new(id).with("addresses", list.join(", "))
}

pub fn tcp(facts: &Facts) -> Finding {
    let Some(tcp) = &facts.tcp else {
        return Finding::new("tcp-skipped");
    };
    match &tcp.result {
        Ok(address) => Finding::new("tcp-ok")
            .with("address", address)
            .with("ms", millis(tcp.took)),
        Err(Failure::Refused) => Finding::new("tcp-refused"),
        Err(Failure::Timeout) => Finding::new("tcp-timeout"),
        Err(why) => Finding::new("tcp-failed").with("why", why),
    }
}

pub fn tls(facts: &Facts, criteria: &Criteria) -> Finding {
    if !criteria.endpoint.secure {
        return Finding::new("tls-none");
    }
    let Some(tls) = &facts.tls else {
        return Finding::new("tls-skipped");
    };
    let unread = Certificate {
        issuer: "?".into(),
        ..Certificate::default()
    };
    let certificate = facts.certificate.as_ref().unwrap_or(&unread);
    let finding = match &tls.result {
        Ok(()) if tls.took > criteria.slow => Finding::new("tls-slow"),
        Ok(()) => ends(certificate, facts),
        Err(Failure::Certificate(why)) => Finding::new(match why {
            Distrust::Issuer => "tls-untrusted",
            Distrust::Expired => "tls-expired",
            Distrust::NotYet => "tls-not-yet",
            Distrust::Name => "tls-name",
        }),
        Err(Failure::Timeout) => Finding::new("tls-timeout"),
        Err(why) => Finding::new("tls-broken").with("why", why),
    };
    let until = certificate
        .until
        .map(|until| until.strftime("%Y-%m-%d").to_string());
    finding
        .with("issuer", plain(&certificate.issuer))
        .with("names", certificate.names.join(", "))
        .with("until", until.as_deref().unwrap_or("?"))
        .with("ms", millis(tls.took))
        .with("seconds", seconds(tls.took))
}

fn ends(certificate: &Certificate, facts: &Facts) -> Finding {
    let days = certificate.until.and_then(|until| {
        let left = until.since(facts.at).ok()?;
        let rounded = left.round(SpanRound::new().largest(Unit::Hour).smallest(Unit::Hour));
        Some(rounded.ok()?.get_hours() / 24)
    });
    match days {
        Some(days) if days < ENDS_SOON_DAYS => Finding::new("tls-ends-soon").with("days", days),
        _ => Finding::new("tls-ok"),
    }
}

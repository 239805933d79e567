use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::rate_limits::rates::GuessRate;

const SCHOOL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Bytes of a document.
const SHORT: usize = 700;
const STRANGER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

fn caller(address: Ipv4Addr, connection: u64) -> Caller {
    Caller {
        address: Some(IpAddr::V4(address)),
        connection: Some(connection),
        ..Caller::default()
    }
}

fn limits() -> (RateLimits, Clock) {
    let clock = Clock::fixed();
    let limits = RateLimits::new(Some(&Rates::default()), &clock, Metrics::default());
    (limits, clock)
}

fn class() -> GroupKey {
    GroupKey::parse("class", "school").unwrap()
}

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

fn hint(refused: Result<(), ClientError>) -> (&'static str, u16) {
    match refused {
        Err(ClientError::TooFast {
            whose,
            retry_after_ms,
        }) => (whose, retry_after_ms),
        other => panic!("{other:?}"),
    }
}

/// Ten seconds of a class at the editor's fastest setting, each pupil on a connection of its
/// own, while `flood` acts a hundred times a second.
fn a_class_goes_on(pupils: u64, mut flood: impl FnMut(&RateLimits, u64)) {
    let (limits, clock) = limits();
    for hundredth in 0..1000 {
        flood(&limits, hundredth);
        if hundredth % 10 == 0 {
            for pupil in 0..pupils {
                let caller = caller(SCHOOL, pupil);
                let node = node(&format!("pupil {pupil}"));
                for call in [NodeCall::Report, NodeCall::Events] {
                    assert_eq!(limits.node(caller, &class(), &node, call), Ok(()));
                }
                if hundredth % 200 == 0 {
                    assert_eq!(limits.query(caller, Some(&class())), Ok(()));
                    let call = NodeCall::Membership;
                    assert_eq!(limits.node(caller, &class(), &node, call), Ok(()));
                }
            }
        }
        clock.advance(Duration::from_millis(10));
    }
}

#[test]
fn a_class_at_the_fastest_setting_is_never_refused() {
    a_class_goes_on(40, |_, _| {});
    a_class_goes_on(100, |_, _| {});
}

#[test]
fn a_node_that_floods_is_refused_with_a_hint_and_its_class_is_not() {
    a_class_goes_on(40, |limits, hundredth| {
        let caller = caller(SCHOOL, 1000);
        let calls = 0..600;
        let answers = calls
            .map(|_| limits.node(caller, &class(), &node("flooding"), NodeCall::Report))
            .collect::<Vec<_>>();
        // Two seconds' worth came at once.
        if hundredth > 0 {
            let admitted = answers.iter().filter(|answer| answer.is_ok()).count();
            assert!(admitted <= 2, "125 a second, not {admitted} in 10 ms");
            let last = answers.into_iter().next_back().unwrap();
            assert_eq!(hint(last), ("by this node", 100));
        }
    });
}

#[test]
fn invented_nodes_use_up_only_the_share_of_those_in_a_hurry() {
    for address in [SCHOOL, STRANGER] {
        a_class_goes_on(40, |limits, hundredth| {
            for n in 0..100 {
                let caller = caller(address, 1000 + n % 16);
                let invented = node(&format!("invented {hundredth} {n}"));
                let _ = limits.node(caller, &class(), &invented, NodeCall::Report);
                let _ = limits.node(caller, &class(), &invented, NodeCall::Membership);
                let _ = limits.query(caller, Some(&class()));
            }
        });
    }
}

#[test]
fn nobody_uses_up_the_limit_of_another_under_its_id() {
    a_class_goes_on(40, |limits, _| {
        for n in 0..600 {
            let pupil = node(&format!("pupil {}", n % 40));
            let _ = limits.node(caller(SCHOOL, 1000), &class(), &pupil, NodeCall::Events);
        }
    });
}

#[test]
fn a_class_goes_on_while_hundreds_of_steady_connections_flood_its_group() {
    let (limits, clock) = limits();
    let mut refused = 0;
    for hundredth in 0..1000 {
        for connection in (1000..1500).filter(|number| (number + hundredth) % 4 == 0) {
            let caller = caller(SCHOOL, connection);
            // Half of them as one node, half as nodes that it invents.
            let flooding = node(&format!("node {}", connection % 2 * connection));
            let answer = limits.node(caller, &class(), &flooding, NodeCall::Report);
            refused += u32::from(answer.is_err());
        }
        for pupil in (0..40).filter(|number| (number + hundredth) % 100 == 0) {
            let caller = caller(SCHOOL, pupil);
            let node = node(&format!("pupil {pupil}"));
            for call in [NodeCall::Report, NodeCall::Events] {
                assert_eq!(limits.node(caller, &class(), &node, call), Ok(()));
            }
        }
        clock.advance(Duration::from_millis(10));
    }
    assert!(refused > 40_000, "{refused}");
}

#[test]
fn a_school_of_a_thousand_behind_one_address_is_not_refused() {
    let (limits, clock) = limits();
    let groups: Vec<_> = (0..25)
        .map(|n| GroupKey::parse(&format!("class {n}"), "school").unwrap())
        .collect();
    for tenth in 0..20 {
        for pupil in 0..1000_u16 {
            let caller = caller(SCHOOL, pupil.into());
            let (group, node) = (&groups[usize::from(pupil % 25)], node(&pupil.to_string()));
            if tenth == 0 && pupil < 25 {
                assert_eq!(limits.new_group(caller), Ok(()));
            }
            for call in [NodeCall::Report, NodeCall::Events] {
                assert_eq!(limits.node(caller, group, &node, call), Ok(()));
            }
            if tenth == 0 {
                assert_eq!(
                    limits.node(caller, group, &node, NodeCall::Membership),
                    Ok(())
                );
                assert_eq!(limits.query(caller, Some(group)), Ok(()));
                assert_eq!(limits.document(caller, SHORT), Ok(()));
            }
        }
        clock.advance(Duration::from_millis(100));
    }
}

#[test]
fn behind_a_proxy_callers_share_connections_and_no_limit_of_one() {
    let (limits, clock) = limits();
    let proxied = Caller {
        connection: None,
        ..caller(SCHOOL, 0)
    };
    for second in 0..10 {
        for pupil in 0..1000 {
            let group = GroupKey::parse(&format!("class {}", pupil % 25), "school").unwrap();
            assert_eq!(limits.query(proxied, Some(&group)), Ok(()));
            let node = node(&pupil.to_string());
            let call = NodeCall::Report;
            assert_eq!(limits.node(proxied, &group, &node, call), Ok(()));
            if second == 0 {
                assert_eq!(limits.message(proxied), None);
            }
        }
        clock.advance(Duration::from_secs(1));
    }
}

#[test]
fn costly_work_is_limited_by_connection_and_address() {
    let (limits, _clock) = limits();
    let one = caller(SCHOOL, 1);
    while limits.document(one, SHORT).is_ok() {}
    assert_eq!(
        hint(limits.document(one, SHORT)),
        ("on this connection", 100)
    );
    assert_eq!(limits.document(caller(SCHOOL, 2), SHORT), Ok(()));
    while limits.introspection(one).is_ok() {}
    assert_eq!(hint(limits.introspection(one)), ("on this connection", 500));
    while limits.new_group(one).is_ok() {}
    assert_eq!(hint(limits.new_group(one)).0, "on this connection");
    flood_documents(&limits);
    assert_eq!(limits.document(caller(STRANGER, 1_000_000), SHORT), Ok(()));
}

/// Sends new documents from the school's address until its limit refuses one.
fn flood_documents(limits: &RateLimits) {
    let mut last = Ok(());
    for number in 100..200 {
        for _ in 0..50 {
            last = limits.document(caller(SCHOOL, number), SHORT);
        }
    }
    assert_eq!(hint(last).0, "from this address");
}

#[test]
fn the_first_documents_of_a_connection_are_its_own() {
    let (limits, clock) = limits();
    flood_documents(&limits);
    for pupil in 0..40 {
        for _ in 0..10 {
            assert_eq!(limits.document(caller(SCHOOL, pupil), SHORT), Ok(()));
        }
        let more = limits.document(caller(SCHOOL, pupil), SHORT);
        assert_eq!(hint(more).0, "from this address");
    }
    let long = limits.document(caller(SCHOOL, 40), OWN_DOCUMENT_BYTES + 1);
    assert_eq!(hint(long).0, "from this address");
    let proxied = Caller {
        connection: None,
        ..caller(SCHOOL, 0)
    };
    assert_eq!(hint(limits.document(proxied, SHORT)).0, "from this address");
    clock.advance(Duration::from_secs(1));
    flood_documents(&limits);
    assert_eq!(limits.document(caller(SCHOOL, 0), SHORT), Ok(()));
}

#[test]
fn hints_are_tenths_of_a_second_without_the_digits_that_clients_take_for_a_filter() {
    for millis in 0..200_000 {
        let hint = retry_after(Duration::from_millis(millis));
        assert!(u64::from(hint) >= millis.clamp(100, 10_000), "{millis}");
        assert!(
            hint.is_multiple_of(100) && !hint.to_string().contains("503"),
            "{hint}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_guesses_are_slowed_by_their_address_and_counted() {
    let rates = Rates::default();
    for (secret, rate, at_once, counted) in [
        (Secret::Key, rates.wrong_keys, 10, "wrong_keys_total 12"),
        (
            Secret::JoinCode,
            rates.wrong_codes,
            100,
            "wrong_codes_total 102",
        ),
    ] {
        let (clock, metrics) = (Clock::fixed(), Metrics::default());
        let guesses = Guesses::new(secret, Some(rate), &clock, metrics.clone());
        let start = tokio::time::Instant::now();
        for _ in 0..at_once {
            guesses.slow(Some(IpAddr::V4(STRANGER))).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "typing errors");
        guesses.slow(Some(IpAddr::V4(STRANGER))).await;
        assert_eq!(start.elapsed(), rate.wait);
        let start = tokio::time::Instant::now();
        guesses.slow(Some(IpAddr::V4(SCHOOL))).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "another address");
        assert!(metrics.text().contains(&format!("mesh_{counted}\n")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bounded_number_of_wrong_guesses_waits_and_others_are_answered_at_once() {
    let rate = GuessRate {
        waiting: 24,
        ..Rates::default().wrong_keys
    };
    let keys = &Guesses::new(Secret::Key, Some(rate), &Clock::fixed(), Metrics::default());
    let start = tokio::time::Instant::now();
    let slow = |address| async move {
        keys.slow(Some(IpAddr::V4(address))).await;
        start.elapsed()
    };
    let flood = futures_util::future::join_all((0..15).map(|_| slow(STRANGER)));
    let other = futures_util::future::join_all((0..11).map(|_| slow(SCHOOL)));
    let (flood, other) = tokio::join!(flood, other);
    let waiting = |waited: Vec<Duration>| waited.iter().filter(|time| !time.is_zero()).count();
    assert_eq!(
        waiting(flood),
        3,
        "ten at once, three wait, two find no place"
    );
    assert_eq!(waiting(other), 1, "another address has places of its own");
}

//! Random calls.

use proptest::prelude::*;

/// A call; numbers choose among the lesson's domains, nodes and groups.
#[derive(Clone, Debug)]
pub enum Call {
    Host(u8, u8, bool, u32),
    List(u8),
    Query(bool, usize),
    Join(u8, u8, Option<bool>),
    Leave(u8, u8),
    Dissolve(u8, u8),
    Renew(u8, u8),
    Control(u8, u8, Choice),
    Heartbeat(u8, u8),
    Report(u8, u8, Vec<(u8, u8)>),
    Statuses(u8),
    StatusOf(u8),
    Members(u8),
    Append(u8, u8, bool, Vec<(u8, Option<u8>)>),
    Repeat(u8),
    Poll(u8, Since, bool, usize),
    Reap,
}

/// A control of a lesson.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    Lock(bool),
    Pause(u32),
    Remove(u8),
    Clear,
}

#[derive(Clone, Debug)]
pub enum Since {
    Beginning,
    Clock(i64),
    Cursor(u8),
    Text(&'static str),
}

pub fn call() -> impl Strategy<Value = Call> {
    let (domain, node, group) = (0u8..2, 0u8..4, 0u8..8);
    let since = prop_oneof![
        Just(Since::Beginning),
        (-8_000i64..8_000).prop_map(Since::Clock),
        any::<u8>().prop_map(Since::Cursor),
        prop_oneof![Just("zzz"), Just("EVENT#"), Just("ねこ")].prop_map(Since::Text),
    ];
    let choice = prop_oneof![
        2 => any::<bool>().prop_map(Choice::Lock),
        2 => prop_oneof![Just(0u32), 1u32..4].prop_map(Choice::Pause),
        1 => node.clone().prop_map(Choice::Remove),
        1 => Just(Choice::Clear),
    ];
    let in_group = || (group.clone(), node.clone());
    prop_oneof![
        1 => (domain.clone(), node.clone(), any::<bool>(), prop_oneof![1 => Just(20u32), 4 => Just(300)])
            .prop_map(|(d, n, ws, life)| Call::Host(d, n, ws, life)),
        1 => domain.prop_map(Call::List),
        1 => (any::<bool>(), 1usize..4).prop_map(|(all, limit)| Call::Query(all, limit)),
        6 => (in_group(), any::<Option<bool>>()).prop_map(|((g, n), ws)| Call::Join(g, n, ws)),
        1 => in_group().prop_map(|(g, n)| Call::Leave(g, n)),
        1 => (group.clone(), 2u8..6).prop_map(|(g, n)| Call::Dissolve(g, n)),
        4 => (group.clone(), 3u8..9).prop_map(|(g, n)| Call::Renew(g, n)),
        2 => (group.clone(), 3u8..9, choice).prop_map(|(g, n, choice)| Call::Control(g, n, choice)),
        2 => in_group().prop_map(|(g, n)| Call::Heartbeat(g, n)),
        6 => (in_group(), prop::collection::vec((0u8..6, 0u8..30), 0..4))
            .prop_map(|((g, n), data)| Call::Report(g, n, data)),
        5 => group.clone().prop_map(Call::Statuses),
        3 => node.clone().prop_map(Call::StatusOf),
        3 => group.clone().prop_map(Call::Members),
        6 => (in_group(), any::<bool>(), prop::collection::vec((0u8..40, any::<Option<u8>>()), 0..4))
            .prop_map(|((g, n), fired, events)| Call::Append(g, n, fired, events)),
        2 => any::<u8>().prop_map(Call::Repeat),
        4 => (group, since, any::<bool>(), prop_oneof![Just(usize::MAX), 0usize..2_000])
            .prop_map(|(g, since, polls, bytes)| Call::Poll(g, since, polls, bytes)),
        1 => Just(Call::Reap),
    ]
}

/// Milliseconds until the call.
pub fn delay() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 1i64..50,
        6 => 300i64..2_000,
        2 => 3_000i64..9_000,
        1 => 15_000i64..30_000,
    ]
}

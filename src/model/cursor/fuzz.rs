//! Any position of a poll: it stays within the log, and cursors sort as text as in the log.

use super::*;
use crate::fuzz::{Fuzz, Outcome};
use crate::model::rules::{Rules, Timings};

/// 2030-01-01, when the group was created, and a while later.
const CREATED: Timestamp = Timestamp::from_seconds(1_893_456_000);
const NOW: Timestamp = CREATED.plus_seconds(100);
/// The last time that can be displayed, at the end of the year 9999.
const LAST: i64 = 253_402_207_200_999;

/// A cursor of numbers in the text, within what calls get.
fn cursor(text: &str) -> Cursor {
    let numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok());
    let mut numbers = numbers.chain([0_u64; 3]);
    let mut below =
        |limit: i64| (numbers.next().unwrap_or_default() % limit.unsigned_abs()).cast_signed();
    let at = Timestamp::from_millis(below(LAST + 1));
    let mut call = || u32::try_from(below(1_000_000)).expect("a small number");
    Cursor {
        stamp: Stamp { at, call: call() },
        index: call(),
    }
}

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    let rules = Rules::new(Timings::STG).expect("valid times");
    for line in text.split('\n') {
        let newest = Cursor {
            stamp: Stamp { at: NOW, call: 7 },
            index: 0,
        }
        .to_string();
        for newest in [None, Some(newest.as_str())] {
            let last = format!("{CURSOR_PREFIX}{}", NOW.next());
            let exact = rules.since(Since::Exactly(line), CREATED, newest, NOW);
            let polled = rules.since(Since::Polled(line), CREATED, newest, NOW);
            for since in [&exact, &polled] {
                assert!(since.starts_with(CURSOR_PREFIX), "{since}");
                assert!(
                    since < &last || newest.is_some_and(|newest| &**since <= newest),
                    "{since} is ahead"
                );
            }
            if exact == line {
                outcome.passed("cursor");
            }
        }
        if let Some(time) = Timestamp::parse(line) {
            outcome.passed("time");
            // What we write we read.
            assert_eq!(Timestamp::parse(&time.to_string()), Some(time), "{line}");
        }
    }
    let mut cursors: Vec<_> = text.split('\n').map(cursor).collect();
    cursors.sort();
    let texts: Vec<_> = cursors.iter().map(ToString::to_string).collect();
    assert!(texts.is_sorted(), "{texts:?}");
    outcome
}

#[test]
fn cursors() {
    let fuzz = Fuzz {
        target: "cursors",
        tokens: "cursors",
        kinds: &["cursor", "time"],
    };
    fuzz.run(target);
}

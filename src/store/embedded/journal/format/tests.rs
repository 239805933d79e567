use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;
use crate::property::{cases, name};

/// Records of nodes with any names, and how much of them is said to be synced.
fn records() -> impl Strategy<Value = Vec<Record<'static>>> {
    let record = (name(), any::<i64>()).prop_map(|(name, until)| Record::Alive {
        group: Cow::Owned(GroupKey::parse("group", &name).unwrap()),
        node: Cow::Owned(NodeId::parse("nodeId", &name).unwrap()),
        until: Timestamp::from_millis(until),
    });
    prop::collection::vec(record, 0..12)
}

/// A journal of records; all of it is synced if `synced`.
fn journal(records: &[Record<'_>], synced: bool) -> Vec<u8> {
    let mut text = Vec::new();
    let mut push = |record: &Record<'_>| {
        let mut json = Vec::new();
        record.write(&mut json);
        let at = text.len() as u64;
        push_line(&mut text, at, json.trim_ascii_end());
    };
    push(&Record::FORMAT);
    records.iter().for_each(&mut push);
    if synced {
        let end = text.len() as u64;
        let mut json = Vec::new();
        Record::Synced(end).write(&mut json);
        push_line(&mut text, end, json.trim_ascii_end());
    }
    text
}

fn read_all(bytes: &[u8]) -> (Result<Ending, ReadError>, Vec<Record<'static>>) {
    let mut found = Vec::new();
    (read(bytes, |record| found.push(record)), found)
}

/// The position of the last line.
fn last_line(text: &[u8]) -> usize {
    let before = &text[..text.len() - 1];
    before.iter().rposition(|byte| *byte == b'\n').unwrap() + 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(128)))]

    #[test]
    fn what_was_written_is_read(records in records(), synced in any::<bool>()) {
        let text = journal(&records, synced);
        let (ending, found) = read_all(&text);
        prop_assert_eq!(ending.unwrap(), Ending { end: text.len() as u64, torn: 0 });
        prop_assert_eq!(found, records);
    }

    #[test]
    fn a_journal_cut_anywhere_gives_its_first_records(
        records in records(), place in any::<prop::sample::Index>(),
    ) {
        let text = journal(&records, false);
        let first = journal(&[], false).len();
        let cut = first + place.index(text.len() - first + 1);
        let (ending, found) = read_all(&text[..cut]);
        let ending = ending.unwrap();
        prop_assert_eq!(ending.end + ending.torn, cut as u64);
        prop_assert_eq!(&found[..], &records[..found.len()]);
        prop_assert_eq!(&text[..usize::try_from(ending.end).unwrap()], journal(&found, false));
    }

    #[test]
    fn a_changed_byte_of_what_is_synced_is_refused(
        records in records(), place in any::<prop::sample::Index>(), bits in 1..=255_u8,
    ) {
        let mut text = journal(&records, true);
        let at = place.index(last_line(&text));
        text[at] ^= bits;
        let (ending, _) = read_all(&text);
        let refused = matches!(ending, Err(ReadError::Damaged { .. } | ReadError::NoJournal));
        prop_assert!(refused, "{ending:?} at {at}");
    }

    #[test]
    fn missing_moved_and_zeroed_bytes_of_what_is_synced_are_refused(
        records in records(), from in any::<prop::sample::Index>(),
        length in any::<prop::sample::Index>(), how in 0..3,
    ) {
        let text = journal(&records, true);
        let last = last_line(&text);
        let from = from.index(last);
        let length = 1 + length.index(last - from);
        let mut damaged = text.clone();
        match how {
            0 => drop(damaged.drain(from..from + length)),
            1 => damaged[from..from + length].fill(0),
            _ => drop(damaged.splice(from..from, text[from..from + length].to_vec())),
        }
        let (ending, found) = read_all(&damaged);
        let refused = matches!(ending, Err(ReadError::Damaged { .. } | ReadError::NoJournal));
        // A copy of everything behind everything changes nothing.
        let nothing_lost = ending.is_ok() && found == records;
        prop_assert!(refused || nothing_lost, "{ending:?} of {length} at {from}");
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_all(&bytes);
        let mut text = journal(&[], false);
        text.extend(&bytes);
        let (ending, found) = read_all(&text);
        prop_assert_eq!(found, vec![]);
        if bytes.is_empty() {
            prop_assert_eq!(ending.unwrap().torn, 0);
        } else {
            prop_assert_eq!(ending.unwrap().torn, bytes.len() as u64);
        }
    }
}

#[test]
fn an_empty_file_and_other_formats_are_named() {
    assert!(matches!(read_all(b"").0, Err(ReadError::Empty)));
    assert!(matches!(read_all(b"{}\n").0, Err(ReadError::NoJournal)));
    let line = |json: &str| {
        let mut text = Vec::new();
        push_line(&mut text, 0, json.as_bytes());
        text
    };
    let newer = read_all(&line(r#"{"format":{"version":2}}"#)).0;
    assert!(matches!(newer, Err(ReadError::Newer(2))), "{newer:?}");
    let mut text = journal(&[], false);
    let offset = text.len() as u64;
    push_line(&mut text, offset, br#"{"unheard":1}"#);
    let unknown = read_all(&text).0;
    assert!(matches!(unknown, Err(ReadError::Unknown { offset: at }) if at == offset));
}

#[test]
fn lines_after_an_unsynced_hole_are_torn() {
    let version = || Record::Format { version: 3 };
    let records: Vec<_> = (0..3).map(|_| version()).collect();
    let mut text = journal(&records, false);
    let hole = journal(&records[..1], false).len();
    text[hole] = 0;
    let ending = read_all(&text).0.unwrap();
    assert_eq!(ending.end, hole as u64);
    assert_eq!(ending.torn, (text.len() - hole) as u64);
}

//! Any ids: no two records share a key, and keys fit into a table. A line has a domain, a group
//! and a node, separated by tabs.

use super::tests::{PARTS, every_key};
use super::*;
use crate::fuzz::{Fuzz, Outcome};
use crate::model::ids::GroupId;

/// The ids in a line, if the API takes them.
fn ids(line: &str) -> Option<[&str; 3]> {
    let parts: Vec<_> = line.split('\t').collect();
    let [domain, group, node] = parts[..] else {
        return None;
    };
    Domain::parse("domain", domain).ok()?;
    GroupId::parse("groupId", group).ok()?;
    NodeId::parse("nodeId", node).ok()?;
    Some([domain, group, node])
}

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let text = String::from_utf8_lossy(input);
    let mut before: Option<[&str; 3]> = None;
    for line in text.split('\n').take(20) {
        let Some(ids) = ids(line) else { continue };
        outcome.passed("ids");
        let keys = every_key(ids[0], ids[1], ids[2]);
        for key in &keys {
            assert!(key.pk.len() <= 2048 && key.sk.len() <= 1024, "{key:?}");
            assert_eq!(Key::of(&key.attributes()).as_ref(), Some(key));
        }
        let other = before.replace(ids).unwrap_or(ids);
        for (i, key) in keys.iter().enumerate() {
            for (j, theirs) in every_key(other[0], other[1], other[2]).iter().enumerate() {
                let same = i == j && (0..3).all(|part| !PARTS[i][part] || ids[part] == other[part]);
                assert_eq!(key == theirs, same, "{ids:?} {other:?}");
                outcome.had((i, j, same));
            }
        }
        if other != ids {
            outcome.passed("other ids");
        }
    }
    outcome
}

#[test]
fn keys() {
    let fuzz = Fuzz {
        target: "keys",
        tokens: "keys",
        kinds: &["ids", "other ids"],
    };
    fuzz.run(target);
}

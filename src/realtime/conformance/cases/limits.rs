//! The cases 9 and 10: large messages, many frames, many messages.

use super::{ENDS, GOES_ON, TEXT_BEGINS};
use crate::realtime::conformance::client::{BINARY, Case, Parts, TEXT};

const KB: usize = 1024;
const MB: usize = 1024 * KB;
const BINARY_BEGINS: u8 = 0x02;

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    // The odd sections have texts, the even ones binary messages.
    for (kind, first) in [(1, TEXT), (2, BINARY)] {
        for (n, size) in (1..).zip([64 * KB, 256 * KB, MB, 4 * MB, 8 * MB, 16 * MB]) {
            cases.push(Case::new(format!("9.{kind}.{n}")).echoes(first, payload(size)));
        }
    }
    for (kind, first) in [(3, TEXT_BEGINS), (4, BINARY_BEGINS)] {
        let sizes = [64, 256, KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, MB, 4 * MB];
        for (n, size) in (1..).zip(sizes) {
            cases.push(in_frames(format!("9.{kind}.{n}"), first, 4 * MB, size));
        }
    }
    for (kind, first) in [(5, TEXT), (6, BINARY)] {
        for (n, size) in (1..).zip([64, 128, 256, 512, 1024, 2048]) {
            let case = Case::new(format!("9.{kind}.{n}")).echoes(first, payload(MB));
            cases.push(case.parts(Parts::Bytes(size)));
        }
    }
    for (kind, first) in [(7, TEXT), (8, BINARY)] {
        for (n, size) in (1..).zip([0, 16, 64, 256, 1024, 4096]) {
            let many = (0..1000).fold(Case::new(format!("9.{kind}.{n}")), |case, _| {
                case.echoes(first, payload(size))
            });
            cases.push(many.in_turns());
        }
    }
    cases.push(in_frames("10.1.1".into(), TEXT_BEGINS, 65_536, 1300));
    cases
}

fn payload(size: usize) -> Vec<u8> {
    vec![b'*'; size]
}

/// A message in frames of this size.
fn in_frames(id: String, first: u8, whole: usize, size: usize) -> Case {
    let message = payload(whole);
    let mut frames: Vec<_> = message.chunks(size).collect();
    let last = frames.pop().expect("a frame");
    let mut case = Case::new(id);
    for (n, frame) in frames.iter().enumerate() {
        case = case.sends(if n == 0 { first } else { GOES_ON }, frame);
    }
    let only = frames.is_empty();
    let case = case.sends(if only { first | ENDS } else { ENDS }, last);
    case.receives(first | ENDS, message)
}

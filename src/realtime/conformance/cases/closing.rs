//! The cases 7: closes.

use super::{ENDS, TEXT_BEGINS};
use crate::realtime::conformance::client::{CLOSE, Case, PING, Parts, TEXT};

/// Codes that a client may send, and codes that it may not.
const VALID: [u16; 13] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
];
const INVALID: [u16; 9] = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

/// The payload of a close.
fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_ref()].concat()
}

pub fn all() -> Vec<Case> {
    let text = "Hello World!";
    let normal = || close(1000, "");
    let mut cases = vec![
        Case::new("7.1.1").echoes(TEXT, text),
        Case::new("7.1.2")
            .sends(CLOSE, normal())
            .sends(CLOSE, normal())
            .closes(1000),
        Case::new("7.1.3")
            .sends(CLOSE, normal())
            .sends(PING, "")
            .closes(1000),
        Case::new("7.1.4")
            .sends(CLOSE, normal())
            .sends(TEXT, text)
            .closes(1000),
        Case::new("7.1.5")
            .sends(TEXT_BEGINS, "fragment1")
            .sends(CLOSE, normal())
            .sends(ENDS, "fragment2")
            .closes(1000),
        Case::new("7.1.6")
            .echoes(TEXT, "*".repeat(256 * 1024))
            .echoes(TEXT, text)
            .sends(CLOSE, normal())
            .sends(PING, "")
            .closes(1000),
        Case::new("7.3.1").sends(CLOSE, "").closes(1000),
        Case::new("7.3.2").sends(CLOSE, "a").closes(1002),
        Case::new("7.3.3").sends(CLOSE, normal()).closes(1000),
        Case::new("7.3.4")
            .sends(CLOSE, close(1000, text))
            .closes(1000),
        Case::new("7.3.5")
            .sends(CLOSE, close(1000, "*".repeat(123)))
            .closes(1000),
        Case::new("7.3.6")
            .sends(CLOSE, close(1000, "*".repeat(124)))
            .closes(1002),
        Case::new("7.5.1")
            .sends(CLOSE, close(1000, b"\xce\xba\xed\xa0\x80edited"))
            .closes(1007),
    ];
    for (n, code) in (1..).zip(VALID) {
        cases.push(
            Case::new(format!("7.7.{n}"))
                .sends(CLOSE, close(code, ""))
                .closes(1000),
        );
    }
    for (n, code) in (1..).zip(INVALID) {
        cases.push(
            Case::new(format!("7.9.{n}"))
                .sends(CLOSE, close(code, ""))
                .closes(1002),
        );
    }
    for (n, code) in (1..).zip([5000, 65535]) {
        // No code of any range: the suite takes any answer.
        cases.push(
            Case::new(format!("7.13.{n}"))
                .sends(CLOSE, close(code, ""))
                .closes(1002),
        );
    }
    // A close in pieces ends the connection as a whole one does.
    let bytewise = Case::new("7.3.4, byte by byte")
        .sends(CLOSE, close(1000, text))
        .closes(1000);
    cases.push(bytewise.parts(Parts::Bytes(1)));
    cases
}

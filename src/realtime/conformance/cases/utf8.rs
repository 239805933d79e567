//! The cases 6: texts that are UTF-8 and texts that are not.

use super::{ENDS, GOES_ON, TEXT_BEGINS};
use crate::realtime::conformance::client::{Case, Parts, TEXT};

/// κόσμε, a code point that UTF-8 does not have, and more text.
const BEFORE: &[u8] = "κόσμε".as_bytes();
const TOO_HIGH: &[u8] = b"\xf4\x90\x80\x80";
const AFTER: &[u8] = b"edited";
/// A text with characters of one and two bytes.
const LATIN: &str = "Hello-µ@ßöäüàá-UTF-8!!";

/// Texts that are UTF-8, in hex.
const VALID: &[(&str, &[&str])] = &[
    (
        "6.5",
        &[
            "cebae1bdb9cf83cebcceb5",
            "68656c6c6f24776f726c64",
            "68656c6c6fc2a2776f726c64",
            "68656c6c6fe282ac776f726c64",
            "68656c6c6ff0a4ada2776f726c64",
        ],
    ),
    ("6.7", &["00", "c280", "e0a080", "f0908080"]),
    ("6.9", &["7f", "dfbf", "efbfbf", "f48fbfbf"]),
    ("6.11", &["ed9fbf", "ee8080", "efbfbd", "f48fbfbf"]),
    (
        "6.22",
        &[
            "efbfbe", "efbfbf", "f09fbfbe", "f09fbfbf", "f0afbfbe", "f0afbfbf", "f0bfbfbe",
            "f0bfbfbf", "f18fbfbe", "f18fbfbf", "f19fbfbe", "f19fbfbf", "f1afbfbe", "f1afbfbf",
            "f1bfbfbe", "f1bfbfbf", "f28fbfbe", "f28fbfbf", "f29fbfbe", "f29fbfbf", "f2afbfbe",
            "f2afbfbf", "f2bfbfbe", "f2bfbfbf", "f38fbfbe", "f38fbfbf", "f39fbfbe", "f39fbfbf",
            "f3afbfbe", "f3afbfbf", "f3bfbfbe", "f3bfbfbf", "f48fbfbe", "f48fbfbf",
        ],
    ),
    (
        "6.23",
        &[
            "efbfb9", "efbfba", "efbfbb", "efbfbc", "efbfbd", "efbfbe", "efbfbf",
        ],
    ),
];

/// Texts that are not.
const INVALID: &[(&str, &[&str])] = &[
    ("6.8", &["f888808080", "fc8480808080"]),
    ("6.10", &["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"]),
    ("6.11.5", &["f4908080"]),
    (
        "6.12",
        &[
            "80",
            "bf",
            "80bf",
            "80bf80",
            "80bf80bf",
            "80bf80bf80",
            "80bf80bf80bf",
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf\
             b0b1b2b3b4b5b6b7b8b9babbbcbdbe",
        ],
    ),
    (
        "6.13",
        &[
            "c020c120c220c320c420c520c620c720c820c920ca20cb20cc20cd20ce20cf20d020d120d220d320d420d520d620d720\
             d820d920da20db20dc20dd20de20",
            "e020e120e220e320e420e520e620e720e820e920ea20eb20ec20ed20ee20",
            "f020f120f220f320f420f520f620",
            "f820f920fa20",
            "fc20",
        ],
    ),
    (
        "6.14",
        &[
            "c0",
            "e080",
            "f08080",
            "f8808080",
            "fc80808080",
            "df",
            "efbf",
            "f7bfbf",
            "fbbfbfbf",
            "fdbfbfbfbf",
        ],
    ),
    (
        "6.15",
        &["c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"],
    ),
    ("6.16", &["fe", "ff", "fefeffff"]),
    (
        "6.17",
        &["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"],
    ),
    (
        "6.18",
        &["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"],
    ),
    (
        "6.19",
        &["c080", "e08080", "f0808080", "f880808080", "fc8080808080"],
    ),
    (
        "6.20",
        &[
            "eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf",
        ],
    ),
    (
        "6.21",
        &[
            "eda080edb080",
            "eda080edbfbf",
            "edadbfedb080",
            "edadbfedbfbf",
            "edae80edb080",
            "edae80edbfbf",
            "edafbfedb080",
            "edafbfedbfbf",
        ],
    ),
];

pub fn all() -> Vec<Case> {
    let mut cases = whole_and_in_pieces();
    cases.extend(fails_early());
    cases.extend(prefixes());
    for (section, texts) in VALID {
        cases.extend(numbered(section, texts).map(|(id, text)| Case::new(id).echoes(TEXT, text)));
    }
    for (section, texts) in INVALID {
        cases.extend(
            numbered(section, texts).map(|(id, text)| Case::new(id).sends(TEXT, text).closes(1007)),
        );
    }
    cases
}

fn numbered<'a>(
    section: &'a str,
    texts: &'a [&str],
) -> impl Iterator<Item = (String, Vec<u8>)> + 'a {
    let decoded = texts
        .iter()
        .map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()));
    decoded
        .zip(1..)
        .map(move |(text, n)| (format!("{section}.{n}"), text.expect("hex")))
}

/// A text in frames of these parts.
fn pieces<'a>(id: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Case {
    let parts: Vec<_> = parts.into_iter().collect();
    let (last, others) = parts.split_last().expect("some parts");
    let mut case = Case::new(id);
    for (n, part) in others.iter().enumerate() {
        case = case.sends(if n == 0 { TEXT_BEGINS } else { GOES_ON }, part);
    }
    case.sends(ENDS, last)
}

fn whole_and_in_pieces() -> Vec<Case> {
    let (latin, greek) = (LATIN.as_bytes(), BEFORE);
    let surrogate = [BEFORE, b"\xed\xa0\x80", AFTER].concat();
    let (one, two) = latin.split_at(12);
    vec![
        Case::new("6.1.1").echoes(TEXT, ""),
        pieces("6.1.2", [&b""[..], b"", b""]).receives(TEXT, ""),
        pieces("6.1.3", [&b""[..], b"middle frame payload", b""])
            .receives(TEXT, "middle frame payload"),
        Case::new("6.2.1").echoes(TEXT, latin),
        pieces("6.2.2", [one, two]).receives(TEXT, latin),
        pieces("6.2.3", latin.chunks(1)).receives(TEXT, latin),
        pieces("6.2.4", greek.chunks(1)).receives(TEXT, greek),
        Case::new("6.3.1").sends(TEXT, &surrogate).closes(1007),
        pieces("6.3.2", surrogate.chunks(1)).closes(1007),
    ]
}

/// The connection ends before the text does: its last part is not sent.
fn fails_early() -> Vec<Case> {
    let begins = |id| Case::new(id).sends(TEXT_BEGINS, BEFORE);
    let (head, tail) = TOO_HIGH.split_at(1);
    let whole = || {
        Case::new("")
            .sends(TEXT, [BEFORE, TOO_HIGH, AFTER].concat())
            .closes(1007)
    };
    let named = |id: &str| whole().named(id).parts(Parts::Bytes(1));
    vec![
        begins("6.4.1").sends(GOES_ON, TOO_HIGH).closes(1007),
        begins("6.4.2")
            .sends(GOES_ON, head)
            .sends(GOES_ON, tail)
            .closes(1007),
        named("6.4.3"),
        named("6.4.4"),
    ]
}

/// Each prefix of κόσμε, of which those within a character are no UTF-8.
fn prefixes() -> Vec<Case> {
    let lengths = 1..=BEFORE.len();
    let case = |length: usize| {
        let (id, text) = (format!("6.6.{length}"), &BEFORE[..length]);
        match std::str::from_utf8(text) {
            Ok(_) => Case::new(id).echoes(TEXT, text),
            Err(_) => Case::new(id).sends(TEXT, text).closes(1007),
        }
    };
    lengths.map(case).collect()
}

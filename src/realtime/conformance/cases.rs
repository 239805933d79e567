//! The cases 1 to 5: framing, pings and pongs, reserved bits, opcodes, fragmentation.

pub mod closing;
pub mod limits;
pub mod utf8;

use super::client::{BINARY, Case, PING, PONG, Parts, TEXT};

/// A first or only frame of a text without its end, and how it goes on.
pub const TEXT_BEGINS: u8 = 0x01;
pub const GOES_ON: u8 = 0x00;
pub const ENDS: u8 = 0x80;

/// In one write, frame by frame, and byte by byte.
const EACH: [Parts; 3] = [Parts::Whole, Parts::Frames, Parts::Bytes(1)];

pub fn framing() -> Vec<Case> {
    let lengths = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
    let mut cases = Vec::new();
    for (kind, first, byte) in [(1, TEXT, b'*'), (2, BINARY, 0xfe)] {
        for (n, length) in lengths.into_iter().enumerate() {
            let case = Case::new(format!("1.{kind}.{}", n + 1)).echoes(first, vec![byte; length]);
            let parts = if n == 7 {
                Parts::Bytes(997)
            } else {
                Parts::Whole
            };
            cases.push(case.parts(parts));
        }
    }
    cases
}

pub fn pings() -> Vec<Case> {
    let pings = |id| (0..10).fold(Case::new(id), |case, n| case.pings(format!("payload-{n}")));
    vec![
        Case::new("2.1").pings(""),
        Case::new("2.2").pings("Hello, world!"),
        Case::new("2.3").pings([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff]),
        Case::new("2.4").pings([0xfe; 125]),
        Case::new("2.5").sends(PING, [0xfe; 126]).closes(1002),
        Case::new("2.6").pings([0xfe; 125]).parts(Parts::Bytes(1)),
        Case::new("2.7").sends(PONG, ""),
        Case::new("2.8").sends(PONG, "unsolicited pong payload"),
        Case::new("2.9")
            .sends(PONG, "unsolicited pong payload")
            .pings("ping payload"),
        pings("2.10"),
        pings("2.11").parts(Parts::Bytes(1)),
    ]
}

pub fn reserved_bits() -> Vec<Case> {
    let text = "Hello, world!";
    let second = |id, bits: u8| {
        let case = Case::new(id)
            .echoes(TEXT, text)
            .sends(TEXT | bits << 4, text);
        case.sends(PING, "").closes(1002)
    };
    vec![
        Case::new("3.1").sends(TEXT | 0x10, text).closes(1002),
        second("3.2", 2),
        second("3.3", 3).parts(Parts::Frames),
        second("3.4", 4).parts(Parts::Bytes(1)),
        Case::new("3.5")
            .sends(BINARY | 0x50, [0x00, 0xff, 0xfe])
            .closes(1002),
        Case::new("3.6").sends(PING | 0x60, text).closes(1002),
        Case::new("3.7").sends(0x88 | 0x70, "").closes(1002),
    ]
}

pub fn opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, reserved) in [(1, 0x83..=0x87_u8), (2, 0x8b..=0x8f)] {
        for (n, first) in reserved.enumerate() {
            let case = Case::new(format!("4.{kind}.{}", n + 1));
            let case = if n < 2 {
                case
            } else {
                case.echoes(TEXT, "Hello, world!")
            };
            let payload = if n % 2 == 0 {
                ""
            } else {
                "reserved opcode payload"
            };
            let case = case.sends(first, payload).sends(PING, "").closes(1002);
            cases.push(case.parts(if n == 4 {
                Parts::Bytes(1)
            } else {
                Parts::Whole
            }));
        }
    }
    cases
}

/// The same case in one write, frame by frame and byte by byte, under three ids.
fn thrice(first: usize, case: &Case) -> Vec<Case> {
    let each = EACH.into_iter().zip(first..);
    each.map(|(parts, n)| case.clone().named(format!("5.{n}")).parts(parts))
        .collect()
}

pub fn fragmentation() -> Vec<Case> {
    let two = || {
        Case::new("")
            .sends(TEXT_BEGINS, "fragment1")
            .sends(ENDS, "fragment2")
    };
    let around_a_ping = Case::new("")
        .sends(TEXT_BEGINS, "fragment1")
        .pings("ping payload")
        .sends(ENDS, "fragment2")
        .receives(TEXT, "fragment1fragment2");
    let goes_on_without_beginning = |first| {
        let case = Case::new("").sends(first, "non-continuation payload");
        case.sends(TEXT, "Hello, world!").closes(1002)
    };
    let again = |id, first| {
        let once = |case: Case| {
            let case = case.sends(first, "fragment1");
            case.sends(TEXT_BEGINS, "fragment2")
                .sends(ENDS, "fragment3")
        };
        once(once(Case::new(id))).closes(1002)
    };
    let five = |id| {
        let case = Case::new(id)
            .sends(TEXT_BEGINS, "fragment1")
            .sends(GOES_ON, "fragment2");
        let case = case
            .pings("pongme 1!")
            .sends(GOES_ON, "fragment3")
            .sends(GOES_ON, "fragment4");
        let case = case.pings("pongme 2!").sends(ENDS, "fragment5");
        case.receives(TEXT, "fragment1fragment2fragment3fragment4fragment5")
    };
    let echoed = two().receives(TEXT, "fragment1fragment2");
    let after_a_text = echoed
        .clone()
        .named("5.15")
        .sends(GOES_ON, "fragment3")
        .sends(TEXT, "fragment4")
        .closes(1002);
    let in_two = |id, first: u8| {
        Case::new(id)
            .sends(first, "fragment1")
            .sends(ENDS, "fragment2")
            .closes(1002)
    };
    let mut cases = vec![in_two("5.1", PING & 0x0f), in_two("5.2", PONG & 0x0f)];
    cases.extend(thrice(3, &echoed));
    cases.extend(thrice(6, &around_a_ping));
    cases.extend(thrice(9, &goes_on_without_beginning(ENDS)));
    cases.extend(thrice(12, &goes_on_without_beginning(GOES_ON)));
    let two_texts = Case::new("5.18")
        .sends(TEXT_BEGINS, "fragment1")
        .sends(TEXT, "fragment2");
    cases.extend([
        after_a_text,
        again("5.16", GOES_ON),
        again("5.17", ENDS),
        two_texts.closes(1002),
        five("5.19").parts(Parts::Frames),
        five("5.20"),
    ]);
    cases
}

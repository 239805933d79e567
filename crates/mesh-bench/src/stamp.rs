//! What every message carries through the stage: who sent it, as which of his messages,
//! and when. Written into a variable's value or an event's payload, found again in the raw
//! text, which is far cheaper than reading the JSON around it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What kind of message a stamp is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent before the run, to learn that everybody listens; counts nowhere.
    Probe,
    /// A report.
    Report,
    /// An event, fired or recorded.
    Event,
}

/// A message's sender, number and time. Written with digits enough for 100,000 groups of
/// 1,000 publishers, 268 million messages of each, and 52 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What it is in.
    pub kind: Kind,
    /// The sender's group.
    pub group: u32,
    /// The sender among his group's publishers.
    pub publisher: u32,
    /// The number among all of the sender's messages.
    pub sequence: u32,
    /// The number of his events before it.
    pub event: u32,
    /// When it was sent, in nanoseconds since the run began.
    pub nanos: u64,
}

const TAG: &str = "@m:";
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(TAG));

impl Stamp {
    /// Bytes of a written stamp.
    pub const LENGTH: usize = TAG.len() + 1 + 5 + 3 + 7 + 7 + 13;

    /// The first stamp in a text.
    pub fn find(text: &[u8]) -> Option<Self> {
        let at = FINDER.find(text)? + TAG.len();
        let (kind, digits) = text.get(at..at + Self::LENGTH - TAG.len())?.split_first()?;
        let kind = match kind {
            b'p' => Kind::Probe,
            b'r' => Kind::Report,
            b'e' => Kind::Event,
            _ => return None,
        };
        let (group, digits) = number(digits, 5)?;
        let (publisher, digits) = number(digits, 3)?;
        let (sequence, digits) = number(digits, 7)?;
        let (event, digits) = number(digits, 7)?;
        let (nanos, _) = number(digits, 13)?;
        Some(Self {
            kind,
            group: u32::try_from(group).ok()?,
            publisher: u32::try_from(publisher).ok()?,
            sequence: u32::try_from(sequence).ok()?,
            event: u32::try_from(event).ok()?,
            nanos,
        })
    }
}

fn number(digits: &[u8], length: usize) -> Option<(u64, &[u8])> {
    let (own, rest) = digits.split_at_checked(length)?;
    let value = own.iter().try_fold(0, |value: u64, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })?;
    Some((value, rest))
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Probe => 'p',
            Kind::Report => 'r',
            Kind::Event => 'e',
        };
        let Self {
            group,
            publisher,
            sequence,
            event,
            nanos,
            ..
        } = self;
        write!(
            f,
            "{TAG}{kind}{group:05x}{publisher:03x}{sequence:07x}{event:07x}{nanos:013x}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_again() {
        let stamp = Stamp {
            kind: Kind::Event,
            group: 0xabc,
            publisher: 999,
            sequence: 0x0fff_ffff,
            event: 7,
            nanos: 123_456_789_012,
        };
        assert_eq!(stamp.to_string().len(), Stamp::LENGTH);
        let text = format!(r#"{{"key":"x","value":"{stamp}....","#);
        assert_eq!(Stamp::find(text.as_bytes()), Some(stamp));
    }

    #[test]
    fn anything_else_is_no_stamp() {
        for text in ["", "@m:", "@m:r00", &format!("@m:x{:036}", 0)] {
            assert_eq!(Stamp::find(text.as_bytes()), None, "{text}");
        }
    }
}

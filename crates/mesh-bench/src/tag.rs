//! The tag of every message: its publisher, its sequence number, and when it was sent. It is
//! written into a variable's value or an event's payload and found again in the raw text,
//! which is far cheaper than parsing the JSON around it.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent before the run until every subscriber is ready; counts nowhere.
    Probe,
    /// A report.
    Report,
    /// An event, fired or recorded.
    Event,
}

/// A message's publisher, sequence number and time. It has digits for 100,000 groups of
/// 1,000 publishers, 268 million messages of each, and 52 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The message's kind.
    pub kind: Kind,
    /// The publisher's group.
    pub group: u32,
    /// The publisher's number in the group.
    pub publisher: u32,
    /// The number among all of the publisher's messages.
    pub sequence: u32,
    /// The number of the publisher's events before it.
    pub event: u32,
    /// When it was sent, in nanoseconds since the run began.
    pub sent_at: u64,
}

const MARKER: &str = "@m:";
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARKER));

impl Tag {
    /// Bytes of a written tag.
    pub const LENGTH: usize = MARKER.len() + 1 + 5 + 3 + 7 + 7 + 13;

    /// The first tag in a text.
    pub fn find(text: &[u8]) -> Option<Self> {
        let at = FINDER.find(text)? + MARKER.len();
        let (kind, digits) = text
            .get(at..at + Self::LENGTH - MARKER.len())?
            .split_first()?;
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
        let (sent_at, _) = number(digits, 13)?;
        Some(Self {
            kind,
            group: u32::try_from(group).ok()?,
            publisher: u32::try_from(publisher).ok()?,
            sequence: u32::try_from(sequence).ok()?,
            event: u32::try_from(event).ok()?,
            sent_at,
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

impl std::fmt::Display for Tag {
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
            sent_at,
            ..
        } = self;
        write!(
            f,
            "{MARKER}{kind}{group:05x}{publisher:03x}{sequence:07x}{event:07x}{sent_at:013x}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found_again() {
        let tag = Tag {
            kind: Kind::Event,
            group: 0xabc,
            publisher: 999,
            sequence: 0x0fff_ffff,
            event: 7,
            sent_at: 123_456_789_012,
        };
        assert_eq!(tag.to_string().len(), Tag::LENGTH);
        let text = format!(r#"{{"key":"x","value":"{tag}....","#);
        assert_eq!(Tag::find(text.as_bytes()), Some(tag));
    }

    #[test]
    fn anything_else_is_no_tag() {
        for text in ["", "@m:", "@m:r00", &format!("@m:x{:036}", 0)] {
            assert_eq!(Tag::find(text.as_bytes()), None, "{text}");
        }
    }
}

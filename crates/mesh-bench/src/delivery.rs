//! What was sent, compared with what was received.

use std::collections::BTreeMap;

use crate::clients::Receivers;
use crate::publisher::Sent;
use crate::report::figures::Checked;
use crate::sequence::SequenceTracker;

/// What publishers sent, by group and number.
pub type SentByPublisher = BTreeMap<(u32, u32), Sent>;

/// How many deliveries and polled events are expected of what was sent.
pub fn expected(sent: &SentByPublisher, subscribers: u32, pollers: u32) -> (u64, u64) {
    let accepted = |all: u32, rejected: usize| u64::from(all) - rejected as u64;
    let messages: u64 = sent
        .values()
        .map(|sent| accepted(sent.messages, sent.rejected.len()))
        .sum();
    let events: u64 = sent
        .values()
        .map(|sent| accepted(sent.events, sent.rejected_events.len()))
        .sum();
    (
        messages * u64::from(subscribers),
        events * u64::from(pollers),
    )
}

/// Compares what each receiver received with what was sent to its group; pollers receive
/// `events_only`.
pub async fn check(
    receivers: Receivers,
    sent: &SentByPublisher,
    events_only: bool,
    checked: &mut Checked,
) {
    let nothing = SequenceTracker::default();
    for (group, trackers) in receivers.join_all().await {
        for ((_, number), sent) in sent.range((group.index, 0)..(group.index + 1, 0)) {
            let tracker = trackers.get(*number as usize).unwrap_or(&nothing);
            checked.lost += if events_only {
                tracker.lost(sent.events, &sent.rejected_events)
            } else {
                tracker.lost(sent.messages, &sent.rejected)
            };
            checked.duplicated += tracker.duplicated;
            checked.reordered += tracker.reordered;
        }
    }
}

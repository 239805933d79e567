//! What the clients of a lesson call, and how often, by the editor's timers.

use crate::lesson::Lesson;
use crate::units::Units;

/// A subscriber fetches the statuses again after so many seconds.
const STATUSES_SECONDS: f64 = 15.0;
/// A member polls again after so many seconds.
const POLL_SECONDS: f64 = 2.0;
/// One poll of a group in so many seconds also writes the poll mark.
const MARK_SECONDS: f64 = 20.0;
/// A member's heartbeat.
const MEMBER_SECONDS: f64 = 120.0;
/// The host's heartbeat.
const HOST_SECONDS: f64 = 60.0;
/// The host's silence after which a server's reaper looks at the group.
const WATCH_SECONDS: f64 = 150.0;

/// A call, or work of the server itself, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// The field, or `(reaper)`.
    pub call: &'static str,
    /// Which of its rows in `units.json`.
    pub how: &'static str,
    /// How often in the lesson.
    pub times: f64,
    /// How the units grow with the class.
    pub growth: Growth,
    /// Whether it meets others in the group's log, and may lose tries to them.
    pub contended: bool,
}

/// How the units of one call grow with the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Not at all.
    Fixed,
    /// With its members.
    PerMember,
}

impl Calls {
    fn new(call: &'static str, how: &'static str, times: f64) -> Self {
        Self {
            call,
            how,
            times,
            growth: Growth::Fixed,
            contended: false,
        }
    }

    fn per_member(self) -> Self {
        Self {
            growth: Growth::PerMember,
            ..self
        }
    }

    fn contended(self) -> Self {
        Self {
            contended: true,
            ..self
        }
    }

    /// Whether a client called it.
    pub fn is_request(&self) -> bool {
        !self.call.starts_with('(')
    }

    /// All its read and write units, `tries` for each contended call.
    pub fn units(&self, units: &Units, pupils: u32, tries: f64) -> (f64, f64) {
        let one = units.of(self.call, self.how);
        let growth = match self.growth {
            Growth::Fixed => 1.0,
            Growth::PerMember => f64::from(pupils) / f64::from(units.pupils),
        };
        let times = self.times * growth * if self.contended { tries } else { 1.0 };
        (one.read_units * times, one.write_units * times)
    }
}

/// Everything that a lesson calls. Work of the reaper is at the end, and a server's only.
pub fn calls(lesson: &Lesson) -> Vec<Calls> {
    let (pupils, seconds) = (f64::from(lesson.pupils), lesson.seconds());
    let (subscribers, pollers) = (lesson.subscribers(), lesson.pollers());
    let marks = if lesson.keeps_events() {
        seconds / MARK_SECONDS
    } else {
        0.0
    };
    let fired = if lesson.keeps_events() {
        Calls::new("fireEventsByNode", "polling group", lesson.fired()).contended()
    } else {
        Calls::new("fireEventsByNode", "WebSocket group", lesson.fired())
    };
    vec![
        Calls::new("createGroup", "new", 1.0),
        Calls::new("joinGroup", "first time", pupils),
        Calls::new("reportDataByNode", "one variable of ten", lesson.reports()),
        fired,
        Calls::new("recordEventsByNode", "polling group", lesson.recorded()).contended(),
        Calls::new(
            "pollGroupData",
            "40 nodes",
            seconds / POLL_SECONDS * pollers,
        )
        .per_member(),
        Calls::new(
            "listGroupStatuses",
            "40 nodes",
            seconds / STATUSES_SECONDS * subscribers,
        )
        .per_member(),
        Calls::new("sendMemberHeartbeat", "", seconds / MEMBER_SECONDS * pupils),
        Calls::new("renewHeartbeat", "", seconds / HOST_SECONDS),
        Calls::new("leaveGroup", "", pupils),
        Calls::new("dissolveGroup", "40 members", 1.0).per_member(),
        // Polls are counted above; this is what the mark adds to some of them.
        Calls::new("(poll mark)", "", marks),
        Calls::new("(reaper)", "a watch to move", seconds / WATCH_SECONDS),
    ]
}

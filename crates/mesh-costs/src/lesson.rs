//! A lesson in numbers.

use serde::Serialize;

/// A lesson in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lesson {
    /// Members, one device each; the host is one of them.
    pub pupils: u32,
    /// How long it is.
    pub minutes: u32,
    /// Calls of reportDataByNode in a second, of the whole class.
    pub reports_per_second: f64,
    /// Events in a second, of the whole class, each in a call of its own.
    pub events_per_second: f64,
    /// How many of a hundred members poll.
    pub polling_percent: u32,
    /// On AppSync: whether the function publishes what members record, and ends of groups.
    pub push: bool,
}

impl Lesson {
    /// The class that all documents speak of: the load goals of AppSync Mesh v2.
    pub const CLASS: Self = Self {
        pupils: 40,
        minutes: 45,
        reports_per_second: 15.0,
        events_per_second: 2.0,
        polling_percent: 0,
        push: true,
    };

    /// The same class, with a share of polling members.
    #[must_use]
    pub const fn with_polling(self, percent: u32) -> Self {
        Self {
            polling_percent: percent,
            ..self
        }
    }

    /// Members that poll.
    pub fn pollers(&self) -> f64 {
        (f64::from(self.pupils) * f64::from(self.polling_percent) / 100.0).round()
    }

    /// Members with a WebSocket.
    pub fn subscribers(&self) -> f64 {
        f64::from(self.pupils) - self.pollers()
    }

    /// Whether the group keeps events for members that poll.
    pub fn keeps_events(&self) -> bool {
        self.pollers() > 0.0
    }

    /// How long it is, in seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(self.minutes) * 60.0
    }

    /// How long it is, in hours.
    pub fn hours(&self) -> f64 {
        f64::from(self.minutes) / 60.0
    }

    /// All reports.
    pub fn reports(&self) -> f64 {
        self.reports_per_second * self.seconds()
    }

    /// Events that members with a WebSocket fire.
    pub fn fired(&self) -> f64 {
        self.events_per_second * self.seconds() - self.recorded()
    }

    /// Events that polling members record.
    pub fn recorded(&self) -> f64 {
        self.events_per_second * self.seconds() * self.pollers() / f64::from(self.pupils)
    }
}

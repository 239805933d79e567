//! The report on a terminal, for people who teach.

use std::fmt;

use crate::lesson::Lesson;
use crate::price::Price;
use crate::report::Report;

/// Parts that are named for each deployment, at most.
const PARTS: usize = 2;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (region, lessons) = (self.region, self.lessons_a_month);
        writeln!(f, "A lesson: {}\n", self.lesson)?;
        let month = format!("month of {}", count(lessons.into(), "lesson"));
        writeln!(
            f,
            "  {:30} {:>12}   {month:>22}   {:>16}",
            "", "this lesson", "an idle month"
        )?;
        for entry in &self.deployments {
            let price = &entry.price;
            let (lesson, month) = (dollars(price.lesson_dollars), dollars(entry.month_dollars));
            let idle = dollars(price.month_without_lessons_dollars);
            writeln!(
                f,
                "  {:30} {lesson:>12}   {month:>22}   {idle:>16}",
                price.name
            )?;
        }
        writeln!(f, "\nWhat most of it is paid for:")?;
        for entry in &self.deployments {
            writeln!(f, "  {:30} {}", entry.price.name, entry.price.largest())?;
        }
        writeln!(
            f,
            "\nUS dollars in {} ({}), prices of {}, without taxes and free allowances.\n\
             \"This lesson\" counts a server for the lesson's minutes; the month counts it day and night.\n\
             On a computer that the school has, a lesson costs nothing. Check prices before you rely on\n\
             them: docs/costs.md says which ones are assumed.",
            region.place(),
            region.name(),
            self.prices_of
        )
    }
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pupils, minutes) = (
            count(self.pupils.into(), "pupil"),
            count(self.minutes.into(), "minute"),
        );
        let way = match self.polling_percent {
            0 => "all by WebSocket".to_owned(),
            100 => "all by polling".to_owned(),
            _ => format!("{} of them by polling", self.pollers()),
        };
        let (reports, events) = (self.reports_per_second, self.events_per_second);
        let events = if (events - 1.0).abs() < 1e-9 {
            "1 event".into()
        } else {
            format!("{events} events")
        };
        let reports = if (reports - 1.0).abs() < 1e-9 {
            "1 report".into()
        } else {
            format!("{reports} reports")
        };
        write!(
            f,
            "{pupils}, {minutes}, {reports} and {events} a second in the class, {way}"
        )
    }
}

impl Price {
    /// Its largest parts, in a line.
    pub fn largest(&self) -> String {
        let mut parts: Vec<_> = self
            .parts
            .iter()
            .filter(|part| part.dollars > 0.0)
            .collect();
        parts.sort_by(|one, other| other.dollars.total_cmp(&one.dollars));
        let parts = parts.into_iter().take(PARTS).map(|part| {
            let share = part.dollars / self.lesson_dollars * 100.0;
            format!("{} {share:.0} %", part.what)
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Dollars as text, with as many digits as say something.
pub fn dollars(dollars: f64) -> String {
    match dollars {
        0.0..0.01 => format!("${dollars:.4}"),
        0.01..1.0 => format!("${dollars:.3}"),
        _ => format!("${dollars:.2}"),
    }
}

fn count(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

//! `--lesson 40x45m`: a lesson in classroom words, as the other options of a run.

use std::fmt;
use std::str::FromStr;

use anyhow::ensure;

use crate::args::BenchArgs;

/// Variables that a pupil changes in a second: 15 in a class of 40.
pub const REPORTS_OF_A_PUPIL: f64 = 0.375;
/// Events that a pupil sends in a second: 2 in a class of 40.
pub const EVENTS_OF_A_PUPIL: f64 = 0.05;
/// Pupils of a lesson, at most.
const PUPILS_MAX: u32 = 1_000;
/// Minutes of a lesson, at most.
const MINUTES_MAX: u32 = 1_440;
/// Messages in a second in each class, at most, as --rate.
const RATE_MAX: f64 = 100_000.0;
/// The shortest time between two polls, as --poll-every.
const POLL_MIN: f64 = 0.05;

/// A class and how long it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LessonSize {
    /// Pupils, one device each.
    pub pupils: u32,
    /// How long the lesson is.
    pub minutes: u32,
}

impl FromStr for LessonSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes = text.strip_suffix('m').and_then(|text| text.split_once('x'));
        let sizes = sizes.and_then(|(pupils, minutes)| {
            let (pupils, minutes) = (pupils.parse().ok()?, minutes.parse().ok()?);
            Some(Self { pupils, minutes })
        });
        let Some(size) = sizes else {
            return Err("a lesson is pupils x minutes, such as 40x45m".into());
        };
        if !(1..=PUPILS_MAX).contains(&size.pupils) || !(1..=MINUTES_MAX).contains(&size.minutes) {
            return Err(format!(
                "a lesson has 1 to {PUPILS_MAX} pupils and 1 to {MINUTES_MAX} minutes"
            ));
        }
        Ok(size)
    }
}

impl fmt::Display for LessonSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}m", self.pupils, self.minutes)
    }
}

/// The options with those of the lesson filled in: each pupil is a subscriber, or a poller, and
/// a publisher at a child's pace.
pub fn applied(mut args: BenchArgs) -> anyhow::Result<BenchArgs> {
    let Some(LessonSize { pupils, minutes }) = args.lesson else {
        return Ok(args);
    };
    ensure!(
        args.pollers <= pupils,
        "--pollers {} are more than the {pupils} pupils of the lesson",
        args.pollers
    );
    let speed = f64::from(args.speed);
    let rate = f64::from(pupils) * (REPORTS_OF_A_PUPIL + EVENTS_OF_A_PUPIL) * speed;
    ensure!(
        rate <= RATE_MAX,
        "{pupils} pupils at --speed {} send {rate} messages a second: choose a lower --speed",
        args.speed
    );
    args.subscribers = pupils - args.pollers;
    args.publishers = pupils;
    args.rate = rate;
    args.poll_every = (args.poll_every / speed).max(POLL_MIN);
    args.mix = "reports=15,fires=2".parse().map_err(anyhow::Error::msg)?;
    args.seconds = (minutes * 60).div_ceil(args.speed);
    args.warm_up = 0;
    Ok(args)
}

/// The same lesson for the price model.
pub fn priced(args: &BenchArgs, size: LessonSize) -> mesh_costs::Lesson {
    let percent = (args.pollers * 100 + size.pupils / 2) / size.pupils;
    mesh_costs::Lesson {
        pupils: size.pupils,
        minutes: size.minutes,
        reports_per_second: f64::from(size.pupils) * REPORTS_OF_A_PUPIL,
        events_per_second: f64::from(size.pupils) * EVENTS_OF_A_PUPIL,
        polling_percent: percent.min(100),
        push: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_is_pupils_and_minutes() {
        let size: LessonSize = "40x45m".parse().expect("a lesson");
        assert_eq!((size.pupils, size.minutes), (40, 45));
        assert_eq!(size.to_string(), "40x45m");
        for bad in [
            "", "40", "40x45", "x45m", "40xm", "0x45m", "40x0m", "-1x5m", "1001x5m", "5x1441m",
            "4 x5m",
        ] {
            assert!(bad.parse::<LessonSize>().is_err(), "{bad}");
        }
    }
}

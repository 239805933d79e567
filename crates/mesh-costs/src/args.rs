//! The command line of `mesh-v2 costs`.

use anyhow::ensure;
use clap::{Args, ValueEnum};

use crate::lesson::Lesson;
use crate::prices::Region;

/// Reports or events of a class in a second, at most.
const RATE_MAX: f64 = 10_000.0;

/// Whether something is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// As the stack is deployed
    On,
    /// Not
    Off,
}

/// Which lesson, and where.
#[derive(Clone, Debug, Args)]
pub struct CostsArgs {
    /// Pupils in the class, one device each; 1 to 1,000
    #[arg(long, default_value = "40", value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub pupils: u32,
    /// Minutes of the lesson, 1 to 1,440
    #[arg(long, default_value = "45", value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub minutes: u32,
    /// Changes of variables that the class reports in a second, 0 to 10,000
    #[arg(long, default_value = "15", value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub reports: f64,
    /// The same of one pupil, in place of --reports; 0.375 is 15 of a class of 40
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "reports", allow_negative_numbers = true)]
    pub pupil_reports: Option<f64>,
    /// Events (broadcasts) that the class sends in a second, 0 to 10,000
    #[arg(long, default_value = "2", value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub events: f64,
    /// Percent of the pupils who poll, since their network blocks WebSockets; 0 to 100
    #[arg(long, default_value = "0", value_name = "PERCENT",
        value_parser = clap::value_parser!(u32).range(0..=100))]
    pub polling: u32,
    /// On AppSync: whether the function publishes what a polling pupil records, and the ends of
    /// groups (the stack's setting)
    #[arg(long, value_enum, default_value = "on")]
    pub push: Switch,
    /// Whose prices
    #[arg(long, value_enum, default_value = "ap-northeast-1")]
    pub region: Region,
    /// Such lessons in a month, which share what a server costs day and night; 1 to 100,000
    #[arg(long, default_value = "20", value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub lessons_a_month: u32,
    /// Print JSON, with every part of each price
    #[arg(long)]
    pub json: bool,
}

impl CostsArgs {
    /// The lesson that is asked for.
    pub fn lesson(&self) -> anyhow::Result<Lesson> {
        let reports = match self.pupil_reports {
            Some(each) => each * f64::from(self.pupils),
            None => self.reports,
        };
        ensure!(
            reports <= RATE_MAX,
            "{} pupils with {} reports a second each are {reports} a second: choose fewer, up to {RATE_MAX} in all",
            self.pupils,
            self.pupil_reports.unwrap_or_default(),
        );
        Ok(Lesson {
            pupils: self.pupils,
            minutes: self.minutes,
            reports_per_second: reports,
            events_per_second: self.events,
            polling_percent: self.polling,
            push: self.push == Switch::On,
        })
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.0..=RATE_MAX).contains(rate))
        .ok_or_else(|| "a rate is a number from 0 to 10000".into())
}

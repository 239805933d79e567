//! The price of a lesson on a deployment, in parts that add up to it.

use serde::Serialize;

use crate::lesson::Lesson;
use crate::prices::{Item, Region};
use crate::units::Units;
use crate::{appsync, server};

/// Hours of a month.
pub const MONTH_HOURS: f64 = 730.0;

/// Where Mesh v2 runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deployment {
    /// AppSync, the function, a DynamoDB table.
    Appsync,
    /// Our server in one Fargate task, behind a load balancer, with a DynamoDB table.
    Fargate,
    /// Our server on a small machine, with a DynamoDB table.
    ServerDynamodb,
    /// Our server on a small machine, with its embedded store.
    Embedded,
}

/// One part of a price.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// What is paid for.
    pub what: &'static str,
    /// How much of it.
    pub amount: f64,
    /// US dollars.
    pub dollars: f64,
}

/// What a lesson costs on a deployment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// Where.
    pub deployment: Deployment,
    /// In words.
    pub name: &'static str,
    /// US dollars for the lesson: its parts together.
    pub lesson_dollars: f64,
    /// Its parts; what runs day and night counts for the lesson's minutes.
    pub parts: Vec<Part>,
    /// US dollars for a month without lessons.
    pub month_without_lessons_dollars: f64,
    /// What runs day and night, for a month.
    pub month_parts: Vec<Part>,
}

impl Deployment {
    /// All of them, the dearest first.
    pub const ALL: [Self; 4] = [
        Self::Appsync,
        Self::Fargate,
        Self::ServerDynamodb,
        Self::Embedded,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Appsync => "AppSync and Lambda",
            Self::Fargate => "server on Fargate, DynamoDB",
            Self::ServerDynamodb => "small server, DynamoDB",
            Self::Embedded => "small server, embedded store",
        }
    }
}

impl Part {
    /// So much of an item.
    pub fn new(what: &'static str, amount: f64, item: Item, region: Region) -> Self {
        Self {
            what,
            amount,
            dollars: amount * region.price(item),
        }
    }

    /// An amount that is priced elsewhere.
    pub fn of(what: &'static str, amount: f64, dollars: f64) -> Self {
        Self {
            what,
            amount,
            dollars,
        }
    }
}

impl Price {
    /// The price of a lesson.
    pub fn new(deployment: Deployment, lesson: &Lesson, region: Region, units: &Units) -> Self {
        let (parts, month_parts) = match deployment {
            Deployment::Appsync => (
                appsync::parts(lesson, region, units),
                appsync::month(lesson, region, units),
            ),
            _ => server::parts(deployment, lesson, region, units),
        };
        Self {
            deployment,
            name: deployment.name(),
            lesson_dollars: sum(&parts),
            parts,
            month_without_lessons_dollars: sum(&month_parts),
            month_parts,
        }
    }

    /// What a month with so many such lessons costs: what runs day and night is paid once.
    pub fn month_dollars(&self, lessons: u32) -> f64 {
        let is_usage = |part: &&Part| !self.month_parts.iter().any(|other| other.what == part.what);
        let usage: f64 = self
            .parts
            .iter()
            .filter(is_usage)
            .map(|part| part.dollars)
            .sum();
        usage * f64::from(lessons) + self.month_without_lessons_dollars
    }
}

fn sum(parts: &[Part]) -> f64 {
    parts.iter().map(|part| part.dollars).sum()
}

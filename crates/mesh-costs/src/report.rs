//! What a lesson costs on each deployment, as JSON and as a table.

pub mod page;
pub mod table;

use serde::Serialize;

use crate::lesson::Lesson;
use crate::price::{Deployment, Price};
use crate::prices::{PRICES_OF, Region};
use crate::units::Units;

/// What a lesson costs on each deployment.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The lesson.
    pub lesson: Lesson,
    /// Whose prices.
    pub region: Region,
    /// When they were looked up.
    pub prices_of: &'static str,
    /// Such lessons in a month.
    pub lessons_a_month: u32,
    /// Each deployment.
    pub deployments: Vec<Entry>,
}

/// A deployment of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The lesson's price.
    #[serde(flatten)]
    pub price: Price,
    /// US dollars for the month with its lessons.
    pub month_dollars: f64,
}

impl Report {
    /// The report of a lesson.
    pub fn new(lesson: Lesson, region: Region, lessons_a_month: u32, units: &Units) -> Self {
        let deployments = Deployment::ALL.map(|deployment| {
            let price = Price::new(deployment, &lesson, region, units);
            Entry {
                month_dollars: price.month_dollars(lessons_a_month),
                price,
            }
        });
        Self {
            lesson,
            region,
            prices_of: PRICES_OF,
            lessons_a_month,
            deployments: deployments.into(),
        }
    }
}

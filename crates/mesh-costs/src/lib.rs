//! The price model behind `mesh-v2 costs`: what a lesson costs on each deployment.
//!
//! Plain functions from a lesson to amounts, and from amounts to dollars; nothing here waits, and
//! only [`run`] writes:
//!
//! - `args`: the command line
//! - `lesson`: a lesson in numbers; `calls` is what its clients call, `traffic` what is sent to them
//! - `units`: DynamoDB's units of each call, as the store's tests measured them (`units.json`)
//! - `prices`: every price, in one table, with its region and date
//! - `appsync`, `server`: the parts of each deployment's price; `price` adds them up
//! - `report`: a table, JSON, and docs/costs.md

mod appsync;
mod args;
mod calls;
mod lesson;
mod price;
mod prices;
mod report;
mod server;
#[cfg(test)]
mod tests;
mod traffic;
mod units;

use std::io::Write as _;

pub use crate::args::CostsArgs;
pub use crate::lesson::Lesson;
pub use crate::price::{Deployment, Part, Price};
pub use crate::prices::{PRICES_OF, Region};
pub use crate::report::Report;
pub use crate::report::page::page;
pub use crate::report::table::dollars;
pub use crate::units::{CallUnits, Tries, Units};

/// Prints what the lesson costs.
pub fn run(args: &CostsArgs) -> anyhow::Result<()> {
    let report = Report::new(
        args.lesson()?,
        args.region,
        args.lessons_a_month,
        &Units::measured(),
    );
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.to_string()
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

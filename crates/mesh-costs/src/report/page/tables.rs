//! The tables of docs/costs.md that no lesson changes: givens, units and prices.

use std::fmt::Write as _;

use crate::appsync::{FUNCTION_GIGABYTES, FUNCTION_SECONDS};
use crate::price::MONTH_HOURS;
use crate::prices::{Item, ROWS, Rate, Region};
use crate::traffic::{COMPRESSION, MESSAGE_BYTES, RESPONSE_BYTES, STATUS_BYTES, WIRE_BYTES};
use crate::units::{CallUnits, Units};

/// What the model takes for given.
pub fn givens() -> String {
    let rows = [
        (
            "a message to a subscriber",
            format!("{MESSAGE_BYTES} bytes"),
            "measured by `mesh-v2 bench`",
        ),
        (
            "around each message or response: TLS, TCP, IP",
            format!("{WIRE_BYTES} bytes"),
            "assumed",
        ),
        (
            "a response to a mutation, with headers",
            format!("{RESPONSE_BYTES} bytes"),
            "assumed",
        ),
        (
            "a pupil's ten variables in a list of statuses",
            format!("{STATUS_BYTES} bytes"),
            "assumed",
        ),
        (
            "how much smaller AppSync's compression makes such a list",
            format!("{COMPRESSION} times"),
            "assumed",
        ),
        (
            "a call of the function",
            format!("{:.0} ms", FUNCTION_SECONDS * 1e3),
            "assumed",
        ),
        (
            "its memory",
            format!("{FUNCTION_GIGABYTES} GB"),
            "the stack",
        ),
    ];
    let mut text = String::new();
    for (what, how_much, from) in rows {
        let _ = writeln!(text, "| {what} | {how_much} | {from} |");
    }
    text
}

/// The units of each call.
pub fn calls(units: &Units) -> String {
    let mut text = String::new();
    for row in &units.calls {
        let CallUnits {
            call,
            how,
            reads,
            read_units,
            writes,
            write_units,
        } = row;
        let (read, write) = (rounded(*read_units), rounded(*write_units));
        let million = table_dollars(row) * 1e6;
        let _ = writeln!(
            text,
            "| {call} | {how} | {reads} | {read} | {writes} | {write} | {million:.2} |"
        );
    }
    text
}

/// Every price.
pub fn prices() -> String {
    let mut text = String::new();
    for row in ROWS {
        let price = |region| {
            let Rate {
                dollars,
                is_assumed,
            } = row.rate(region);
            format!("{dollars}{}", if is_assumed { " *" } else { "" })
        };
        let (tokyo, virginia) = (price(Region::Tokyo), price(Region::Virginia));
        let _ = writeln!(
            text,
            "| {} | {} | {tokyo} | {virginia} |",
            row.what, row.unit
        );
    }
    text.truncate(text.trim_end().len());
    text
}

/// What an idle server reads in a month.
pub fn reaper(units: &Units) -> f64 {
    let run = |how| table_dollars(&units.of("(reaper)", how));
    let (plain, both) = (
        run("a run, nothing due"),
        run("a run that also removes tombstones"),
    );
    (plain * 2.0 + (both - plain) / 30.0) * 3_600.0 * MONTH_HOURS
}

fn table_dollars(row: &CallUnits) -> f64 {
    let price = |item| Region::Tokyo.price(item);
    row.read_units * price(Item::ReadUnit) + row.write_units * price(Item::WriteUnit)
}

fn rounded(units: f64) -> String {
    let text = format!("{units:.1}");
    text.trim_end_matches(".0").to_owned()
}

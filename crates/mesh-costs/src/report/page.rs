//! docs/costs.md.

use std::fmt::Write as _;

use crate::appsync::{FUNCTION_GIGABYTES, FUNCTION_SECONDS};
use crate::lesson::Lesson;
use crate::price::{Deployment, MONTH_HOURS, Part, Price};
use crate::prices::{Item, PRICES_OF, ROWS, Rate, Region};
use crate::report::table::dollars;
use crate::traffic::{COMPRESSION, MESSAGE_BYTES, RESPONSE_BYTES, STATUS_BYTES, WIRE_BYTES};
use crate::units::{CallUnits, Units};

/// The lessons of the first table.
const POLLING: [u32; 3] = [0, 10, 100];
/// Lessons of a month there.
const LESSONS: u32 = 20;

/// The whole page.
pub fn page(units: &Units) -> String {
    let tries = units.tries;
    let texts = [
        ("{date}", PRICES_OF.to_owned()),
        ("{lessons}", lessons(units)),
        ("{parts}", parts(units)),
        ("{givens}", givens()),
        ("{one_server}", format!("{:.2}", tries.one_server)),
        ("{lambda}", format!("{:.2}", tries.lambda)),
        ("{calls}", calls(units)),
        ("{reaper}", format!("{:.2}", reaper(units))),
        ("{prices}", prices()),
    ];
    let mut page = include_str!("page.md").to_owned();
    for (name, text) in texts {
        page = page.replace(name, &text);
    }
    page
}

/// All deployments: three classes in Tokyo, and the first in Virginia.
fn lessons(units: &Units) -> String {
    let mut text = String::from(
        "| this lesson | by WebSocket | one in ten polls | all poll | by WebSocket, us-east-1 | a month of 20 by WebSocket |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for deployment in Deployment::ALL {
        let price = |percent, region| {
            Price::new(
                deployment,
                &Lesson::CLASS.with_polling(percent),
                region,
                units,
            )
        };
        let _ = write!(text, "| {} |", deployment.name());
        for percent in POLLING {
            let _ = write!(
                text,
                " {} |",
                dollars(price(percent, Region::Tokyo).lesson_dollars)
            );
        }
        let month = price(0, Region::Tokyo).month_dollars(LESSONS);
        let elsewhere = price(0, Region::Virginia).lesson_dollars;
        let _ = writeln!(text, " {} | {} |", dollars(elsewhere), dollars(month));
    }
    text
}

/// Every part of the lesson by WebSocket, and of the one by polling.
fn parts(units: &Units) -> String {
    let mut text = String::new();
    for deployment in Deployment::ALL {
        let price = |percent| {
            Price::new(
                deployment,
                &Lesson::CLASS.with_polling(percent),
                Region::Tokyo,
                units,
            )
        };
        let (websocket, polling) = (price(0), price(100));
        let _ = write!(
            text,
            "## {}\n\n| | by WebSocket | US dollars | share | all poll: US dollars |\n|---|---:|---:|---:|---:|\n",
            capitalized(deployment.name())
        );
        for (part, other) in websocket.parts.iter().zip(&polling.parts) {
            let share = part.dollars / websocket.lesson_dollars * 100.0;
            let (amount, each) = (amount(part.amount), part.dollars);
            let _ = writeln!(
                text,
                "| {} | {amount} | {each:.5} | {share:.0} % | {:.5} |",
                part.what, other.dollars
            );
        }
        let (all, other) = (websocket.lesson_dollars, polling.lesson_dollars);
        let _ = writeln!(
            text,
            "| **this lesson** | | **{all:.4}** | | **{other:.4}** |\n"
        );
        let month = websocket
            .month_parts
            .iter()
            .map(|Part { what, dollars, .. }| format!("{what} {dollars:.2}"));
        let month: Vec<_> = month.collect();
        let all = websocket.month_without_lessons_dollars;
        let _ = writeln!(
            text,
            "A month without lessons: {all:.2} US dollars ({}).\n",
            month.join(", ")
        );
    }
    text
}

fn givens() -> String {
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

fn calls(units: &Units) -> String {
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

fn prices() -> String {
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
fn reaper(units: &Units) -> f64 {
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

fn amount(amount: f64) -> String {
    if amount < 100.0 {
        return format!("{amount:.2}");
    }
    let digits = format!("{amount:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docs_costs_md_is_of_the_model() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/costs.md");
        let page = page(&Units::measured());
        if std::env::var_os("MESH_BLESS").is_some() {
            std::fs::write(&file, &page).expect("the page is written");
        }
        let found = std::fs::read_to_string(&file).expect("the page");
        assert!(
            found == page,
            "docs/costs.md is not of this model: MESH_BLESS=1 cargo test -p mesh-costs writes it"
        );
    }
}

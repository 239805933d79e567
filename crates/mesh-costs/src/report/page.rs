//! docs/costs.md.

mod tables;

use std::fmt::Write as _;

use self::tables::{calls, givens, prices, reaper};
use crate::lesson::Lesson;
use crate::price::{Deployment, Part, Price};
use crate::prices::{PRICES_OF, Region};
use crate::report::table::dollars;
use crate::units::Units;

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

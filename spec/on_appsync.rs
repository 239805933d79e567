//! The whole suite once more behind AppSync: the stand-in of `spec/appsync` with a Lambda
//! over a `DynamoDB` table. What differs there is named, and held as it is in `instead`.

mod instances;
mod instead;

use std::io::Write as _;
use std::process::Command;

use crate::support::differences::{DIFFERENCES, Difference, LEFT_OUT, LeftOut, NOT_PROMISED};
use crate::support::rerun;

/// Sentences that hold there at least; fewer would mean that they were not asked.
const SENTENCES: usize = 130;

/// The paths of whatever is not asked of AppSync.
fn not_asked() -> Vec<&'static str> {
    let modules = LEFT_OUT.iter().map(|left_out| left_out.module);
    let sentences = DIFFERENCES.iter().flat_map(|it| it.sentences);
    modules.chain(sentences.copied()).collect()
}

#[test]
fn every_sentence_holds_behind_appsync_or_is_named() {
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = std::io::stderr().write_all(what_differs().as_bytes());
    let held = rerun::held(&[("MESH_SPEC_STORE", "appsync")], not_asked(), &[]);
    assert!(held >= SENTENCES, "only {held} sentences were asked");
    println!("{held} sentences held behind AppSync");
}

fn what_differs() -> String {
    let modules = LEFT_OUT.iter();
    let modules: Vec<_> = modules
        .map(|LeftOut { module, why }| format!("  {module} {why}\n"))
        .collect();
    format!(
        "Not asked of AppSync:\n{}{}Asked of the stand-in, and not promised by AWS:\n{}",
        modules.concat(),
        table(&DIFFERENCES),
        table(&NOT_PROMISED)
    )
}

fn table(differences: &[Difference]) -> String {
    let row = |it: &Difference| format!("  {it}\n    {}\n", it.sentences.join("\n    "));
    differences.iter().map(row).collect::<Vec<_>>().concat()
}

#[test]
fn whatever_is_not_asked_of_appsync_exists() {
    let suite = std::env::current_exe().expect("the suite knows where it is");
    let listed = Command::new(suite).arg("--list").output();
    let listed = String::from_utf8(listed.expect("the suite lists").stdout).expect("text");
    let all: Vec<_> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let promised = NOT_PROMISED.iter().flat_map(|it| it.sentences).copied();
    for path in instances::left_out().into_iter().chain(promised) {
        let named = all.iter().filter(|name| name.contains(path)).count();
        let is_module = path.ends_with("::");
        assert!(if is_module { named > 0 } else { named == 1 }, "{path}");
    }
}

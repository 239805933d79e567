//! The table of docs/monitoring.md: every metric, as `/metrics` describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::memory::Memory;
use crate::metrics::{JournalFigures, Metrics, Population, Snapshot, StoreFigures};

/// What stands around the table.
const MARKS: [&str; 2] = ["<!-- metrics -->\n", "<!-- end of metrics -->"];

#[test]
fn docs_monitoring_lists_each_metric() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(MARKS[0]).expect("the first mark");
    let (found, after) = rest.split_once(MARKS[1]).expect("the second mark");
    let table = table();
    if std::env::var_os("MESH_BLESS").is_some() {
        let page = [before, MARKS[0], &table, MARKS[1], after].concat();
        std::fs::write(&path, page).expect("the page is written");
        return;
    }
    assert!(
        found == table,
        "docs/monitoring.md is not of these metrics; MESH_BLESS=1 writes it"
    );
}

/// A scrape of a server whose store knows everything.
fn scrape() -> String {
    let store = StoreFigures {
        population: Some(Population::default()),
        journal: Some(JournalFigures::default()),
    };
    Metrics::default().text_with(Snapshot {
        store,
        memory: Memory::unlimited().by_purpose(),
        resident: Some(0),
        ..Snapshot::default()
    })
}

fn table() -> String {
    let text = scrape();
    let (mut kinds, mut helps) = (Vec::new(), BTreeMap::new());
    let mut labels: BTreeMap<&str, (&str, BTreeSet<&str>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = described(line, "# TYPE ") {
            kinds.push((name, kind));
        } else if let Some((name, help)) = described(line, "# HELP ") {
            helps.insert(name, help.trim_end_matches('.'));
        } else if let Some((name, given)) = line.split_once('{') {
            let (label, value) = given.split_once("=\"").expect("a label");
            let value = value.split('"').next().unwrap_or_default();
            let (_, values) = labels.entry(base(name)).or_insert((label, BTreeSet::new()));
            if label != "le" {
                values.insert(value);
            }
        }
    }
    let mut table = "| Metric | Type | | Label |\n|---|---|---|---|\n".to_owned();
    for (name, kind) in kinds {
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let label = labels.get(name).filter(|(label, _)| *label != "le");
        let label = label.map_or_else(String::new, |(label, values)| {
            let values: Vec<_> = values.iter().copied().collect();
            let listed = format!(": {}", values.join(", "));
            let values = if *label == "version" { "" } else { &listed };
            format!("`{label}`{values}")
        });
        let help = helps.get(name).copied().unwrap_or_default();
        let _ = writeln!(table, "| `{name}{suffix}` | {kind} | {help} | {label} |");
    }
    table
}

fn described<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(mark)?.split_once(' ')
}

/// The name of the family of a sample.
fn base(sample: &str) -> &str {
    let suffixes = ["_total", "_info", "_bucket", "_sum", "_count"];
    let found = suffixes
        .iter()
        .find_map(|suffix| sample.strip_suffix(suffix));
    found.unwrap_or(sample)
}

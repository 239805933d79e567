//! docs/limits.md: every setting of `mesh-v2 serve`, as `--help` has it.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, CommandFactory as _};

use crate::config::Cli;
use crate::model::ids::MAX_CHARACTERS;
use crate::model::message::MESSAGE_BYTES;
use crate::server::request_body::MAX_PIECES;
use crate::store::EVENTS_PER_READ;

const HEAD: &str = "\
# Settings and limits

Every setting of `mesh-v2 serve`. A flag wins over its environment variable, and the variable over
the `.env` file in the working folder. `mesh-v2 check` prints the values in effect, without secrets.
Past a limit, a request is refused and never cut ([api.md](api.md#errors) has the errors).

This page is generated: `MESH_BLESS=1 cargo test --lib docs_limits_are_generated` writes it, and
without `MESH_BLESS` the test compares it.
";

/// The heading of the settings that have none in `--help`.
const GENERAL: &str = "General";

#[test]
fn docs_limits_are_generated() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    let page = page();
    if std::env::var_os("MESH_BLESS").is_some() {
        std::fs::write(&path, page).expect("the page is written");
        return;
    }
    let found = std::fs::read_to_string(&path).expect("the page");
    assert!(
        found == page,
        "docs/limits.md is not of these settings; MESH_BLESS=1 writes it"
    );
}

fn page() -> String {
    let command = Cli::command();
    let settings = command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some());
    let mut headings: Vec<(&str, Vec<&Arg>)> = Vec::new();
    for arg in settings {
        let heading = arg.get_help_heading().unwrap_or(GENERAL);
        match headings.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, args)) => args.push(arg),
            None => headings.push((heading, vec![arg])),
        }
    }
    let mut page = HEAD.to_owned();
    #[cfg(feature = "otel")]
    headings.retain(|(heading, _)| *heading != crate::config::otlp::HEADING);
    for (heading, args) in headings {
        let heading = heading.split(" [").next().unwrap_or(heading);
        let _ = write!(
            page,
            "\n## {heading}\n\n| Flag | Variable | Default | Unit | |\n|---|---|---|---|---|\n"
        );
        for arg in args {
            page += &row(arg);
        }
    }
    page + &fixed()
}

/// What no setting changes, for all deployments and clients must agree on it.
fn fixed() -> String {
    format!(
        "\n## Fixed\n\n| | Limit |\n|---|---|\n\
         | a message to a subscriber, with every field selected | {} KB |\n\
         | events of one answer to getEventsSince or pollGroupData | {EVENTS_PER_READ} |\n\
         | an id, a name or a domain | {MAX_CHARACTERS} characters |\n\
         | chunks or other pieces of a request's body | {MAX_PIECES} |\n",
        MESSAGE_BYTES / 1024
    )
}

fn row(arg: &Arg) -> String {
    let flag = arg.get_long().expect("a long flag");
    let variable = arg
        .get_env()
        .and_then(|name| name.to_str())
        .expect("a variable");
    let help = arg.get_help().expect("a sentence").to_string();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let values: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    let (help, default) = match help.rsplit_once(" [") {
        Some((before, said)) if values.is_empty() => {
            let said = said.trim_end_matches(']');
            (
                before.to_owned(),
                said.strip_prefix("default: ").unwrap_or(said).to_owned(),
            )
        }
        _ if values.is_empty() => (help, String::new()),
        _ => (help, format!("`{}`", values.join(","))),
    };
    let escaped = |text: &str| text.replace('|', "\\|").replace('<', "\\<");
    let (mut help, default) = (escaped(&help), escaped(&default));
    let choices: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if choices.len() > 1 {
        let _ = write!(help, ": {}", choices.join(", "));
    }
    format!(
        "| `--{flag}` | `{variable}` | {default} | {} | {help} |\n",
        unit(variable)
    )
}

fn unit(variable: &str) -> &'static str {
    let units = [
        ("_MILLISECONDS", "ms"),
        ("_MS", "ms"),
        ("_SECONDS", "s"),
        ("_BYTES", "bytes"),
        ("_BYTES_PER_GROUP", "bytes"),
        ("_MEMORY", "bytes"),
    ];
    let found = units.iter().find(|(end, _)| variable.ends_with(end));
    found.map_or("", |(_, unit)| unit)
}

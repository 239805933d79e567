//! The network check behind `mesh-v2 doctor`: which ways from here to a server a lesson can use,
//! and what to ask the network department for.
//!
//! It is a client like any other: it knows the protocols, and nothing of the server's crate.
//! [`run`] is one check from the command line to the exit code:
//!
//! - `args`: the command line
//! - `endpoint`: a URL, and the places that clients derive from it
//! - `run`: the steps; `network`, `certificate`, `http`, `group`, `stream` and `socket` (with
//!   `upgrade` and `inbox`) take them, and `facts` and `answer` are what they observe
//! - `verdict`: what the facts mean, as plain functions
//! - `texts`: what people read, in both languages; the page /doctor embeds the same file
//! - `report`: the result for a terminal, as JSON, and as a letter

mod answer;
mod args;
mod certificate;
mod clock;
mod endpoint;
mod facts;
mod group;
mod http;
mod inbox;
mod network;
mod report;
mod run;
mod socket;
mod stream;
mod texts;
mod upgrade;
mod verdict;

use std::io::Write as _;

use anyhow::Context as _;
use hyper::header::HeaderValue;

pub use crate::args::DoctorArgs;
use crate::endpoint::Endpoint;
use crate::http::Client;
use crate::network::Network;
pub use crate::report::Report;
pub use crate::texts::Lang;
use crate::verdict::Criteria;
pub use crate::verdict::Way;

/// Checks the network and prints the result; answers whether members can connect.
pub fn run(args: &DoctorArgs) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let report = runtime.context("cannot start")?.block_on(check(args))?;
    let lang = args.lang.unwrap_or_else(Lang::of_environment);
    let text = if args.json {
        serde_json::to_string_pretty(&report.json(lang)).expect("a report is JSON") + "\n"
    } else if args.letter {
        match args.lang {
            Some(lang) => report.letter(lang),
            None => report.letter(Lang::Ja) + "\n----\n\n" + &report.letter(Lang::En),
        }
    } else {
        report.text(lang)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(report.way != Way::None)
}

/// Checks the network.
pub async fn check(args: &DoctorArgs) -> anyhow::Result<Report> {
    let endpoint = Endpoint::parse(&args.url)?;
    let origin = args.origin.trim_end_matches('/');
    for (name, value) in [("--origin", origin), ("--api-key", &args.api_key)] {
        HeaderValue::from_str(value)
            .with_context(|| format!("{name} cannot be sent in a header"))?;
    }
    let criteria = Criteria {
        endpoint: endpoint.clone(),
        origin: origin.to_owned(),
        slow: args.slow,
        pause: args.pause,
        wait: args.wait,
    };
    let client = Client {
        network: Network::new(&endpoint, args.ca.as_deref(), args.wait)?,
        endpoint,
        key: args.api_key.clone(),
        origin: origin.to_owned(),
    };
    let facts = run::observe(&client, args.pause).await;
    Ok(Report::of(&facts, &criteria))
}

//! The knobs of `mesh-v2 bench`: whom it asks, how big the lesson is, and what it writes.

use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{Args, ValueEnum};

use crate::lesson::LessonSize;
use crate::mix::Mix;

/// The API key of a server that was given none.
const DEVELOPMENT_KEY: &str = "da2-mesh-development";

/// How subscribers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// AppSync realtime, as the editor's client speaks it
    #[value(name = "appsync")]
    AppSync,
    /// The newer protocol of plain GraphQL clients
    GraphqlTransportWs,
    /// GraphQL over server-sent events, one event stream each
    Sse,
}

/// The store of a server that the tool starts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServedStore {
    /// In memory
    Memory,
    /// In a folder, surviving kill -9
    Embedded,
}

/// What a run of `mesh-v2 bench` is.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The server to measure
    #[arg(
        long,
        default_value = "http://127.0.0.1:4000/graphql",
        value_name = "URL",
        help_heading = "Whom"
    )]
    pub endpoint: String,
    /// Start a server for the run, this very program, with this store, on a free port
    #[arg(long, value_enum, conflicts_with_all = ["endpoint", "pid"], value_name = "STORE", help_heading = "Whom")]
    pub serve: Option<ServedStore>,
    /// Where the server of --serve embedded keeps its store; a folder in it is made and
    /// removed [default: the system's temporary folder]
    #[arg(
        long,
        requires = "serve",
        value_name = "DIR",
        help_heading = "Whom",
        verbatim_doc_comment
    )]
    pub data: Option<PathBuf>,
    /// The server's API key; one of --serve has its own
    #[arg(
        long,
        env = "APPSYNC_API_KEY",
        default_value = DEVELOPMENT_KEY,
        hide_env_values = true,
        value_name = "KEY",
        help_heading = "Whom"
    )]
    pub api_key: String,
    /// The server's process, for its CPU time and memory [default: found by its port when
    /// it runs on this machine]
    #[arg(long, value_name = "PID", help_heading = "Whom", verbatim_doc_comment)]
    pub pid: Option<u32>,
    /// How subscribers listen
    #[arg(
        long,
        value_enum,
        default_value = "appsync",
        value_name = "PROTOCOL",
        help_heading = "Whom"
    )]
    pub protocol: Protocol,

    /// Play a lesson of so many pupils and minutes, such as 40x45m: each pupil changes a variable
    /// every 2.7 seconds and sends an event every 20; the report says in words how it went, and
    /// what it costs on each deployment (mesh-v2 costs). --pollers are pupils who poll
    #[arg(long, value_name = "LESSON", help_heading = "Lesson", verbatim_doc_comment,
        conflicts_with_all = ["subscribers", "publishers", "rate", "as_fast", "mix", "seconds", "warm_up"])]
    pub lesson: Option<LessonSize>,
    /// How many times as fast the lesson is played, 1 to 3,600: at 60, 45 minutes take 45
    /// seconds, and the server has sixty times the work of the real lesson
    #[arg(long, default_value = "60", value_name = "N", requires = "lesson", help_heading = "Lesson",
        value_parser = clap::value_parser!(u32).range(1..=3_600), verbatim_doc_comment)]
    pub speed: u32,
    /// Groups, 1 to 100,000; one class with --lesson
    #[arg(long, default_value = "10", default_value_if("lesson", ArgPredicate::IsPresent, Some("1")),
        value_name = "N", help_heading = "Who", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub groups: u32,
    /// Subscribers of each group, one connection each; 0 to 100,000
    #[arg(long, default_value = "40", value_name = "N", help_heading = "Who",
        value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub subscribers: u32,
    /// Publishers of each group, one HTTP connection each; 1 to 1,000
    #[arg(long, default_value = "1", value_name = "N", help_heading = "Who",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub publishers: u32,
    /// Members of each group that poll, one HTTP connection each, 0 to 1,000; they
    /// receive events only
    #[arg(long, default_value = "0", value_name = "N", help_heading = "Who",
        value_parser = clap::value_parser!(u32).range(0..=1000), verbatim_doc_comment)]
    pub pollers: u32,
    /// The domain of the groups [default: new ones, each for up to 500 groups]
    #[arg(long, value_name = "DOMAIN", help_heading = "Who")]
    pub domain: Option<String>,
    /// Seconds between two polls of one member, 0.05 to 60
    #[arg(long, default_value = "2", value_name = "S", help_heading = "Who", value_parser = seconds)]
    pub poll_every: f64,

    /// Messages per second in each group, by all its publishers together, up to 100,000; 0 is
    /// the idle mode: connections only, and their memory
    #[arg(long, default_value = "17", value_name = "N", help_heading = "What",
        value_parser = rate, allow_negative_numbers = true, verbatim_doc_comment)]
    pub rate: f64,
    /// Publish as fast as it goes instead of at a rate
    #[arg(long, conflicts_with = "rate", help_heading = "What")]
    pub as_fast: bool,
    /// With --as-fast: messages of a group that not all members have received yet, 1 to
    /// 10,000
    #[arg(long, default_value = "16", value_name = "N", help_heading = "What",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub in_flight: u32,
    /// Which messages, in parts of 0 to 1,000: reports, fires, records
    #[arg(
        long,
        default_value = "reports=15,fires=2",
        value_name = "MIX",
        help_heading = "What"
    )]
    pub mix: Mix,
    /// Variables of a report, 1 to 100
    #[arg(long, default_value = "1", value_name = "N", help_heading = "What",
        value_parser = clap::value_parser!(u32).range(1..=100))]
    pub variables: u32,
    /// Bytes of a variable's value or an event's payload, 40 to 50,000; 40 make messages
    /// of about 450 bytes
    #[arg(long, default_value = "40", value_name = "N", help_heading = "What",
        value_parser = clap::value_parser!(u32).range(40..=50_000), verbatim_doc_comment)]
    pub payload: u32,

    /// Seconds of measuring, 1 to 86,400
    #[arg(long, default_value = "10", value_name = "S", help_heading = "How long",
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Seconds of publishing before it; checked, but not measured; 0 to 600
    #[arg(long, default_value = "2", value_name = "S", help_heading = "How long",
        value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,
    /// Seconds without anything new after which what is missing counts as lost, 1 to 60
    #[arg(long, default_value = "5", value_name = "S", help_heading = "How long",
        value_parser = clap::value_parser!(u32).range(1..=60))]
    pub patience: u32,
    /// Connections being opened at once, 1 to 1,000
    #[arg(long, default_value = "64", value_name = "N", help_heading = "How long",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub opening: u32,
    /// Threads of this tool, 1 to 256 [default: the cores it may use]
    #[arg(long, value_name = "N", help_heading = "How long",
        value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,

    /// Write the report as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,
    /// Write the report as a page with charts
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub html: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.0..=100_000.0).contains(rate))
        .ok_or_else(|| "a rate is a number from 0 to 100000".into())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| (0.05..=60.0).contains(seconds))
        .ok_or_else(|| "a number from 0.05 to 60".into())
}

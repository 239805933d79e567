//! The command line of `mesh-v2 doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::texts::Lang;

/// The API key of a server that was given none.
const DEVELOPMENT_KEY: &str = "da2-mesh-development";

/// What a run of `mesh-v2 doctor` is.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The server's address: `http(s)://host[:port][/graphql]`, or an AppSync endpoint
    #[arg(default_value = "http://127.0.0.1:4000/graphql", value_name = "URL")]
    pub url: String,
    /// The server's API key
    #[arg(
        long,
        env = "APPSYNC_API_KEY",
        default_value = DEVELOPMENT_KEY,
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub api_key: String,
    /// The page of the editor that the class uses
    #[arg(long, default_value = "https://smalruby.app", value_name = "ORIGIN")]
    pub origin: String,
    /// Also trust the certificates of this file in PEM, such as the ca.pem of --tls-self-signed
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The language of the result [default: that of LANG]
    #[arg(long, value_enum, value_name = "LANG")]
    pub lang: Option<Lang>,
    /// Print the result as JSON
    #[arg(long, conflicts_with = "letter")]
    pub json: bool,
    /// Print a letter to the network department that names what to allow, in Japanese and
    /// English, or in the language of --lang
    #[arg(long)]
    pub letter: bool,
    /// Seconds that each step may take, 0.1 to 120
    #[arg(long, default_value = "10", value_name = "S", value_parser = seconds)]
    pub wait: Duration,
    /// Seconds between the two events that are sent, 0 to 600; more than 60 shows whether idle
    /// connections are cut
    #[arg(long, default_value = "4", value_name = "S", value_parser = pause)]
    pub pause: Duration,
    /// Seconds from which a TLS handshake or a message is late, 0.1 to 120
    #[arg(long, default_value = "2", value_name = "S", value_parser = seconds)]
    pub slow: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    within(text, 0.1, 120.0)
}

fn pause(text: &str) -> Result<Duration, String> {
    within(text, 0.0, 600.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (least..=most).contains(seconds));
    let seconds = seconds.map(Duration::from_secs_f64);
    seconds.ok_or_else(|| format!("a number from {least} to {most}"))
}

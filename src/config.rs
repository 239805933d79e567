//! Every setting of the program, typed, with its line in `--help`. Flags win over the
//! environment, the environment over the `.env` file. Only the mains see this.

mod address;
#[cfg(feature = "lambda")]
pub mod appsync;
mod bounds;
pub mod data;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod health;
mod keys;
mod limits;
#[cfg(all(test, feature = "dynamodb"))]
mod limits_page;
pub mod listing;
pub mod manual;
#[cfg(test)]
mod metrics_page;
#[cfg(feature = "oidc")]
mod oidc;
#[cfg(feature = "otel")]
pub mod otlp;
mod rates;
mod serve;
mod stage;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use bounds::BoundArgs;
pub use keys::KeySource;
pub use rates::RateArgs;
pub use serve::{NextSinceKind, ServeArgs, StoreKind};
pub use stage::{Stage, StageSettings, Unusable};

/// The file that is read without `--env-file`, if it is there.
const ENV_FILE: &str = ".env";

/// Realtime group messaging for Scratch-style classrooms.
///
/// Without a command, starts a server. Every flag has an environment variable; flags win
/// over the environment, and the environment over the .env file in the working folder
/// (a link from .env to .env.stg or .env.production chooses an environment).
#[derive(Debug, Parser)]
#[command(
    name = "mesh-v2",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; serves when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a server (the default).
    Serve(Box<ServeArgs>),
    /// Print the effective settings, without secrets, and what is wrong with them.
    Check(Box<ServeArgs>),
    /// Ask a server whether it runs, for health checks of containers and services.
    ///
    /// Exits with code 0 when the server answers, and with code 1 and a line that says what to do
    /// when it does not.
    Health(health::HealthArgs),
    /// Print the GraphQL schema.
    Schema,
    /// Back up, restore or repair the embedded store's data.
    #[command(subcommand)]
    Store(data::StoreCommand),
    /// Make, show or delete the environment's DynamoDB table.
    #[cfg(feature = "dynamodb")]
    #[command(subcommand)]
    Table(dynamodb::TableCommand),
    /// Show a group.
    #[cfg(feature = "dynamodb")]
    #[command(subcommand)]
    Group(dynamodb::GroupCommand),
    /// Measure a server: groups of subscribers, publishers and pollers, and what they receive.
    ///
    /// Every message carries its sender, its number and its time, so that loss, duplicates,
    /// reordering and messages of other groups are counted, and the time to each listener is
    /// known. Exits with code 1 when anything of that happened, or when nothing was received.
    #[cfg(feature = "bench")]
    Bench(Box<mesh_bench::BenchArgs>),
    /// Print what a lesson costs on each deployment: AppSync, a server with DynamoDB, a server alone.
    ///
    /// From the class, how long the lesson is and how much it sends, with the prices of one region and
    /// what each call was measured to need. For example, 30 pupils of whom three cannot use WebSockets:
    /// mesh-v2 costs --pupils 30 --minutes 50 --polling 10
    #[cfg(feature = "costs")]
    Costs(mesh_costs::CostsArgs),
    /// Check the network between here and a server: which ways a lesson can use.
    ///
    /// Run it on a device of the class, in the class's network. It looks up the name, connects,
    /// opens TLS, sends the requests of an editor and a browser, opens a WebSocket and sends events
    /// over it, polls, and compares clocks, in a group of its own, which it ends. Each line says
    /// what was found, what that means for a lesson and what to do. Exits with code 0 when
    /// members can connect, by WebSocket or by polling, and with code 1 when they cannot.
    #[cfg(feature = "doctor")]
    Doctor(Box<mesh_doctor::DoctorArgs>),
    /// Print the completions of a shell: bash, zsh, fish, powershell or elvish.
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page of the program, or of one of its commands.
    ///
    /// To read it at once: mesh-v2 man | man -l -
    Man {
        /// The command, such as serve or store
        command: Option<String>,
    },
}

/// Reads the `.env` file before anything else looks at the environment: the one given
/// with `--env-file` or `MESH_ENV_FILE`, else `.env` if it is there. Must run before
/// threads start. Answers which file was read.
pub fn read_env_file() -> anyhow::Result<Option<PathBuf>> {
    use anyhow::Context as _;
    let mut args = std::env::args_os()
        .skip(1)
        .filter_map(|arg| arg.into_string().ok());
    let mut by_flag = None;
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--env-file") {
            Some("") => by_flag = args.next(),
            Some(rest) => by_flag = rest.strip_prefix('=').map(Into::into),
            None => {}
        }
    }
    let chosen = by_flag.or_else(|| std::env::var("MESH_ENV_FILE").ok());
    let Some(file) = chosen
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(ENV_FILE)).filter(|file| file.exists()))
    else {
        return Ok(None);
    };
    // Variables that are set already stay as they are.
    dotenvy::from_path(&file)
        .with_context(|| format!("cannot read the settings file {}", file.display()))?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_has_a_variable_and_a_sentence() {
        let serve = Cli::command();
        let settings = serve
            .get_arguments()
            .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()));
        for setting in settings {
            assert!(setting.get_env().is_some(), "{setting} has no variable");
            assert!(setting.get_help().is_some(), "{setting} has no sentence");
        }
    }
}

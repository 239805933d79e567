//! `mesh-v2`: parse, build, run, exit code.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use mesh_v2::config::{self, Cli, Command, manual};
use mesh_v2::stage;

/// The system's allocator keeps what a flood left; this one's threads give it back.
#[cfg(all(feature = "jemalloc", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        // The reader of the output has seen enough, such as `head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesh-v2: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let env_file = config::read_env_file()?;
    let given = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
    match cli.command {
        Some(Command::Schema) => {
            std::io::stdout().write_all(include_bytes!("../schema/schema.graphql"))?;
        }
        Some(Command::Check(args)) => {
            let given = given.subcommand_matches("check").unwrap_or(&given);
            stage::check(&args, given, env_file.as_deref())?;
        }
        Some(Command::Health(args)) => stage::health(&args)?,
        Some(Command::Completions { shell }) => {
            std::io::stdout().write_all(&manual::completions(shell))?;
        }
        Some(Command::Man { command }) => {
            std::io::stdout().write_all(&manual::page(command.as_deref())?)?;
        }
        Some(Command::Store(command)) => stage::data::run(&command)?,
        #[cfg(feature = "dynamodb")]
        Some(Command::Table(command)) => stage::dynamodb::table(&command)?,
        #[cfg(feature = "dynamodb")]
        Some(Command::Group(command)) => stage::dynamodb::group(&command)?,
        #[cfg(feature = "bench")]
        Some(Command::Bench(args)) => mesh_bench::run(*args)?,
        #[cfg(feature = "costs")]
        Some(Command::Costs(args)) => mesh_costs::run(&args)?,
        #[cfg(feature = "doctor")]
        Some(Command::Doctor(args)) => return Ok(u8::from(!mesh_doctor::run(&args)?).into()),
        Some(Command::Serve(args)) => {
            let given = given.subcommand_matches("serve").unwrap_or(&given);
            stage::serve(&args, given, env_file.as_deref())?;
        }
        None => stage::serve(&cli.serve, &given, env_file.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

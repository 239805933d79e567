//! `mesh-v2`: parse, build, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use mesh_v2::config::{self, Cli, Command};
use mesh_v2::stage;

/// The system's allocator keeps what a flood left; this one's threads give it back.
#[cfg(all(feature = "jemalloc", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesh-v2: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let env_file = config::read_env_file()?;
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Schema) => print!("{}", include_str!("../schema/schema.graphql")),
        Some(Command::Check(args)) => stage::check(&args, env_file.as_deref())?,
        #[cfg(feature = "dynamodb")]
        Some(Command::Table(command)) => stage::dynamodb::table(&command)?,
        #[cfg(feature = "dynamodb")]
        Some(Command::Group(command)) => stage::dynamodb::group(&command)?,
        #[cfg(feature = "bench")]
        Some(Command::Bench(args)) => mesh_bench::run(*args)?,
        Some(Command::Serve(args)) => stage::serve(&args, env_file.as_deref())?,
        None => stage::serve(&cli.serve, env_file.as_deref())?,
    }
    Ok(())
}

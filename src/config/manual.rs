//! Shell completions and manual pages, from the definition of the command line.

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::config::Cli;

/// The completions of the program for a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    // Not to the output at once: the generator panics when a write fails.
    let (mut script, mut cli) = (Vec::new(), Cli::command());
    let name = cli.get_name().to_owned();
    clap_complete::generate(shell, &mut cli, name, &mut script);
    script
}

/// The manual page of the program, or of a command, in roff.
pub fn page(command: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut cli = Cli::command();
    cli.build();
    let mut described = match command {
        None => cli,
        Some(name) => {
            let found = cli.find_subcommand(name).cloned();
            found.with_context(|| format!("{name} is no command; see mesh-v2 --help"))?
        }
    };
    let has_version = described.get_version().is_some();
    let has_commands = described.has_subcommands();
    let synopsis = synopsis(&described.render_usage().to_string());
    let man = Man::new(described);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.extend_from_slice(synopsis.as_bytes());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    // The generator panics on a command without one.
    if has_version {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

/// As `--help` has it: the generator's own lists each of a hundred settings.
fn synopsis(usage: &str) -> String {
    let usage = usage.trim_start_matches("Usage:").replace('-', "\\-");
    let lines: Vec<_> = usage.lines().map(str::trim).collect();
    format!(".SH SYNOPSIS\n.nf\n{}\n.fi\n", lines.join("\n"))
}

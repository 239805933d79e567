//! `mesh-v2 check`: prints the effective settings and tries what a server would open.

use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::path::Path;

use clap::ArgMatches;

use crate::config::{ServeArgs, StageSettings, StoreKind, listing};
use crate::server::tls;
use crate::stage::{environment, listeners};
use crate::store::embedded::{Embedded, is_in_use};

/// What was found in one place: nothing, something that a running server explains, or a fault.
enum Found {
    Fine,
    Note(String),
    Fault(String),
}

/// Prints the effective settings to stdout and what is wrong to stderr. `given` is what the
/// command line and the environment contain.
pub fn check(args: &ServeArgs, given: &ArgMatches, env_file: Option<&Path>) -> anyhow::Result<()> {
    let settings = StageSettings::new(args)?;
    let file = env_file.map_or("none".into(), |file| file.display().to_string());
    let listing = listing::listing(args, given, &settings);
    write!(std::io::stdout(), "# settings file: {file}\n{listing}")?;
    for warning in listing::unknown(environment()) {
        eprintln!("warning: {warning}");
    }
    let mut faults = Vec::new();
    for found in [certificate(args), data(args, &settings), ports(args)] {
        match found {
            Found::Fine => {}
            Found::Note(note) => eprintln!("note: {note}"),
            Found::Fault(fault) => faults.push(fault),
        }
    }
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn certificate(args: &ServeArgs) -> Found {
    match (&args.tls.tls_cert, &args.tls.tls_key) {
        (Some(cert), Some(key)) => match tls::from_files(cert, key) {
            Ok(_) => Found::Fine,
            Err(error) => Found::Fault(format!("{error:#}")),
        },
        _ => Found::Fine,
    }
}

/// Opens the data folder. One that is not there yet is made and removed again.
fn data(args: &ServeArgs, settings: &StageSettings) -> Found {
    if args.store.store != StoreKind::Embedded {
        return Found::Fine;
    }
    let folder = &args.store.data;
    if !folder.exists() {
        let made = std::fs::create_dir_all(folder).and_then(|()| std::fs::remove_dir(folder));
        return match made {
            Ok(()) => Found::Fine,
            Err(error) => Found::Fault(format!(
                "cannot make the data folder {}: {error}",
                folder.display()
            )),
        };
    }
    let opened = Embedded::open(
        folder,
        args.store.durability.into(),
        settings.rules,
        settings.limits,
    );
    match opened {
        Ok(_) => Found::Fine,
        Err(error) if is_in_use(&error) => Found::Note(format!("{error:#}")),
        Err(error) => Found::Fault(format!("{error:#}")),
    }
}

fn ports(args: &ServeArgs) -> Found {
    let addresses = [
        (Some(args.listen), "--listen"),
        (args.tls.tls_listen, "--tls-listen"),
    ];
    for (address, flag) in addresses {
        let Some(address) = address else { continue };
        match TcpListener::bind(address) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Found::Note(listeners::hint(&error, address, flag));
            }
            Err(error) => return Found::Fault(listeners::hint(&error, address, flag)),
        }
    }
    Found::Fine
}

//! `mesh-v2 check`: prints the effective settings and tries what a server would open.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use clap::ArgMatches;

use crate::config::{ServeArgs, StageSettings, StoreKind, listing};
use crate::heartbeat::clock::Clock;
#[cfg(feature = "oidc")]
use crate::server::issuer::{self, Unanswered};
use crate::server::self_signed::{Folder, State};
use crate::server::tls;
#[cfg(feature = "dynamodb")]
use crate::stage::dynamodb;
use crate::stage::{environment, lifecycle, listeners, log_filter};
use crate::store::embedded::{self, InUse, has_data};

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
    // A reader that has seen enough, such as `head`, must not hide a fault.
    let fingerprint = lifecycle::fingerprint(&listing, args);
    let _ = write!(
        std::io::stdout(),
        "# settings file: {file}\n# fingerprint, as in the log of a server: {fingerprint}\n{listing}"
    );
    for warning in listing::unknown(environment()) {
        eprintln!("warning: {warning}");
    }
    let mut faults = Vec::new();
    if let Err(error) = log_filter(&args.log) {
        faults.push(format!("{error:#}"));
    }
    let places = [certificate(args), public(args), store(args)];
    #[cfg(feature = "oidc")]
    let places = places.into_iter().chain([issuer(&settings)]);
    for found in places.into_iter().chain(ports(args)) {
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
        _ => match &args.tls.tls_self_signed {
            Some(folder) => self_signed(folder, &args.tls.tls_names),
            None => Found::Fine,
        },
    }
}

/// Reads the certificate of a folder, or tries whether a start could make one there.
fn self_signed(folder: &Path, names: &[String]) -> Found {
    let state = Folder::new(folder, names).state(Clock::system().now());
    let usable = state.and_then(|state| match state {
        State::Fits => Ok(state),
        State::Empty | State::Unfit => Ok(is_writable(folder).map(|()| state)?),
    });
    match usable {
        Ok(State::Unfit) => Found::Note(format!(
            "the certificate in {} ends soon or is not for all names: a start makes it anew, and \
             clients must trust the new ca.pem",
            folder.display()
        )),
        Ok(_) => Found::Fine,
        Err(error) => Found::Fault(format!(
            "cannot use {} for a self-signed certificate: {error:#}; choose a folder that the \
             server may write to with --tls-self-signed, or remove cert.pem and key.pem to have \
             them made again",
            folder.display()
        )),
    }
}

fn public(args: &ServeArgs) -> Found {
    match args
        .public
        .public
        .as_deref()
        .map(|folder| listeners::is_public(folder, args))
    {
        Some(Err(error)) => Found::Fault(format!("{error:#}")),
        _ => Found::Fine,
    }
}

/// Fetches the signing keys of the sign-in service, if there is one. A server starts without them.
#[cfg(feature = "oidc")]
fn issuer(settings: &StageSettings) -> Found {
    let server = &settings.server;
    let (Some(tokens), Some(issuer)) = (server.authenticator.tokens(), &server.issuer) else {
        return Found::Fine;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let fetched = match runtime {
        Ok(runtime) => runtime.block_on(issuer::check(tokens, issuer)),
        Err(error) => Err(error.into()),
    };
    let Err(error) = fetched else {
        return Found::Fine;
    };
    let hint = format!(
        "cannot fetch the signing keys of {}: {error:#}; look at MESH_OIDC_ISSUER and \
         MESH_OIDC_JWKS_URL, and whether this machine reaches the service; until a server has the \
         keys it refuses tokens, and API keys are not affected",
        tokens.issuer()
    );
    if error.is::<Unanswered>() {
        Found::Note(hint)
    } else {
        Found::Fault(hint)
    }
}

fn store(args: &ServeArgs) -> Found {
    match args.store.store {
        StoreKind::Memory => Found::Fine,
        StoreKind::Embedded => data(args),
        #[cfg(feature = "dynamodb")]
        StoreKind::DynamoDb => match dynamodb::check(args) {
            Ok(()) => Found::Fine,
            Err(error) => Found::Fault(format!("{error:#}")),
        },
    }
}

/// Reads a data folder that has data, else tries whether files can be made where it is to be.
fn data(args: &ServeArgs) -> Found {
    let folder = &args.store.data;
    if !has_data(folder) {
        return match is_writable(folder) {
            Ok(()) => Found::Fine,
            Err(error) => Found::Fault(format!(
                "cannot write to the data folder {}: {error}",
                folder.display()
            )),
        };
    }
    match embedded::inspect(folder) {
        Ok(()) => Found::Fine,
        Err(error) if error.is::<InUse>() => Found::Note(format!("{error:#}")),
        Err(error) => Found::Fault(format!("{error:#}")),
    }
}

/// Makes a file where the folder is or would be made, and removes it.
fn is_writable(folder: &Path) -> std::io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let existing = folder.ancestors().find(|folder| folder.exists());
    let probe = existing.unwrap_or(&folder).join(".mesh-v2-check");
    std::fs::write(&probe, "")?;
    std::fs::remove_file(probe)
}

fn ports(args: &ServeArgs) -> Vec<Found> {
    let plain = Some((args.listen, "--listen"));
    let tls = args.tls.tls_listen.map(|address| (address, "--tls-listen"));
    let public = args.public_address();
    let public = public.map(|address| (address, "--public-listen"));
    let metrics = args.metrics_listen;
    let metrics = metrics.map(|address| (address, "--metrics-listen"));
    // Held until all are tried: two of one address are found.
    let tried: Vec<_> = [plain, tls, public, metrics]
        .into_iter()
        .flatten()
        .map(|(address, flag)| (TcpListener::bind(address), address, flag))
        .collect();
    let found = |(bound, address, flag): &(std::io::Result<TcpListener>, SocketAddr, &str)| {
        let hint = |error| listeners::hint(error, *address, flag);
        match bound {
            Ok(_) => Found::Fine,
            Err(error) if error.kind() == ErrorKind::AddrInUse => Found::Note(hint(error)),
            Err(error) => Found::Fault(hint(error)),
        }
    };
    tried.iter().map(found).collect()
}

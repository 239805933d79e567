//! Puts a stage together from its settings and runs it until a signal stops it.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "lambda")]
pub mod lambda;
mod signals;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::config::{ServeArgs, StageSettings, StoreKind};
use crate::heartbeat::clock::Clock;
use crate::heartbeat::hold::StartHold;
use crate::hub::Hub;
use crate::mesh::Mesh;
use crate::server::{self, Listeners, tls};
use crate::store::Store;
use crate::store::embedded::Embedded;

/// Prints the effective settings.
pub fn check(args: &ServeArgs, env_file: Option<&Path>) -> anyhow::Result<()> {
    let settings = StageSettings::new(args)?;
    println!(
        "# settings file: {}",
        env_file.map_or("none".into(), |file| file.display().to_string())
    );
    print!("{}", settings.listing(args));
    Ok(())
}

/// Serves until SIGTERM or SIGINT.
pub fn serve(args: &ServeArgs, env_file: Option<&Path>) -> anyhow::Result<()> {
    let settings = StageSettings::new(args)?;
    log_to_stderr(&args.log)?;
    allow_connections(args.bounds.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let listeners = listeners(args).await?;
        let mesh = mesh(args, &settings).await?;
        introduce(args, &settings, &listeners, env_file)?;
        let stop = signals::stop_on_signal()?;
        server::run(mesh, settings.server, listeners, stop).await;
        Ok(())
    })
}

async fn mesh(args: &ServeArgs, settings: &StageSettings) -> anyhow::Result<Mesh> {
    let (rules, limits) = (settings.rules, settings.limits);
    let memory = settings.memory.clone();
    let store: Arc<dyn Store> = match args.store.store {
        StoreKind::Memory => Arc::new(Embedded::in_memory_within(memory.clone(), rules, limits)),
        StoreKind::Embedded => {
            let durability = args.store.durability.into();
            let (memory, data) = (memory.clone(), &args.store.data);
            Arc::new(Embedded::open_within(
                memory, data, durability, rules, limits,
            )?)
        }
        #[cfg(feature = "dynamodb")]
        StoreKind::DynamoDb => Arc::new(dynamodb::store(args, settings).await?),
    };
    let clock = Clock::system();
    let start_hold = start_hold(store.as_ref(), &clock, settings.start_hold).await;
    Ok(Mesh {
        store,
        hub: Hub::with_memory(settings.memory.clone()),
        rules,
        clock,
        limits,
        memory,
        start_hold,
        domains: settings.domains.clone(),
        next_since: settings.next_since,
    })
}

/// Clients of groups that live already are on their way back; without such groups nobody
/// has to wait (decision D32).
async fn start_hold(store: &dyn Store, clock: &Clock, length: Duration) -> StartHold {
    match store.any_group_lives(clock.now()).await {
        Ok(false) => StartHold::NONE,
        Ok(true) => {
            tracing::info!(
                milliseconds = length.as_millis(),
                "groups live already: what is published waits for their members to be back"
            );
            StartHold::new(length)
        }
        Err(error) => {
            tracing::warn!(%error, "cannot tell whether groups live; calls do not wait for their members");
            StartHold::NONE
        }
    }
}

async fn listeners(args: &ServeArgs) -> anyhow::Result<Listeners> {
    let plain = bind(args.listen, "--listen").await?;
    let Some(address) = args.tls.tls_listen else {
        return Ok(Listeners { plain, tls: None });
    };
    let config = match (
        &args.tls.tls_cert,
        &args.tls.tls_key,
        &args.tls.tls_self_signed,
    ) {
        (Some(cert), Some(key), _) => tls::from_files(cert, key)?,
        (_, _, Some(folder)) => tls::self_signed(folder)?,
        _ => anyhow::bail!(crate::config::Unusable::NoCertificate),
    };
    Ok(Listeners {
        plain,
        tls: Some((bind(address, "--tls-listen").await?, config)),
    })
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let listening = TcpListener::bind(address).await;
    listening.with_context(|| {
        format!("cannot listen on {address}; is it in use? Choose another with {flag}")
    })
}

fn introduce(
    args: &ServeArgs,
    settings: &StageSettings,
    listeners: &Listeners,
    env_file: Option<&Path>,
) -> anyhow::Result<()> {
    let plain = listeners.plain.local_addr()?;
    let from = env_file.map_or("built-in defaults".into(), |file| {
        file.display().to_string()
    });
    println!(
        "Mesh v2, stage {} (settings: {from})",
        settings.stage.name()
    );
    println!("  endpoint  http://{plain}/graphql");
    println!("  realtime  ws://{plain}/graphql/realtime");
    if let Some((listener, _)) = &listeners.tls {
        let tls = listener.local_addr()?;
        println!("  endpoint  https://{tls}/graphql");
        println!("  realtime  wss://{tls}/graphql/realtime");
    }
    match args.store.store {
        StoreKind::Embedded => println!("  store     embedded, in {}", args.store.data.display()),
        StoreKind::Memory => println!("  store     memory; forgotten when this ends"),
        #[cfg(feature = "dynamodb")]
        StoreKind::DynamoDb => {
            let table = args.dynamodb.settings(args.stage).table;
            println!("  store     DynamoDB, table {table}");
        }
    }
    let key = settings.server.development_key;
    match key {
        Some(key) => {
            println!("  API key   {key} (for development: everybody knows it; set MESH_API_KEYS)");
        }
        None => println!("  API key   as set"),
    }
    println!("For an AppSync client:");
    let shown = key.unwrap_or("<your API key>");
    println!(
        "  new AWSAppSyncClient({{url: \"http://{plain}/graphql\", region: \"ap-northeast-1\", \
         auth: {{type: \"API_KEY\", apiKey: \"{shown}\"}}, disableOffline: true}})"
    );
    let tls = listeners.tls.as_ref();
    let tls = tls.map(|(listener, _)| listener.local_addr()).transpose()?;
    let addresses = [Some(plain), tls].into_iter().flatten();
    if addresses
        .into_iter()
        .any(|address| !address.ip().is_loopback())
        && let Some(warning) = known_to_everybody(settings)
    {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// What everybody knows who reaches the server, and can misuse.
fn known_to_everybody(settings: &StageSettings) -> Option<&'static str> {
    if settings.server.development_key.is_some() {
        Some("the development key opens this server to everybody who reaches it: set MESH_API_KEYS")
    } else if settings.development_secret {
        Some(
            "domains come from the development secret, which everybody knows, so that anybody can \
             compute a school's: set MESH_SECRET_KEY",
        )
    } else {
        None
    }
}

/// Asks the system for as many open files as there may be connections.
fn allow_connections(connections: u32) {
    /// Files beside connections: the store, the listeners, the log.
    const OTHERS: u64 = 64;
    let wanted = u64::from(connections) + OTHERS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => tracing::info!(
            allowed,
            wanted,
            "the system allows fewer open files than MESH_MAX_CONNECTIONS needs: raise its limit (ulimit -n)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("--log does not understand \"{filter}\""))?;
    // Whatever is asked for: below this, these libraries log messages, events and keys.
    let quiet = [
        "tungstenite=info",
        "tokio_tungstenite=info",
        "lambda_runtime=info",
        "aws_smithy_runtime=info",
    ];
    let quiet = quiet.map(|d| d.parse().expect("a directive"));
    let filter = quiet.into_iter().fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().init();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    #[test]
    fn a_public_server_is_warned_of_what_everybody_knows() {
        let warning = |flags: &[&str]| {
            let cli = Cli::try_parse_from(std::iter::once(&"mesh-v2").chain(flags)).unwrap();
            known_to_everybody(&StageSettings::new(&cli.serve).unwrap())
        };
        let (key, secret) = ("--api-keys=da2-of-our-own", "--secret-key=of-our-own");
        assert!(warning(&[]).unwrap().contains("MESH_API_KEYS"));
        assert!(warning(&[key]).unwrap().contains("MESH_SECRET_KEY"));
        let known = "--secret-key=mesh-development-secret";
        assert!(warning(&[key, known]).unwrap().contains("MESH_SECRET_KEY"));
        assert_eq!(warning(&[key, secret]), None);
    }
}

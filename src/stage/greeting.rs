//! What a server prints when it starts: where it is, and what a client needs.

use std::io::{IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::config::{ServeArgs, StageSettings, StoreKind};
use crate::server::{Listeners, addresses};
use crate::stage::{VERSION, teacher_key};

/// Prints the addresses, the store and the key, and warns of what an attacker could use.
pub fn print(
    args: &ServeArgs,
    settings: &StageSettings,
    listeners: &Listeners,
    env_file: Option<&Path>,
    teacher: Option<&str>,
) -> anyhow::Result<()> {
    let plain = listeners.plain.local_addr()?;
    let tls = listeners.tls.as_ref();
    let tls = tls.map(|(listener, _)| listener.local_addr()).transpose()?;
    let from = env_file.map_or("built-in defaults".into(), |file| {
        file.display().to_string()
    });
    let name = settings.stage.name();
    let mut lines = vec![format!(
        "Mesh v2 {VERSION}, environment {name} (settings: {from})"
    )];
    if settings.server.pages {
        let sign_in = teacher.and_then(|key| sign_in(args, key, std::io::stdout().is_terminal()));
        lines.extend(pages(plain, sign_in.as_deref()));
    }
    lines.extend([
        format!("  endpoint  http://{plain}/graphql"),
        format!("  realtime  ws://{plain}/graphql/realtime"),
    ]);
    if let Some(tls) = tls {
        lines.push(format!("  endpoint  https://{tls}/graphql"));
        lines.push(format!("  realtime  wss://{tls}/graphql/realtime"));
        if settings.server.authority.is_some() && settings.server.pages {
            lines.push(format!(
                "  trust     http://{plain}/certificate (how devices trust the self-signed certificate)"
            ));
        }
    }
    if let Some((listener, folder)) = &listeners.public {
        let (address, folder) = (listener.local_addr()?, folder.display());
        lines.push(format!("  pages     http://{address}/ (of {folder})"));
    }
    if let Some(listener) = &listeners.metrics {
        lines.push(format!(
            "  metrics   http://{}/metrics",
            listener.local_addr()?
        ));
    }
    lines.push(format!("  store     {}", store(args)));
    let key = settings.server.development_key;
    lines.push(match key {
        Some(key) => {
            format!("  API key   {key} (for development: it is public; set MESH_API_KEYS)")
        }
        None => "  API key   as set".into(),
    });
    let shown = key.unwrap_or("<your API key>");
    lines.push("For an AppSync client:".into());
    lines.push(format!(
        "  new AWSAppSyncClient({{url: \"http://{plain}/graphql\", region: \"ap-northeast-1\", \
         auth: {{type: \"API_KEY\", apiKey: \"{shown}\"}}, disableOffline: true}})"
    ));
    // The server runs all the same when the reader of its output is gone.
    let _ = writeln!(std::io::stdout(), "{}", lines.join("\n"));
    let public = [Some(plain), tls].into_iter().flatten();
    let public = public.into_iter().any(|it| !it.ip().is_loopback());
    if let Some(warning) = weakness(settings).filter(|_| public) {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// What follows the teacher's address: the key behind a #, so that no request has it, for a person at
/// a terminal; what a service prints is a log, so there only the key's file is named.
fn sign_in(args: &ServeArgs, key: &str, is_terminal: bool) -> Option<String> {
    if is_terminal {
        return Some(format!("#{key}"));
    }
    let file = teacher_key::file(args)?;
    Some(format!(" (its key is in {})", file.display()))
}

/// Where a browser finds the pages: on this machine, and on the class's.
fn pages(plain: SocketAddr, sign_in: Option<&str>) -> Vec<String> {
    let own = match plain.ip() {
        ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, plain.port()).into(),
        _ => plain,
    };
    let mut lines = vec![format!("  open      http://{own}/")];
    lines.extend(sign_in.map(|it| format!("  teach     http://{own}/teach{it}")));
    let others = addresses::of_listener(plain);
    if others.is_empty() {
        let port = plain.port();
        lines.push(format!(
            "            only on this machine: for a class start it with --listen :{port}"
        ));
    }
    let others = others.iter().filter(|address| **address != own);
    lines.extend(others.map(|address| format!("  open      http://{address}/ (for the class)")));
    lines
}

fn store(args: &ServeArgs) -> String {
    match args.store.store {
        StoreKind::Embedded => format!("embedded, in {}", args.store.data.display()),
        StoreKind::Memory => "memory; lost when the server ends".into(),
        #[cfg(feature = "dynamodb")]
        StoreKind::DynamoDb => {
            let table = args.dynamodb.settings(args.stage).table;
            format!("DynamoDB, table {table}")
        }
    }
}

/// What an attacker who reaches the server could use.
fn weakness(settings: &StageSettings) -> Option<&'static str> {
    if settings.server.development_key.is_some() {
        Some("the development key is public and opens this server: set MESH_API_KEYS")
    } else if settings.development_secret {
        Some(
            "domains come from the development secret, which is public, so that an attacker can \
             compute a school's: set MESH_SECRET_KEY",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    #[test]
    fn a_server_of_one_machine_says_how_to_open_it_to_a_class() {
        let lines = pages("127.0.0.1:4000".parse().unwrap(), Some("#da2-key"));
        assert_eq!(lines[0], "  open      http://127.0.0.1:4000/");
        assert_eq!(lines[1], "  teach     http://127.0.0.1:4000/teach#da2-key");
        assert!(lines[2].contains("--listen :4000"), "{lines:?}");
        let lines = pages("192.0.2.7:4000".parse().unwrap(), None);
        assert_eq!(lines, ["  open      http://192.0.2.7:4000/"]);
        let lines = pages("0.0.0.0:4000".parse().unwrap(), None);
        assert_eq!(lines[0], "  open      http://127.0.0.1:4000/");
    }

    #[test]
    fn the_teachers_key_is_printed_for_a_person_only() {
        let sign_in = |flags: &[&str], is_terminal| {
            let cli = Cli::try_parse_from(std::iter::once(&"mesh-v2").chain(flags)).unwrap();
            sign_in(&cli.serve, "da2-key", is_terminal)
        };
        assert_eq!(sign_in(&[], true).unwrap(), "#da2-key");
        let named = sign_in(&["--data=lessons"], false).unwrap();
        assert_eq!(named, " (its key is in lessons/teacher.key)");
        assert_eq!(sign_in(&["--store=memory"], false), None);
    }

    #[test]
    fn a_public_server_with_a_public_key_or_secret_is_warned() {
        let warning = |flags: &[&str]| {
            let cli = Cli::try_parse_from(std::iter::once(&"mesh-v2").chain(flags)).unwrap();
            weakness(&StageSettings::new(&cli.serve).unwrap())
        };
        let (key, secret) = ("--api-keys=da2-of-our-own", "--secret-key=of-our-own");
        assert!(warning(&[]).unwrap().contains("MESH_API_KEYS"));
        assert!(warning(&[key]).unwrap().contains("MESH_SECRET_KEY"));
        let known = "--secret-key=mesh-development-secret";
        assert!(warning(&[key, known]).unwrap().contains("MESH_SECRET_KEY"));
        assert_eq!(warning(&[key, secret]), None);
    }
}

//! The arguments of `mesh-v2 health`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use clap::Args;

use crate::config::address::{default_listen, listen_address};

/// Which server is asked, and what.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The server's address over plain HTTP, such as 127.0.0.1:4000; a path is asked as it
    /// is [default: this machine, at the port of --listen]
    pub url: Option<HealthUrl>,

    /// Ask also whether the store takes writes and the server is not stopping
    #[arg(long)]
    pub ready: bool,

    /// Where the server of this machine listens
    #[arg(
        long,
        env = "MESH_LISTEN",
        default_value = default_listen(),
        value_name = "ADDR",
        value_parser = listen_address
    )]
    pub listen: SocketAddr,

    /// Seconds in which it must have answered
    #[arg(
        long,
        env = "MESH_HEALTH_TIMEOUT_SECONDS",
        default_value = "5",
        value_name = "S",
        value_parser = clap::value_parser!(u32).range(1..=60)
    )]
    pub timeout: u32,
}

impl HealthArgs {
    /// What is requested.
    pub fn target(&self) -> HealthUrl {
        let mut url = self.url.clone().unwrap_or_else(|| HealthUrl {
            host: reachable(self.listen).to_string(),
            path: String::new(),
        });
        if url.path.is_empty() {
            url.path = if self.ready { "/readyz" } else { "/healthz" }.into();
        }
        url
    }
}

/// How a program on the same machine reaches a listener.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, listen.port()).into()
}

/// An address over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthUrl {
    /// The host and the port.
    pub host: String,
    /// The path; empty if none was given.
    pub path: String,
}

impl FromStr for HealthUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err(
                "it is asked over plain HTTP: name the address of --listen, or check the way \
                 over TLS by mesh-v2 doctor URL"
                    .into(),
            );
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.contains('@') || !plain(rest) {
            return Err("it is an address such as http://127.0.0.1:4000".into());
        }
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Self {
            host: if has_port {
                host.into()
            } else {
                format!("{host}:80")
            },
            path: if path == "/" {
                String::new()
            } else {
                path.into()
            },
        })
    }
}

impl fmt::Display for HealthUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Cli, Command};

    fn target(flags: &[&str]) -> String {
        let cli = Cli::try_parse_from(["mesh-v2", "health"].iter().chain(flags)).unwrap();
        match cli.command {
            Some(Command::Health(args)) => args.target().to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_server_of_this_machine_is_asked_if_no_other_is_named() {
        for (flags, url) in [
            (&["--listen=:8080"][..], "http://127.0.0.1:8080/healthz"),
            (&["--listen=[::]:1", "--ready"], "http://[::1]:1/readyz"),
            (&["10.0.0.7:4000"], "http://10.0.0.7:4000/healthz"),
            (&["http://mesh/", "--ready"], "http://mesh:80/readyz"),
            (&["http://[::1]:4000/metrics"], "http://[::1]:4000/metrics"),
        ] {
            assert_eq!(target(flags), url, "{flags:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for url in [
            "",
            "http://",
            "https://a",
            "http://a b",
            "http://me@a/",
            "a\r\n",
        ] {
            assert!(url.parse::<HealthUrl>().is_err(), "{url:?}");
        }
    }
}

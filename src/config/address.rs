//! Where a server listens: an address, or a short form of one.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::LazyLock;

/// Where a server listens without `--listen`.
static DEFAULT: LazyLock<String> = LazyLock::new(|| default_for(std::env::var("PORT").ok()));

/// Where a server listens without `--listen`: on this machine alone, or where a hosting platform
/// says by `PORT`, whose proxy calls from another machine.
pub fn default_listen() -> &'static str {
    &DEFAULT
}

fn default_for(port: Option<String>) -> String {
    match port {
        Some(port) if !port.is_empty() => format!(":{port}"),
        _ => "127.0.0.1:4000".into(),
    }
}

/// Parses `127.0.0.1:4000`, `[::1]:4000`, `localhost:4000`, `:4000` (every IPv4 interface)
/// and `4000` (this machine alone).
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let forms = || {
        "it is an address and a port such as 127.0.0.1:4000 or localhost:4000, or a port: \
         4000 (this machine alone) or :4000 (every interface)"
            .to_owned()
    };
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    if let Some(port) = text.strip_prefix(':') {
        let port: u16 = port.parse().map_err(|_| forms())?;
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let addresses = text.to_socket_addrs().map_err(|_| forms())?;
    // Clients try `localhost` in either family; most configurations name IPv4.
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_by_key(|address| !address.is_ipv4());
    addresses.first().copied().ok_or_else(forms)
}

/// Parses a name or an address that a certificate can be for.
pub fn tls_name(text: &str) -> Result<String, String> {
    let name = rustls_pki_types::ServerName::try_from(text.trim())
        .map_err(|_| "it is a name or an address without a port, such as school.local")?;
    Ok(name.to_str().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_addresses() {
        for (text, address) in [
            ("127.0.0.1:4000", "127.0.0.1:4000"),
            ("[::1]:4000", "[::1]:4000"),
            ("localhost:4000", "127.0.0.1:4000"),
            (":80", "0.0.0.0:80"),
            ("4000", "127.0.0.1:4000"),
            ("0", "127.0.0.1:0"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_port_of_the_platform_is_opened_to_its_proxy() {
        let default = |port: &str| listen_address(&default_for(Some(port.into())));
        assert_eq!(default("8080"), Ok(([0, 0, 0, 0], 8080).into()));
        assert_eq!(default(""), Ok(([127, 0, 0, 1], 4000).into()));
        assert!(default("tcp://10.0.0.1:80").is_err());
    }

    #[test]
    fn a_certificate_is_for_names_and_addresses() {
        for name in ["school.local", "192.168.1.10", "fd00::10"] {
            assert_eq!(tls_name(name).as_deref(), Ok(name));
        }
        for name in [
            "",
            "school.local:4000",
            "http://school.local",
            "a b",
            "[::1]",
        ] {
            assert!(tls_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for text in ["", ":", ":x", "70000", "127.0.0.1", "localhost", "a b:1"] {
            let error = listen_address(text).unwrap_err();
            assert!(error.contains("localhost:4000"), "{text}: {error}");
        }
    }
}

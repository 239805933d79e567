//! The way to a stage: where its HTTP and its realtime address are, over TCP or TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::Uri;
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::socket::Stream;

/// How long a connection may take to open, handshakes included.
pub const OPENING: Duration = Duration::from_secs(15);
/// Connections from one address: fewer than the ports that systems lend (28,000).
const PER_SOURCE: u32 = 20_000;

/// One address of a stage.
#[derive(Clone, Debug)]
pub struct Site {
    /// Host and port as the URL names them.
    pub authority: String,
    /// The path.
    pub path: String,
    host: String,
    address: SocketAddr,
}

impl Site {
    async fn find(uri: &Uri) -> anyhow::Result<Self> {
        let authority = uri.authority().context("no host in the URL")?;
        let secure = uri.scheme_str() == Some("https");
        let port = if secure { 443 } else { 80 };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(port);
        let found = lookup_host((host.as_str(), port))
            .await
            .map(|mut all| all.next());
        let address = found.with_context(|| format!("cannot find {host}"))?;
        Ok(Self {
            authority: authority.to_string(),
            path: uri.path().to_owned(),
            address: address.with_context(|| format!("cannot find {host}"))?,
            host,
        })
    }
}

/// A stage as its clients reach it.
pub struct Door {
    /// Where queries and mutations go.
    pub http: Site,
    /// Where AppSync's clients listen.
    pub realtime: Site,
    /// The API key.
    pub key: String,
    tls: Option<TlsConnector>,
}

impl Door {
    /// The door at an endpoint such as `http://127.0.0.1:4000/graphql`.
    pub async fn at(endpoint: &str, key: &str) -> anyhow::Result<Self> {
        let url: Uri = endpoint
            .parse()
            .with_context(|| format!("{endpoint} is no URL"))?;
        let tls = match url.scheme_str() {
            Some("http") => None,
            Some("https") => Some(trusting_the_system()?),
            _ => bail!("{endpoint}: an endpoint begins with http:// or https://"),
        };
        // The clients' rule (contract 5.3): AWS has another host, all others a longer path.
        let realtime = if endpoint.contains(".appsync-api.") {
            endpoint.replace(".appsync-api.", ".appsync-realtime-api.")
        } else {
            format!("{endpoint}/realtime")
        };
        Ok(Self {
            http: Site::find(&url).await?,
            realtime: Site::find(&realtime.parse()?).await?,
            key: key.to_owned(),
            tls,
        })
    }

    /// Opens a connection, the `number`th of the run: where many go to this very machine,
    /// they come from several of its addresses, since each has only so many ports.
    pub async fn open(&self, site: &Site, number: u32) -> anyhow::Result<Box<dyn Stream>> {
        let opening = timeout(OPENING, self.connect(site, number));
        opening.await.unwrap_or_else(|_| {
            bail!("no connection within {} s", OPENING.as_secs());
        })
    }

    async fn connect(&self, site: &Site, number: u32) -> anyhow::Result<Box<dyn Stream>> {
        let socket = match site.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        let source = number / PER_SOURCE;
        if source > 0 && site.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            let last = u8::try_from(source + 1).context("too many connections")?;
            socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        }
        let stream = socket.connect(site.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(site.host.clone())?;
                Box::new(tls.connect(name, stream).await?)
            }
        })
    }

    /// The port, when the stage is on this machine.
    pub fn local_port(&self) -> Option<u16> {
        let address = self.http.address;
        // Only an own address can be listened to.
        let own = std::net::TcpListener::bind((address.ip(), 0)).is_ok();
        own.then(|| address.port())
    }
}

/// TLS as the system trusts; `SSL_CERT_FILE` names other authorities.
fn trusting_the_system() -> anyhow::Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        bail!("this system trusts no certificate authority: name a file in SSL_CERT_FILE");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_connections_come_from_several_addresses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let endpoint = format!(
            "http://{}/graphql",
            listener.local_addr().expect("an address")
        );
        let door = Door::at(&endpoint, "key").await.expect("a door");
        for (number, source) in [
            (0, "127.0.0.1"),
            (19_999, "127.0.0.1"),
            (45_000, "127.0.0.3"),
        ] {
            let opened = door.open(&door.http, number).await;
            let (_, peer) = listener.accept().await.expect("a connection");
            assert!(opened.is_ok());
            assert_eq!(peer.ip().to_string(), source);
        }
    }

    #[tokio::test]
    async fn the_realtime_path_stands_beside_the_other() {
        let door = Door::at("http://127.0.0.1:4000/graphql", "key").await;
        let door = door.expect("a door");
        assert_eq!(door.http.path, "/graphql");
        assert_eq!(door.realtime.path, "/graphql/realtime");
    }
}

//! A server's addresses: HTTP and realtime, over TCP or TLS.

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
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections per source address: fewer than the ephemeral ports of most systems (28,000).
const PER_SOURCE: u32 = 20_000;

/// A URL's host, resolved, and its path.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host and port as the URL names them.
    pub authority: String,
    /// The path.
    pub path: String,
    host: String,
    address: SocketAddr,
}

impl Target {
    async fn resolve(uri: &Uri) -> anyhow::Result<Self> {
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

/// A server as its clients reach it.
pub struct Endpoint {
    /// Queries, mutations and graphql-transport-ws.
    pub http: Target,
    /// AppSync realtime.
    pub realtime: Target,
    /// The API key.
    pub key: String,
    tls: Option<TlsConnector>,
}

impl Endpoint {
    /// Resolves a URL such as `http://127.0.0.1:4000/graphql`.
    pub async fn resolve(url: &str, key: &str) -> anyhow::Result<Self> {
        let http: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        let tls = match http.scheme_str() {
            Some("http") => None,
            Some("https") => Some(tls_connector()?),
            _ => bail!("{url}: an endpoint begins with http:// or https://"),
        };
        // The rule of AppSync's clients: AWS has another host, all others a longer path.
        let realtime = if url.contains(".appsync-api.") {
            url.replace(".appsync-api.", ".appsync-realtime-api.")
        } else {
            format!("{url}/realtime")
        };
        Ok(Self {
            http: Target::resolve(&http).await?,
            realtime: Target::resolve(&realtime.parse()?).await?,
            key: key.to_owned(),
            tls,
        })
    }

    /// Opens a connection, the `number`th of the run. Connections to 127.0.0.1 come from
    /// several loopback addresses when one has not enough ports.
    pub async fn connect(&self, target: &Target, number: u32) -> anyhow::Result<Box<dyn Stream>> {
        let connecting = timeout(CONNECT_TIMEOUT, self.open(target, number));
        connecting.await.unwrap_or_else(|_| {
            bail!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
        })
    }

    async fn open(&self, target: &Target, number: u32) -> anyhow::Result<Box<dyn Stream>> {
        let socket = match target.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        let source = number / PER_SOURCE;
        if source > 0 && target.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            let last = u8::try_from(source + 1).context("too many connections")?;
            socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        }
        let stream = socket.connect(target.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(target.host.clone())?;
                Box::new(tls.connect(name, stream).await?)
            }
        })
    }

    /// The port, when the server runs on this machine.
    pub fn local_port(&self) -> Option<u16> {
        let address = self.http.address;
        // Only an address of this machine can be bound.
        let is_local = std::net::TcpListener::bind((address.ip(), 0)).is_ok();
        is_local.then(|| address.port())
    }
}

/// TLS with the system's certificate authorities; `SSL_CERT_FILE` names others.
fn tls_connector() -> anyhow::Result<TlsConnector> {
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
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}/graphql");
        let endpoint = Endpoint::resolve(&url, "key").await.expect("an endpoint");
        for (number, source) in [
            (0, "127.0.0.1"),
            (19_999, "127.0.0.1"),
            (45_000, "127.0.0.3"),
        ] {
            let opened = endpoint.connect(&endpoint.http, number).await;
            let (_, peer) = listener.accept().await.expect("a connection");
            assert!(opened.is_ok());
            assert_eq!(peer.ip().to_string(), source);
        }
    }

    #[tokio::test]
    async fn the_realtime_path_extends_the_other() {
        let endpoint = Endpoint::resolve("http://127.0.0.1:4000/graphql", "key").await;
        let endpoint = endpoint.expect("an endpoint");
        assert_eq!(endpoint.http.path, "/graphql");
        assert_eq!(endpoint.realtime.path, "/graphql/realtime");
    }
}

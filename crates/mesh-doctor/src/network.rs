//! Connections: name lookup, TCP and TLS, each with its own failure.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::certificate::{Tls, failure};
use crate::endpoint::{Endpoint, Place};
use crate::facts::{Attempt, Facts, Failure};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How connections are opened.
pub struct Network {
    /// How long each step may take.
    pub wait: Duration,
    tls: Option<Tls>,
}

impl Network {
    /// For an endpoint; `ca` is a file of certificates to trust besides the system's.
    pub fn new(endpoint: &Endpoint, ca: Option<&Path>, wait: Duration) -> anyhow::Result<Self> {
        let tls = endpoint.secure.then(|| Tls::new(ca)).transpose()?;
        Ok(Self { wait, tls })
    }

    /// Runs a step with its time limit, and measures it.
    pub async fn attempt<T>(&self, step: impl Future<Output = Result<T, Failure>>) -> Attempt<T> {
        let began = Instant::now();
        let result = timeout(self.wait, step).await;
        Attempt {
            took: began.elapsed(),
            result: result.unwrap_or(Err(Failure::Timeout)),
        }
    }

    /// Opens a connection.
    pub async fn connect(&self, place: &Place) -> Result<Box<dyn Stream>, Failure> {
        let addresses = resolve(place).await?;
        let stream = self.tcp(&addresses, place.port).await?;
        self.tls(place, stream).await
    }

    /// Opens a connection step by step, and notes each.
    pub async fn observe(&self, place: &Place, facts: &mut Facts) {
        let dns = self.attempt(resolve(place)).await;
        let addresses = dns.result.clone();
        facts.dns = Some(dns);
        let Ok(addresses) = addresses else { return };
        let began = Instant::now();
        let connected = self.tcp(&addresses, place.port).await;
        let (stream, result) = match connected {
            Ok(stream) => {
                let peer = stream.peer_addr().map_err(|error| broken(&error));
                (Some(stream), peer)
            }
            Err(failure) => (None, Err(failure)),
        };
        let took = began.elapsed();
        facts.tcp = Some(Attempt { took, result });
        if let (Some(tls), Some(stream)) = (&self.tls, stream) {
            let handshake = self.attempt(self.tls(place, stream)).await;
            facts.tls = Some(Attempt {
                took: handshake.took,
                result: handshake.result.map(drop),
            });
            facts.certificate = tls.certificate();
        }
    }

    /// The first address that accepts a connection; the last one's failure if none does.
    async fn tcp(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, Failure> {
        let mut failed = Failure::Timeout;
        for address in addresses {
            let connecting = TcpStream::connect(SocketAddr::new(*address, port));
            match timeout(self.wait, connecting).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(|error| broken(&error))?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = broken(&error),
                Err(_) => failed = Failure::Timeout,
            }
        }
        Err(failed)
    }

    async fn tls(&self, place: &Place, stream: TcpStream) -> Result<Box<dyn Stream>, Failure> {
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(place.host.clone())
            .map_err(|error| Failure::Tls(error.to_string()))?;
        let opened = tls.connector.connect(name, stream).await;
        Ok(Box::new(opened.map_err(|error| failure(&error))?))
    }
}

async fn resolve(place: &Place) -> Result<Vec<IpAddr>, Failure> {
    if let Some(address) = place.literal() {
        return Ok(vec![address]);
    }
    let found = lookup_host((place.host.as_str(), place.port)).await;
    let found = found.map_err(|error| Failure::NoAddress(error.to_string()))?;
    let mut addresses: Vec<_> = found.map(|found| found.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Failure::NoAddress("no address".into()));
    }
    Ok(addresses)
}

fn broken(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::TimedOut => Failure::Timeout,
        _ => Failure::Broken(error.to_string()),
    }
}

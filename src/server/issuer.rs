//! Fetches a sign-in service's signing keys, at the start, by the clock, and when a token names
//! an unknown one. Calls with API keys never wait for it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth::tokens::{RefreshPhase, SigningKeys, TokenVerifier};

/// The largest answer of the service, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;

/// When and where the keys are fetched.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The address of the keys, if the service's own description is not to be asked.
    pub jwks_url: Option<Uri>,
    /// How often they are fetched.
    pub refresh: Duration,
    /// The shortest time between two fetches.
    pub retry: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
}

type HttpsClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Keeps the verifier's keys up to date until the server stops.
pub async fn run(verifier: Arc<TokenVerifier>, settings: IssuerSettings, stop: CancellationToken) {
    let refreshing = async {
        let client = client();
        let mut failed = None;
        loop {
            verifier.refresh().enters(RefreshPhase::Fetching);
            let fetched = fetch_in_time(&client, &verifier, &settings).await;
            let failed_before = failed.replace(fetched.is_err());
            match fetched {
                Ok(keys) => {
                    let number = keys.len();
                    if verifier.replace_keys(keys) || failed_before == Some(true) {
                        tracing::info!(issuer = verifier.issuer(), number, "signing keys fetched");
                    }
                }
                // Once, not for each attempt.
                Err(error) if failed_before != Some(true) => tracing::warn!(
                    issuer = verifier.issuer(),
                    error = format!("{error:#}"),
                    "cannot fetch the signing keys, trying again; the former ones stay valid, and API keys are not affected"
                ),
                Err(_) => {}
            }
            verifier.refresh().enters(RefreshPhase::Resting);
            sleep(settings.retry).await;
            if failed == Some(true) {
                continue;
            }
            verifier.refresh().enters(RefreshPhase::Ready);
            tokio::select! {
                () = verifier.refresh().wanted() => {}
                () = sleep(settings.refresh.saturating_sub(settings.retry)) => {}
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = refreshing => {}
    }
}

/// Fetches the keys once, for `mesh-v2 check`.
///
/// # Errors
/// When they cannot be fetched; [`Unanswered`] is among the causes if the service did not answer.
pub async fn check(verifier: &TokenVerifier, settings: &IssuerSettings) -> anyhow::Result<()> {
    fetch_in_time(&client(), verifier, settings).await.map(drop)
}

async fn fetch_in_time(
    client: &HttpsClient,
    verifier: &TokenVerifier,
    settings: &IssuerSettings,
) -> anyhow::Result<SigningKeys> {
    let fetched = timeout(settings.timeout, fetch(client, verifier, settings));
    fetched.await.unwrap_or_else(|_| {
        let seconds = settings.timeout.as_secs();
        Err(anyhow::Error::new(Unanswered).context(format!("no answer within {seconds} s")))
    })
}

/// The service did not answer: it may later.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the service did not answer")]
pub struct Unanswered;

/// A client that trusts the system's certificates; `SSL_CERT_FILE` names others.
fn client() -> HttpsClient {
    let provider = rustls::crypto::ring::default_provider();
    let roots = rustls_native_certs::load_native_certs();
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(roots.certs);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("ring has the usual versions of TLS")
        .with_root_certificates(store)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn fetch(
    client: &HttpsClient,
    verifier: &TokenVerifier,
    settings: &IssuerSettings,
) -> anyhow::Result<SigningKeys> {
    let url = match &settings.jwks_url {
        Some(url) => url.clone(),
        None => described(client, verifier.issuer()).await?,
    };
    let text = get(client, &url).await?;
    SigningKeys::parse(&text).map_err(|why| anyhow::anyhow!("{url}: {why}"))
}

/// The address of the keys in the service's own description (OpenID Connect Discovery).
async fn described(client: &HttpsClient, issuer: &str) -> anyhow::Result<Uri> {
    #[derive(Deserialize)]
    struct Description {
        issuer: String,
        jwks_uri: String,
    }
    let base = issuer.trim_end_matches('/');
    let url = secure_url(&format!("{base}/.well-known/openid-configuration"));
    let url = url.map_err(anyhow::Error::msg)?;
    let text = get(client, &url).await?;
    let described: Description =
        serde_json::from_slice(&text).with_context(|| format!("{url} is no description"))?;
    anyhow::ensure!(
        described.issuer == issuer,
        "{url} describes another issuer: set MESH_OIDC_ISSUER to what the service calls itself"
    );
    secure_url(&described.jwks_uri).map_err(anyhow::Error::msg)
}

/// Gets a small answer. Redirections are not followed: the address is the operator's choice.
async fn get(client: &HttpsClient, url: &Uri) -> anyhow::Result<Bytes> {
    let request = Request::get(url)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "mesh-v2")
        .body(Empty::new())?;
    let response = client.request(request).await;
    let response = response.map_err(|error| {
        let error = anyhow::Error::new(error).context(Unanswered);
        error.context(format!("cannot get {url}"))
    })?;
    let status = response.status();
    anyhow::ensure!(status == StatusCode::OK, "{url} answered {status}");
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect();
    let body = body
        .await
        .map_err(|error| anyhow::anyhow!("{url}: {error}"));
    Ok(body?.to_bytes())
}

/// An address that nobody on the way can change: https, or this machine.
pub fn secure_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|_| format!("{text} is no URL"))?;
    let host = url.host().unwrap_or_default();
    let is_here = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    match url.scheme_str() {
        Some("https") if !host.is_empty() => Ok(url),
        Some("http") if is_here => Ok(url),
        _ => Err(format!(
            "{text} must begin with https:// (http:// is for this machine alone)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_secure_or_on_this_machine() {
        for url in [
            "https://sign-in.example/pool",
            "http://127.0.0.1:9000",
            "http://[::1]:9/x",
        ] {
            assert!(secure_url(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "sign-in.example",
            "http://sign-in.example",
            "http://127.0.0.1.example",
            "ftp://localhost",
            "https://",
        ] {
            assert!(secure_url(url).is_err(), "{url}");
        }
    }
}

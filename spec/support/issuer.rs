//! A sign-in service of the suite's own: OpenID Connect's description, a key set, and tokens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A key of tests alone: ring makes no RSA keys.
const RSA: &str = include_str!("issuer_rsa.pem");

/// A signing key.
pub struct Signer {
    pub id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub fn rs256(id: &'static str) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(RSA.as_bytes()).expect("a key in PEM");
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("an RSA key");
        let pair = Pair::Rsa(pair);
        Self { id, pair }
    }

    pub fn es256(id: &'static str) -> Self {
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(kind, der.as_ref(), &random).expect("a key");
        let pair = Pair::Ec(pair);
        Self { id, pair }
    }

    pub fn eddsa(id: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key");
        let pair = Pair::Ed(pair);
        Self { id, pair }
    }

    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// The public key as the service shows it.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => {
                let x = pair.public_key().as_ref();
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(x)})
            }
        };
        jwk["kid"] = self.id.into();
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm().into();
        jwk
    }

    /// A token with this header and these claims.
    pub fn signs(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let bytes = message.as_bytes();
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature)
                    .expect("a signature");
                signature
            }
            Pair::Ec(pair) => pair
                .sign(&random, bytes)
                .expect("a signature")
                .as_ref()
                .into(),
            Pair::Ed(pair) => pair.sign(bytes).as_ref().into(),
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    /// The same with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": self.algorithm(), "kid": self.id});
        self.signs(&header, claims)
    }
}

/// One part of a token.
pub fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// The running service.
pub struct TestIssuer {
    pub url: String,
    service: Arc<Service>,
    _stops_when_dropped: DropGuard,
}

struct Service {
    url: String,
    keys: Mutex<Vec<Value>>,
    fetches: AtomicUsize,
    fails: AtomicBool,
}

impl TestIssuer {
    pub async fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/pool", listener.local_addr().expect("an address"));
        let service = Arc::new(Service {
            url: url.clone(),
            keys: Mutex::default(),
            fetches: AtomicUsize::new(0),
            fails: AtomicBool::new(false),
        });
        let router = Router::new()
            .route("/pool/.well-known/openid-configuration", get(description))
            .route("/pool/keys", get(keys))
            .with_state(Arc::clone(&service));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
            serving.await.expect("the service serves");
        });
        let issuer = Self {
            url,
            service,
            _stops_when_dropped: stop.drop_guard(),
        };
        issuer.has(signers);
        issuer
    }

    /// Shows these keys from now on.
    pub fn has(&self, signers: &[&Signer]) {
        let keys = signers.iter().map(|signer| signer.jwk()).collect();
        *self.service.keys.lock().expect("no panic") = keys;
    }

    /// Answers with errors, or no longer.
    pub fn fails(&self, fails: bool) {
        self.service.fails.store(fails, Relaxed);
    }

    /// How often the keys were fetched.
    pub fn fetches(&self) -> usize {
        self.service.fetches.load(Relaxed)
    }

    /// Claims that are accepted for an hour, and others.
    pub fn claims(&self, more: &Value) -> Value {
        let mut claims = json!({"iss": self.url, "aud": "mesh", "sub": "someone",
            "exp": seconds_from_now(3600)});
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        claims
    }
}

pub fn seconds_from_now(seconds: i64) -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().expect("a time").as_secs();
    i64::try_from(now).expect("a time") + seconds
}

async fn description(State(service): State<Arc<Service>>) -> Result<Json<Value>, StatusCode> {
    service.answers()?;
    let keys = format!("{}/keys", service.url);
    Ok(Json(json!({"issuer": service.url, "jwks_uri": keys})))
}

async fn keys(State(service): State<Arc<Service>>) -> Result<Json<Value>, StatusCode> {
    service.fetches.fetch_add(1, Relaxed);
    service.answers()?;
    let keys = service.keys.lock().expect("no panic").clone();
    Ok(Json(json!({ "keys": keys })))
}

impl Service {
    fn answers(&self) -> Result<(), StatusCode> {
        if self.fails.load(Relaxed) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        Ok(())
    }
}

//! A server under test: one that the case starts itself, or the deployment's.

use std::sync::Arc;
use std::time::Duration;

use mesh_v2::auth::{ApiKeys, Authenticator, Policy};
use mesh_v2::cloud::CloudSettings;
use mesh_v2::domains::DomainKey;
use mesh_v2::heartbeat::clock::Clock;
use mesh_v2::heartbeat::hold::StartHold;
use mesh_v2::hub::{HistoryLimits, Hub};
#[cfg(feature = "lambda")]
use mesh_v2::lambda::{Handler, appsync::AppSync, push::Push};
use mesh_v2::memory::Memory;
use mesh_v2::mesh::{Mesh, NextSince};
use mesh_v2::metrics::Metrics;
use mesh_v2::model::limits::Limits;
use mesh_v2::model::rules::{Rules, Timings};
use mesh_v2::rate_limits::RateLimits;
use mesh_v2::rate_limits::rates::Rates;
use mesh_v2::realtime::SocketLimits;
use mesh_v2::resolvers::DocumentLimits;
use mesh_v2::server::metrics_access::MetricsAccess;
use mesh_v2::server::origins::Origins;
use mesh_v2::server::{self, HttpLimits, Listeners, ServerSettings};
#[cfg(feature = "lambda")]
use mesh_v2::store::dynamodb::{DynamoDb, client};
use mesh_v2::store::timed::Timed;
use mesh_v2::store::{Publisher, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::clients::Host;
#[cfg(feature = "lambda")]
use super::store::a_table;
use super::store::store;
use super::trust;
use crate::harness::case;

/// The key of every server that a case starts; no word of it may be logged.
pub const KEY: &str = "da2-spec-kitchen-key";
/// The secret of every server that a case starts.
pub const SECRET: &[u8] = b"a secret of the suite";
/// How long anything may take to arrive: it is waited out only when nothing comes.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// The settings of a case's own server.
pub struct Setup {
    pub timings: Timings,
    pub limits: Limits,
    pub documents: DocumentLimits,
    pub sockets: SocketLimits,
    pub cloud: CloudSettings,
    pub http: HttpLimits,
    pub next_since: NextSince,
    pub policy: Policy,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub development_key: Option<&'static str>,
    /// Without, calls are not limited by their rate.
    pub rates: Option<Rates>,
    /// Whether the function behind AppSync pushes messages, and a schedule invokes it.
    #[cfg(feature = "lambda")]
    pub push: bool,
    /// Where it pushes to, if not to its API.
    #[cfg(feature = "lambda")]
    pub push_to: Option<super::appsync::Settings>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            timings: Timings::STG,
            // All cases call from one address.
            limits: Limits {
                groups_per_address: 20_000,
                ..Limits::default()
            },
            documents: DocumentLimits::default(),
            sockets: SocketLimits::default(),
            cloud: CloudSettings::default(),
            http: HttpLimits::default(),
            next_since: NextSince::default(),
            policy: Policy::default(),
            trusted_proxies: Vec::new(),
            development_key: None,
            rates: Some(Rates::default()),
            #[cfg(feature = "lambda")]
            push: true,
            #[cfg(feature = "lambda")]
            push_to: None,
        }
    }
}

/// A server and the way to it.
pub struct TestMesh {
    pub endpoint: String,
    pub key: String,
    /// A domain of this case alone.
    pub domain: String,
    http: reqwest::Client,
    tag: String,
    /// The address that a proxy forwards for this client.
    pub(super) forwarded: Option<String>,
    /// The join code that this client sends along.
    pub(super) join_code: Option<String>,
    own: Option<Own>,
}

struct Own {
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
    _stops_when_dropped: DropGuard,
    _folder: Option<TempDir>,
    #[cfg(feature = "lambda")]
    _api: Option<super::appsync::Api>,
    /// The function that a schedule invokes.
    #[cfg(feature = "lambda")]
    scheduled: Option<super::appsync::Function>,
}

/// A mesh over a new store of the deployment's kind.
async fn mesh(setup: &Setup, clock: Clock) -> (Mesh, Option<TempDir>) {
    let rules = Rules::new(setup.timings).expect("timings that can work");
    let metrics = Metrics::default();
    let hub = counted(&metrics);
    let publisher = Arc::clone(&hub) as Arc<dyn Publisher>;
    let (store, folder) = Box::pin(store(rules, setup.limits, publisher)).await;
    let store = Arc::new(Timed::new(store, metrics.clone()));
    (mesh_over(store, hub, metrics, setup, clock), folder)
}

/// A hub that counts its messages.
fn counted(metrics: &Metrics) -> Arc<Hub> {
    Hub::counted(
        Memory::unlimited(),
        HistoryLimits::default(),
        metrics.clone(),
    )
}

fn mesh_over(
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    metrics: Metrics,
    setup: &Setup,
    clock: Clock,
) -> Mesh {
    Mesh {
        rate_limits: RateLimits::new(setup.rates.as_ref(), &clock, metrics.clone()),
        store,
        hub,
        rules: Rules::new(setup.timings).expect("timings that can work"),
        clock,
        limits: setup.limits,
        memory: Memory::unlimited(),
        metrics,
        polling_lines: Arc::default(),
        start_hold: StartHold::NONE,
        projects: mesh_v2::projects::Projects::default(),
        domains: DomainKey::new(SECRET),
        next_since: setup.next_since,
        policy: setup.policy,
    }
}

/// A function over a new table, which pushes to its API.
#[cfg(feature = "lambda")]
async fn handler(setup: &Setup, clock: Clock, endpoint: &str) -> Handler {
    let rules = Rules::new(setup.timings).expect("timings that can work");
    let (table, client) = a_table().await;
    let aws = client::aws_config(&table).await;
    let store = DynamoDb::with_client(client, table, rules, setup.limits).without_reaper();
    let mesh = |store| {
        let metrics = Metrics::default();
        mesh_over(Arc::new(store), Hub::new(), metrics, setup, clock.clone())
    };
    if !setup.push {
        return Handler::new(mesh(store));
    }
    let settings = setup.push_to.clone();
    let settings = settings.unwrap_or_else(|| super::appsync::push_settings(endpoint));
    let api = AppSync::new(settings, &aws, clock.clone());
    let push = Arc::new(Push::new(api.expect("the engine's credentials")));
    Handler::new(mesh(store.publishing_to(Arc::clone(&push) as _))).pushing(push)
}

pub fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..12].to_owned()
}

impl TestMesh {
    /// The deployment's server, or one of the case's own.
    pub async fn start() -> Self {
        Self::start_by(Clock::system()).await
    }

    /// The same, with a clock that only the case advances, for what depends on time. A server
    /// outside has its own clock.
    pub async fn still() -> Self {
        Self::start_by(Clock::fixed()).await
    }

    async fn start_by(clock: Clock) -> Self {
        match &case::current().deployment.outside {
            Some(outside) => Self {
                tag: format!("-{}", unique()),
                ..Self::at(&outside.endpoint, &outside.key)
            },
            None => Self::launch(Setup::default(), clock).await,
        }
    }

    /// A server of the case's own, with the settings that the case needs.
    pub async fn own(set_up: impl FnOnce(&mut Setup)) -> Self {
        Self::own_by(Clock::system(), set_up).await
    }

    /// The same, with a clock that only the case advances.
    pub async fn own_still(set_up: impl FnOnce(&mut Setup)) -> Self {
        Self::own_by(Clock::fixed(), set_up).await
    }

    async fn own_by(clock: Clock, set_up: impl FnOnce(&mut Setup)) -> Self {
        let run = case::current();
        if run.deployment.outside.is_some() {
            run.starts_own_server();
        }
        let mut setup = Setup::default();
        set_up(&mut setup);
        Self::launch(setup, clock).await
    }

    /// A server that runs elsewhere.
    pub fn at(endpoint: &str, key: &str) -> Self {
        Self {
            http: trust::client(endpoint),
            endpoint: endpoint.into(),
            key: key.into(),
            domain: format!("class-{}", unique()),
            tag: String::new(),
            forwarded: None,
            join_code: None,
            own: None,
        }
    }

    /// The same server for a client at this address, behind a proxy that the server trusts.
    pub fn client_at(&self, address: &str) -> Self {
        Self {
            forwarded: Some(address.into()),
            tag: self.tag.clone(),
            domain: self.domain.clone(),
            ..Self::at(&self.endpoint, &self.key)
        }
    }

    /// The same client with a join code in its header.
    pub fn with_code(&self, code: &str) -> Self {
        Self {
            forwarded: self.forwarded.clone(),
            join_code: Some(code.into()),
            tag: self.tag.clone(),
            domain: self.domain.clone(),
            ..Self::at(&self.endpoint, &self.key)
        }
    }

    /// Starts the server, or an API of the AppSync stand-in.
    async fn launch(setup: Setup, clock: Clock) -> Self {
        #[cfg(feature = "lambda")]
        if case::current().deployment.is_appsync() {
            return Self::on_appsync(setup, clock).await;
        }
        let (mesh, folder) = mesh(&setup, clock.clone()).await;
        let settings = ServerSettings {
            graphiql: true,
            metrics: MetricsAccess::AnyKey,
            authenticator: Authenticator::new(ApiKeys::new([KEY])),
            #[cfg(feature = "oidc")]
            issuer: None,
            origins: Origins::default(),
            development_key: setup.development_key,
            pages: true,
            public_key: Some(KEY.into()),
            authority: None,
            trusted_proxies: setup.trusted_proxies.into(),
            documents: setup.documents,
            sockets: setup.sockets,
            cloud: setup.cloud,
            http: setup.http,
        };
        let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = plain.local_addr().expect("an address");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let listeners = Listeners {
            plain,
            tls: None,
            public: None,
            metrics: None,
        };
        tasks.spawn(server::run(mesh, settings, listeners, stop.clone()));
        tasks.close();
        let own = Own {
            clock,
            stop: stop.clone(),
            tasks,
            _stops_when_dropped: stop.drop_guard(),
            _folder: folder,
            #[cfg(feature = "lambda")]
            _api: None,
            #[cfg(feature = "lambda")]
            scheduled: None,
        };
        Self {
            own: Some(own),
            ..Self::at(&format!("http://{address}/graphql"), KEY)
        }
    }

    /// An API of the AppSync stand-in, with a Lambda function in this process over a new table.
    #[cfg(feature = "lambda")]
    pub async fn on_appsync(setup: Setup, clock: Clock) -> Self {
        // As the function has it.
        let setup = Setup {
            rates: None,
            ..setup
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let function = super::appsync::Function::default();
        let invoke = function.serves(&tasks, &stop).await;
        tasks.close();
        let api = super::appsync::Api::open_under(setup.policy, KEY, &invoke).await;
        let endpoint = api.endpoint.clone();
        function.deploys(handler(&setup, clock.clone(), &endpoint).await);
        let own = Own {
            clock,
            stop: stop.clone(),
            tasks,
            _stops_when_dropped: stop.drop_guard(),
            _folder: None,
            _api: Some(api),
            scheduled: setup.push.then_some(function),
        };
        Self {
            own: Some(own),
            ..Self::at(&endpoint, KEY)
        }
    }

    /// Advances the server's clock; for a server outside it waits. The schedule of a function
    /// invokes it afterwards.
    pub async fn passes(&self, time: Duration) {
        if let Some(own) = &self.own {
            own.clock.advance(time);
            #[cfg(feature = "lambda")]
            if let Some(function) = &own.scheduled {
                let reaped = function.invoke(serde_json::json!({"reap": true})).await;
                reaped.expect("the function knows its schedule's event");
            }
        } else {
            case::current().waits();
            tokio::time::sleep(time).await;
        }
    }

    /// The same in seconds.
    pub async fn passes_seconds(&self, seconds: u64) {
        self.passes(Duration::from_secs(seconds)).await;
    }

    /// Seconds by which a poll may count longer than its minute: a server outside may use a
    /// table, where polls are noted every twenty seconds.
    pub fn polls_count_longer(&self) -> u64 {
        if self.own.is_some() { 0 } else { 20 }
    }

    /// Stops the case's own server and waits until it has stopped.
    pub async fn stops(&self) {
        let own = self.own.as_ref().expect("a server of the case's own");
        own.stop.cancel();
        own.tasks.wait().await;
    }

    /// The id of the node or host `name`: on a shared server, each case has ids of its own.
    pub fn id(&self, name: &str) -> String {
        format!("{name}{}", self.tag)
    }

    /// A host in this case's domain.
    pub fn host(&self, name: &str) -> Host<'_> {
        Host::new(self, self.id(name), self.domain.clone())
    }

    /// Where HTTP and WebSockets are served, without a path.
    pub fn origin(&self) -> &str {
        self.endpoint
            .strip_suffix("/graphql")
            .unwrap_or(&self.endpoint)
    }

    /// The HTTP client, for requests with their own headers.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The address and port of the server.
    pub fn address(&self) -> String {
        self.origin()
            .split_once("://")
            .expect("an origin")
            .1
            .to_owned()
    }
}

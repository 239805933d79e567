//! The groups of a run. The tool is their host: it creates, renews and dissolves them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::args::BenchArgs;
use crate::counters::Counters;
use crate::documents::{CREATE_GROUP, DISSOLVE_GROUP, JOIN_GROUP, RENEW_HEARTBEAT};
use crate::endpoint::Endpoint;
use crate::http_client::HttpClient;

/// Connections over which groups are created and dissolved.
const WORKERS: u32 = 16;
/// Groups in one domain: fewer than a server allows.
const PER_DOMAIN: u32 = 500;
/// Where a server names no heartbeat interval.
const DEFAULT_INTERVAL_SECONDS: u64 = 15;

/// A group, as its clients share it.
pub struct Group {
    /// Its number in the run.
    pub index: u32,
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
    /// When it ends by itself.
    pub expires_at: String,
    /// How often its host must renew it.
    pub heartbeat_interval: Duration,
    host: String,
    subscribers: u64,
    delivered: AtomicU64,
    /// With --as-fast: one permit for each message that may still be published before all
    /// subscribers have received the ones under way.
    pub in_flight: Semaphore,
}

impl Group {
    /// Creates the group; its publishers and pollers join.
    async fn create(
        client: &mut HttpClient,
        index: u32,
        run: &str,
        args: &BenchArgs,
    ) -> anyhow::Result<Self> {
        let new_domain = || format!("bench-{run}-{}", index / PER_DOMAIN);
        let domain = args.domain.clone().unwrap_or_else(new_domain);
        let host = format!("{run}-h{index}");
        let arguments = json!({"name": format!("bench {index}"), "hostId": host, "domain": domain});
        let created = client
            .execute(CREATE_GROUP, &arguments)
            .await
            .context("cannot make a group")?;
        let text = |name: &str| {
            let text = created[name].as_str().map(str::to_owned);
            text.with_context(|| format!("the server's answer to createGroup has no {name}"))
        };
        let interval = created["heartbeatIntervalSeconds"].as_u64();
        let group = Self {
            index,
            id: text("id")?,
            expires_at: text("expiresAt")?,
            // At least a second: a server's 0 must not busy the tool.
            heartbeat_interval: Duration::from_secs(
                interval.unwrap_or(DEFAULT_INTERVAL_SECONDS).max(1),
            ),
            domain,
            host,
            subscribers: args.subscribers.into(),
            delivered: AtomicU64::new(0),
            in_flight: Semaphore::new(args.in_flight as usize),
        };
        let publishers = (0..args.publishers).map(|number| (group.publisher(number), true));
        let pollers = (0..args.pollers).map(|number| (group.poller(number), false));
        for (node, uses_websocket) in publishers.chain(pollers) {
            let member = group.arguments(json!({"nodeId": node, "useWebSocket": uses_websocket}));
            let joined = client.execute(JOIN_GROUP, &member).await;
            joined.context("a member cannot join")?;
        }
        Ok(group)
    }

    /// A publisher's node id.
    pub fn publisher(&self, number: u32) -> String {
        format!("{}p{number}", self.host)
    }

    /// A poller's node id.
    pub fn poller(&self, number: u32) -> String {
        format!("{}q{number}", self.host)
    }

    /// The arguments that name this group, and more.
    pub fn arguments(&self, more: Value) -> Value {
        let mut arguments = more;
        arguments["groupId"] = self.id.as_str().into();
        arguments["domain"] = self.domain.as_str().into();
        arguments
    }

    /// A subscriber received so many messages. Each message that all subscribers received
    /// gives a permit back; which ones they received is checked elsewhere.
    pub fn record_deliveries(&self, messages: u64) {
        let before = self.delivered.fetch_add(messages, Relaxed);
        let done = (before + messages) / self.subscribers - before / self.subscribers;
        self.in_flight
            .add_permits(usize::try_from(done).unwrap_or_default());
    }

    async fn execute_as_host(&self, client: &mut HttpClient, document: &str) -> anyhow::Result<()> {
        let arguments = self.arguments(json!({"hostId": self.host}));
        client.execute(document, &arguments).await.map(drop)
    }
}

/// Creates all groups, several at a time.
pub async fn create_all(
    endpoint: &Arc<Endpoint>,
    tasks: &TaskTracker,
    args: &Arc<BenchArgs>,
    run: &str,
) -> anyhow::Result<Vec<Arc<Group>>> {
    let mut workers = JoinSet::new();
    let count = WORKERS.min(args.groups);
    for worker in 0..count {
        let (endpoint, tasks, args) = (Arc::clone(endpoint), tasks.clone(), Arc::clone(args));
        let run = run.to_owned();
        workers.spawn(async move {
            let mut client = HttpClient::connect(&endpoint, &tasks, worker).await?;
            let mut created = Vec::new();
            for index in (worker..args.groups).step_by(count as usize) {
                let group = Group::create(&mut client, index, &run, &args).await?;
                created.push(Arc::new(group));
            }
            anyhow::Ok(created)
        });
    }
    let mut groups = Vec::new();
    while let Some(created) = workers.join_next().await {
        groups.extend(created??);
    }
    groups.sort_by_key(|group| group.index);
    Ok(groups)
}

/// Renews all groups for ever, each once in its interval.
pub async fn renew_all(mut client: HttpClient, groups: Vec<Arc<Group>>, counters: Arc<Counters>) {
    let Some(interval) = groups.iter().map(|group| group.heartbeat_interval).min() else {
        return;
    };
    let pause = interval / u32::try_from(groups.len()).unwrap_or(u32::MAX);
    for group in groups.iter().cycle() {
        tokio::time::sleep(pause).await;
        let renewed = group.execute_as_host(&mut client, RENEW_HEARTBEAT).await;
        if let Err(error) = renewed {
            counters.note_error(|| format!("a group could not be renewed: {error:#}"));
        }
    }
}

/// Dissolves all groups, several at a time. Errors are ignored: such a group has ended, or
/// ends by itself.
pub async fn dissolve_all(endpoint: &Arc<Endpoint>, tasks: &TaskTracker, groups: &[Arc<Group>]) {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS as usize {
        let own: Vec<_> = groups
            .iter()
            .skip(worker)
            .step_by(WORKERS as usize)
            .cloned()
            .collect();
        let (endpoint, tasks) = (Arc::clone(endpoint), tasks.clone());
        workers.spawn(async move {
            let Some(first) = own.first() else { return };
            let Ok(mut client) = HttpClient::connect(&endpoint, &tasks, first.index).await else {
                return;
            };
            for group in &own {
                let _ = group.execute_as_host(&mut client, DISSOLVE_GROUP).await;
            }
        });
    }
    workers.join_all().await;
}

//! The groups of a run: made, kept alive and dissolved by the tool as their host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::args::BenchArgs;
use crate::caller::Caller;
use crate::door::Door;
use crate::tally::Tally;
use crate::words;

/// Connections over which groups are made and dissolved.
const HANDS: u32 = 16;
/// Groups in one domain: fewer than a stage allows.
const PER_DOMAIN: u32 = 500;

/// A group as the run knows it.
pub struct Group {
    /// Its number in the run.
    pub index: u32,
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
    /// When it ends by itself.
    pub expires_at: String,
    /// How often its host must show a sign of life.
    pub interval: Duration,
    host: String,
    subscribers: u64,
    heard: AtomicU64,
    /// How many more messages may be under way.
    pub room: Semaphore,
}

impl Group {
    /// Makes the group and its members: publishers, then pollers.
    async fn make(
        caller: &mut Caller,
        index: u32,
        run: &str,
        args: &BenchArgs,
    ) -> anyhow::Result<Self> {
        let domain = format!("bench-{run}-{}", index / PER_DOMAIN);
        let host = format!("{run}-h{index}");
        let wish = json!({"name": format!("bench {index}"), "hostId": host, "domain": domain});
        let made = caller
            .ask(words::CREATE, &wish)
            .await
            .context("cannot make a group")?;
        let text = |name: &str| {
            let text = made[name].as_str().map(str::to_owned);
            text.with_context(|| format!("the stage answers createGroup without {name}"))
        };
        let group = Self {
            index,
            id: text("id")?,
            expires_at: text("expiresAt")?,
            interval: seconds(&made["heartbeatIntervalSeconds"]),
            domain,
            host,
            subscribers: args.subscribers.into(),
            heard: AtomicU64::new(0),
            room: Semaphore::new(args.in_flight as usize),
        };
        let publishers = (0..args.publishers).map(|number| (group.publisher(number), true));
        let pollers = (0..args.pollers).map(|number| (group.poller(number), false));
        for (node, uses_websocket) in publishers.chain(pollers) {
            let member = group.and(json!({"nodeId": node, "useWebSocket": uses_websocket}));
            let joined = caller.ask(words::JOIN, &member).await;
            joined.context("a member cannot join")?;
        }
        Ok(group)
    }

    /// A publisher's node.
    pub fn publisher(&self, number: u32) -> String {
        format!("{}p{number}", self.host)
    }

    /// A poller's node.
    pub fn poller(&self, number: u32) -> String {
        format!("{}q{number}", self.host)
    }

    /// The arguments that name this group, with more.
    pub fn and(&self, more: Value) -> Value {
        let mut arguments = more;
        arguments["groupId"] = self.id.as_str().into();
        arguments["domain"] = self.domain.as_str().into();
        arguments
    }

    /// Subscribers heard so many messages: each that all heard makes room for another.
    pub fn hear(&self, messages: u64) {
        let before = self.heard.fetch_add(messages, Relaxed);
        let done = (before + messages) / self.subscribers - before / self.subscribers;
        self.room
            .add_permits(usize::try_from(done).unwrap_or_default());
    }

    async fn is_told(&self, caller: &mut Caller, document: &str) -> anyhow::Result<()> {
        let arguments = self.and(json!({"hostId": self.host}));
        caller.ask(document, &arguments).await.map(drop)
    }
}

/// A heartbeat's interval, in a form that cannot busy anybody.
pub fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or(15).max(1))
}

/// Makes all groups, several at a time.
pub async fn make(
    door: &Arc<Door>,
    tasks: &TaskTracker,
    args: &Arc<BenchArgs>,
    run: &str,
) -> anyhow::Result<Vec<Arc<Group>>> {
    let mut hands = JoinSet::new();
    let count = HANDS.min(args.groups);
    for hand in 0..count {
        let (door, tasks, args) = (Arc::clone(door), tasks.clone(), Arc::clone(args));
        let run = run.to_owned();
        hands.spawn(async move {
            let mut caller = Caller::connect(&door, &tasks, hand).await?;
            let mut made = Vec::new();
            for index in (hand..args.groups).step_by(count as usize) {
                made.push(Arc::new(
                    Group::make(&mut caller, index, &run, &args).await?,
                ));
            }
            anyhow::Ok(made)
        });
    }
    let mut groups = Vec::new();
    while let Some(made) = hands.join_next().await {
        groups.extend(made??);
    }
    groups.sort_by_key(|group| group.index);
    Ok(groups)
}

/// Renews all groups for ever, each once in its interval.
pub async fn keep_alive(mut caller: Caller, groups: Vec<Arc<Group>>, tally: Arc<Tally>) {
    let Some(interval) = groups.iter().map(|group| group.interval).min() else {
        return;
    };
    let pause = interval / u32::try_from(groups.len()).unwrap_or(u32::MAX);
    for group in groups.iter().cycle() {
        tokio::time::sleep(pause).await;
        if let Err(error) = group.is_told(&mut caller, words::RENEW).await {
            tally.trouble(|| format!("a group could not be renewed: {error:#}"));
        }
    }
}

/// Dissolves all groups, several at a time; one that ended before is none to care for.
pub async fn dissolve(door: &Arc<Door>, tasks: &TaskTracker, groups: &[Arc<Group>]) {
    let mut hands = JoinSet::new();
    for hand in 0..HANDS as usize {
        let own: Vec<_> = groups
            .iter()
            .skip(hand)
            .step_by(HANDS as usize)
            .cloned()
            .collect();
        let (door, tasks) = (Arc::clone(door), tasks.clone());
        hands.spawn(async move {
            let Some(first) = own.first() else { return };
            let Ok(mut caller) = Caller::connect(&door, &tasks, first.index).await else {
                return;
            };
            for group in &own {
                let _ = group.is_told(&mut caller, words::DISSOLVE).await;
            }
        });
    }
    hands.join_all().await;
}

//! Meshes for inputs that are requests. An input names its group `GROUP` in domain `domain`; a
//! line `+7` lets seven seconds pass. Nothing of one input is left for the next.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::heartbeat::clock::{Clock, Simulated};
use crate::heartbeat::reaper::reap;
use crate::hub::selection::Selection;
use crate::hub::{LeasedSelection, Publication, Subscriber, Subscription};
use crate::mesh::Mesh;
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::store::CreateGroup;

/// The name of the group in inputs.
const GROUP: &str = "GROUP";
/// When the clock begins: 2030-01-01.
const START: i64 = 1_893_456_000_000;
/// Longer than anything is kept, and short enough for a million inputs before the year 9999.
const LONG: Duration = Duration::from_mins(15);
/// The most seconds that pass in a line.
const MAX_SECONDS: u64 = 600;

/// A mesh with one group at a time.
pub struct Fixture {
    /// The mesh.
    pub mesh: Arc<Mesh>,
    /// The group of the input.
    pub group: GroupKey,
}

impl Fixture {
    /// A mesh with a group.
    pub async fn new() -> Self {
        Self::at(Clock::simulated(&Arc::new(machine()))).await
    }

    /// Two meshes with groups of their own, whose clocks show the same time.
    pub async fn pair() -> [Self; 2] {
        let machine = Arc::new(machine());
        [
            Self::at(Clock::simulated(&machine)).await,
            Self::at(Clock::simulated(&machine)).await,
        ]
    }

    async fn at(clock: Clock) -> Self {
        let mesh = Mesh {
            clock,
            ..(*Mesh::in_memory()).clone()
        };
        let group = create(&mesh).await;
        Self {
            mesh: Arc::new(mesh),
            group,
        }
    }

    /// A line of an input with the group's id, or `None` after a line that lets time pass.
    pub async fn line(&self, line: &[u8]) -> Option<Vec<u8>> {
        let seconds = line
            .strip_prefix(b"+")
            .and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(seconds) = seconds.and_then(|digits| digits.parse().ok()) {
            self.passes(Duration::from_secs(MAX_SECONDS.min(seconds)))
                .await;
            return None;
        }
        Some(replace(line, GROUP, self.group.id.as_str()))
    }

    /// An answer with the group's name in inputs.
    pub fn answer(&self, answer: &[u8]) -> Vec<u8> {
        replace(answer, self.group.id.as_str(), GROUP)
    }

    /// Lets everything end that the input began.
    pub async fn end(&self) {
        self.passes(LONG).await;
        // Tombstones are made when their groups end, and expire later.
        self.passes(LONG).await;
        let lives = self.mesh.store.any_group_lives(self.mesh.clock.now()).await;
        let lives = lives.expect("a store in memory");
        assert!(!lives, "a group outlives all times");
        self.mesh.hub.flush();
    }

    /// Creates the next input's group; nothing of the last one may be left.
    pub async fn begin(&mut self) {
        self.mesh.hub.sweep();
        assert_eq!(
            self.mesh.hub.topics(),
            0,
            "topics outlive their subscribers"
        );
        assert_eq!(
            self.mesh.memory.total(),
            0,
            "leases outlive what they count"
        );
        self.group = create(&self.mesh).await;
    }

    async fn passes(&self, time: Duration) {
        self.mesh.clock.advance(time);
        reap(&*self.mesh.store, &self.mesh.clock)
            .await
            .expect("a store in memory");
    }

    /// Subscribes to a group.
    pub fn subscribe(
        &self,
        group: &GroupKey,
        selection: Selection,
    ) -> (Arc<Recorder>, Subscription) {
        let recorder = Arc::new(Recorder::default());
        let hub = &self.mesh.hub;
        let subscription = hub.subscribe(group, selection, |own| {
            *recorder.own.lock().expect("no panic") = own;
            Arc::clone(&recorder) as Arc<dyn Subscriber>
        });
        (recorder, subscription)
    }
}

fn machine() -> Simulated {
    Simulated {
        wall: AtomicI64::new(START),
        monotonic: AtomicI64::new(0),
    }
}

async fn create(mesh: &Mesh) -> GroupKey {
    let request = CreateGroup {
        domain: Domain::parse("domain", "domain").expect("a domain"),
        host: NodeId::parse("hostId", "host").expect("an id"),
        name: GroupName::parse("name", "class").expect("a name"),
        delivery: Delivery::WebSocket,
        lifetime: 300,
        origin: None,
        host_ttl: None,
        is_exempt: false,
        join_code: JoinCode::random(),
        name_is_join_code: false,
        token: None,
    };
    let hosted = mesh.store.host_group(request, mesh.clock.now()).await;
    hosted.expect("a store in memory").group.key
}

fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest
        .windows(from.len())
        .position(|part| part == from.as_bytes())
    {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Keeps what a subscriber gets.
#[derive(Default)]
pub struct Recorder {
    messages: Mutex<Vec<Bytes>>,
    own: Mutex<Option<LeasedSelection>>,
}

impl Recorder {
    /// The messages since the last call.
    pub fn take(&self) -> Vec<Bytes> {
        std::mem::take(&mut *self.messages.lock().expect("no panic"))
    }

    fn push(&self, message: Bytes) {
        self.messages.lock().expect("no panic").push(message);
    }
}

impl Subscriber for Recorder {
    fn on_subscribe(&self) {}

    fn deliver(&self, messages: &[Bytes], _: u64, _: &mut Vec<u8>) {
        for message in messages {
            self.push(message.clone());
        }
    }

    fn enqueue(self: Arc<Self>, message: &Arc<Publication>, _: u64) {
        let own = self.own.lock().expect("no panic");
        let own = own.as_ref().expect("its selection, to render by itself");
        match message.render(own.selection()) {
            Some(rendered) => self.push(rendered),
            None => self.on_oversized(),
        }
    }

    fn on_oversized(&self) {
        self.push(Bytes::from_static(br#""oversized""#));
    }

    fn on_unsubscribe(&self) {}
}

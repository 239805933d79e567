//! From a message to its listeners' outboxes.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mesh_v2::auth::Caller;
use mesh_v2::hub::Hub;
use mesh_v2::hub::selection::Selection;
use mesh_v2::memory::Memory;
use mesh_v2::model::event::Channel;
use mesh_v2::model::group::GroupKey;
use mesh_v2::model::message::Message;
use mesh_v2::realtime::frame::Dialect;
use mesh_v2::realtime::outbox::Outbox;
use mesh_v2::realtime::session::Operation;
use mesh_v2::realtime::subscriber::SocketSubscriber;
use mesh_v2::resolvers::DocumentLimits;
use mesh_v2::resolvers::document::GraphQlRequest;
use mesh_v2::resolvers::run::Runner;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::lesson::{LISTEN, NOW, event, group, mesh, report, runtime};

/// Bytes that an outbox holds at most.
const ROOM: usize = 1 << 20;
const ID: &str = "0e2f6a44-9d0c-4ab3-8a53-6f3f0c3b8f11";

/// A group and what the editor selects of its messages, compiled.
fn wanted() -> (GroupKey, Selection) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let variables = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str()});
    let body = json!({"query": LISTEN, "variables": variables}).to_string();
    let ask = GraphQlRequest::read(body.as_bytes()).expect("an envelope");
    let document = runner.documents().get(&ask).expect("a document");
    let variables = ask.variables().expect("variables");
    let subscribing = runner.subscribe(&document, variables, Caller { address: None });
    let wanted = runtime.block_on(subscribing).expect("a subscription");
    (group, wanted.selection)
}

/// A subscription by the engine: validated, and compiled to a selection.
#[divan::bench]
fn subscription_is_compiled(bencher: Bencher<'_, '_>) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let variables = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str()});
    let body = json!({"query": LISTEN, "variables": variables}).to_string();
    bencher.bench_local(|| {
        let ask = GraphQlRequest::read(black_box(body.as_bytes()))?;
        let document = runner.documents().get(&ask).ok()?;
        let subscribing = runner.subscribe(&document, ask.variables()?, Caller { address: None });
        runtime.block_on(subscribing).ok()
    });
}

#[divan::bench]
fn report_is_rendered(bencher: Bencher<'_, '_>) {
    let (group, selection) = wanted();
    let message = report(&group);
    bencher.bench(|| selection.render(black_box(&message)));
}

#[divan::bench]
fn event_is_rendered(bencher: Bencher<'_, '_>) {
    let (group, selection) = wanted();
    let message = Message::Events(event(&group, Channel::Fired, 1).batch(NOW));
    bencher.bench(|| selection.render(black_box(&message)));
}

#[divan::bench]
fn head_of_a_frame_is_made() -> usize {
    Dialect::AppSync.around_data(black_box(ID)).0.len()
}

/// One message to so many outboxes, rendered once and told in one pass. They are emptied
/// between samples, which are short so that an outbox has room for all of one.
#[divan::bench(args = [1, 10, 100, 1000], sample_size = 100)]
fn message_is_published(bencher: Bencher<'_, '_>, listeners: usize) {
    let (group, selection) = wanted();
    let hub = Hub::new();
    let outboxes: Vec<_> = (0..listeners)
        .map(|_| Outbox::new(ROOM, Memory::unlimited()))
        .collect();
    let listen = |outbox: &Arc<Outbox>| {
        hub.listen(&group, selection.clone(), |own| {
            let (outbox, of) = (Arc::clone(outbox), Operation::new(ID, 1));
            Arc::new(SocketSubscriber::new(outbox, of, Dialect::AppSync, own))
        })
    };
    let _subscriptions: Vec<_> = outboxes.iter().map(listen).collect();
    let message = report(&group);
    bencher
        .counter(ItemsCount::new(listeners))
        .with_inputs(|| outboxes.iter().for_each(|outbox| empty(outbox)))
        .bench_local_values(|()| {
            hub.publish(black_box(&message));
            hub.pass();
        });
    assert!(outboxes.iter().all(|outbox| !outbox.is_full()));
}

fn empty(outbox: &Outbox) {
    let (mut nowhere, mut cx) = (pin!(tokio::io::sink()), Context::from_waker(Waker::noop()));
    while !outbox.is_empty() {
        let _ = outbox.poll_write(&mut cx, nowhere.as_mut());
    }
}

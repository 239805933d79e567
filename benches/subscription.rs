//! From a message to its subscribers' outboxes.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mesh_v2::auth::{Caller, Role};
use mesh_v2::hub::Hub;
use mesh_v2::hub::selection::Selection;
use mesh_v2::memory::Memory;
use mesh_v2::model::event::EventKind;
use mesh_v2::model::group::GroupKey;
use mesh_v2::model::message::Message;
use mesh_v2::realtime::outbox::Outbox;
use mesh_v2::realtime::protocol::Dialect;
use mesh_v2::realtime::session::OperationKey;
use mesh_v2::realtime::subscriber::SocketSubscriber;
use mesh_v2::resolvers::DocumentLimits;
use mesh_v2::resolvers::request::GraphQlRequest;
use mesh_v2::resolvers::run::Runner;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::fixture::{NOW, SUBSCRIPTION, event, group, mesh, report, runtime};

/// The limit of an outbox in bytes.
const OUTBOX_BYTES: usize = 1 << 20;
const ID: &str = "0e2f6a44-9d0c-4ab3-8a53-6f3f0c3b8f11";

/// A group and the editor's selection, compiled.
fn target() -> (GroupKey, Selection) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let variables = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str()});
    let body = json!({"query": SUBSCRIPTION, "variables": variables}).to_string();
    let request = GraphQlRequest::parse(body.as_bytes()).expect("a request");
    let document = runner.documents().get(&request).expect("a document");
    let variables = request.variables().expect("variables");
    let subscribing = runner.subscribe(
        &document,
        variables,
        Caller {
            address: None,
            role: Role::Public,
            connection: None,
            join_code: None,
        },
    );
    let target = runtime.block_on(subscribing).expect("a subscription");
    (group, target.selection)
}

/// Validation by the engine, and compilation to a selection.
#[divan::bench]
fn compile_subscription(bencher: Bencher<'_, '_>) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let variables = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str()});
    let body = json!({"query": SUBSCRIPTION, "variables": variables}).to_string();
    bencher.bench_local(|| {
        let request = GraphQlRequest::parse(black_box(body.as_bytes()))?;
        let document = runner.documents().get(&request).ok()?;
        let subscribing = runner.subscribe(
            &document,
            request.variables()?,
            Caller {
                address: None,
                role: Role::Public,
                connection: None,
                join_code: None,
            },
        );
        runtime.block_on(subscribing).ok()
    });
}

#[divan::bench]
fn render_report(bencher: Bencher<'_, '_>) {
    let (group, selection) = target();
    let message = report(&group);
    bencher.bench(|| selection.render(black_box(&message)));
}

#[divan::bench]
fn render_event(bencher: Bencher<'_, '_>) {
    let (group, selection) = target();
    let message = Message::Events(event(&group, EventKind::Fired, 1).batch(NOW));
    bencher.bench(|| selection.render(black_box(&message)));
}

#[divan::bench]
fn data_envelope() -> usize {
    Dialect::AppSync.data_envelope(black_box(ID)).0.len()
}

/// One message to many outboxes, rendered once and delivered by one flush. They are emptied
/// between samples, which are short enough for an outbox's limit.
#[divan::bench(args = [1, 10, 100, 1000], sample_size = 100)]
fn publish_message(bencher: Bencher<'_, '_>, subscribers: usize) {
    let (group, selection) = target();
    let hub = Hub::new();
    let outboxes: Vec<_> = (0..subscribers)
        .map(|_| Outbox::new(OUTBOX_BYTES, Memory::unlimited()))
        .collect();
    let subscribe = |outbox: &Arc<Outbox>| {
        hub.subscribe(&group, selection.clone(), |selection| {
            let (outbox, operation) = (Arc::clone(outbox), OperationKey::new(ID, 1));
            Arc::new(SocketSubscriber::new(
                outbox,
                operation,
                Dialect::AppSync,
                selection,
            ))
        })
    };
    let _subscriptions: Vec<_> = outboxes.iter().map(subscribe).collect();
    let message = report(&group);
    bencher
        .counter(ItemsCount::new(subscribers))
        .with_inputs(|| outboxes.iter().for_each(|outbox| empty(outbox)))
        .bench_local_values(|()| {
            hub.publish(black_box(message.clone()));
            hub.flush();
        });
    assert!(outboxes.iter().all(|outbox| !outbox.is_full()));
}

fn empty(outbox: &Outbox) {
    let (mut sink, mut cx) = (pin!(tokio::io::sink()), Context::from_waker(Waker::noop()));
    while !outbox.is_empty() {
        let _ = outbox.poll_write(&mut cx, sink.as_mut());
    }
}

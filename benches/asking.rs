//! From a request's bytes to its answer.

use divan::{Bencher, black_box};
use mesh_v2::auth::{ApiKeys, Caller};
use mesh_v2::domains::DomainKey;
use mesh_v2::model::cursor::{Cursor, Stamp};
use mesh_v2::model::group::GroupKey;
use mesh_v2::resolvers::DocumentLimits;
use mesh_v2::resolvers::document::{Documents, GraphQlRequest};
use mesh_v2::resolvers::run::Runner;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::lesson::{LISTEN, NOW, REPORT, group, mesh, runtime};

const NOBODY: Caller = Caller { address: None };

/// A report's body, as the editor posts it.
fn body(group: &GroupKey) -> String {
    let variables = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str(), "nodeId": "kitten",
        "data": [{"key": "temperature", "value": "a value of about forty bytes, as it comes"}]});
    json!({"query": REPORT, "variables": variables}).to_string()
}

fn some_group() -> GroupKey {
    GroupKey::parse("6a1f0c9e-2b2f-4a6f-9d0e-3f1c8e5d7b42", "0123456789abcdef").expect("a group")
}

#[divan::bench]
fn envelope_is_read(bencher: Bencher<'_, '_>) {
    let body = body(&some_group());
    bencher.bench(|| GraphQlRequest::read(black_box(body.as_bytes())).is_some());
}

/// Parsing and every bound: what the first of a kind costs.
#[divan::bench(args = ["report", "listen"])]
fn document_is_new(bencher: Bencher<'_, '_>, which: &str) {
    let text = if which == "report" { REPORT } else { LISTEN };
    bencher
        .with_inputs(|| Documents::new(DocumentLimits::default()))
        .bench_refs(|documents| documents.get(&ask(text)).is_ok());
}

#[divan::bench]
fn document_is_known(bencher: Bencher<'_, '_>) {
    let documents = Documents::new(DocumentLimits::default());
    assert!(documents.get(&ask(REPORT)).is_ok());
    bencher.bench(|| documents.get(black_box(&ask(REPORT))).is_ok());
}

fn ask(text: &str) -> GraphQlRequest<'_> {
    GraphQlRequest::new(text.into(), None, None).expect("an envelope")
}

/// A whole report on a store in memory that nobody listens to: envelope, document,
/// variables, store, answer.
#[divan::bench]
fn report_is_answered_directly(bencher: Bencher<'_, '_>) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let body = body(&group);
    // The engine proves the document once.
    let ask = GraphQlRequest::read(body.as_bytes()).expect("an envelope");
    let document = runner.documents().get(&ask).expect("a document");
    let variables = ask.variables().expect("variables");
    let answer = runtime.block_on(runner.answer(document, variables, NOBODY));
    assert!(!answer.text.windows(8).any(|text| text == b"\"errors\""));
    let answer = || {
        let ask = GraphQlRequest::read(black_box(body.as_bytes()))?;
        let document = runner.documents().get(&ask).ok()?;
        runtime.block_on(runner.ask(document, &ask, NOBODY))
    };
    assert!(answer().is_some());
    bencher.bench_local(answer);
}

/// The same by the GraphQL engine, which answers everything else.
#[divan::bench]
fn report_is_answered_by_the_engine(bencher: Bencher<'_, '_>) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let body = body(&group);
    bencher.bench_local(|| {
        let ask = GraphQlRequest::read(black_box(body.as_bytes()))?;
        let document = runner.documents().get(&ask).ok()?;
        let variables = ask.variables()?;
        Some(runtime.block_on(runner.answer(document, variables, NOBODY)))
    });
}

#[divan::bench]
fn api_key_is_checked(bencher: Bencher<'_, '_>) {
    let keys = ApiKeys::new(["da2-one-of-two-keys", "da2-the-other-of-them"]);
    bencher.bench(|| keys.check(black_box(Some("da2-the-other-of-them"))).is_ok());
}

#[divan::bench]
fn group_key_is_parsed() -> bool {
    let id = black_box("6a1f0c9e-2b2f-4a6f-9d0e-3f1c8e5d7b42");
    GroupKey::parse(id, black_box("0123456789abcdef")).is_ok()
}

#[divan::bench]
fn domain_is_derived(bencher: Bencher<'_, '_>) {
    let key = DomainKey::new(b"a secret of the benchmarks");
    let address = "203.0.113.7".parse().ok();
    bencher.bench(|| key.domain_of(black_box(address)));
}

#[divan::bench]
fn stamp_follows(bencher: Bencher<'_, '_>) {
    let last = Some(Stamp { at: NOW, call: 7 });
    bencher.bench(|| Stamp::after(black_box(last), black_box(NOW)));
}

#[divan::bench]
fn cursor_is_written(bencher: Bencher<'_, '_>) {
    let stamp = Stamp { at: NOW, call: 7 };
    bencher.bench(|| black_box(Cursor { stamp, index: 3 }).to_string());
}

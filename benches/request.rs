//! From a request's bytes to its response.

use divan::{Bencher, black_box};
use mesh_v2::auth::{ApiKeys, Authenticator, Caller, Credential, Role};
use mesh_v2::domains::DomainKey;
use mesh_v2::model::cursor::{Cursor, Stamp};
use mesh_v2::model::group::GroupKey;
use mesh_v2::model::time::Timestamp;
use mesh_v2::resolvers::DocumentLimits;
use mesh_v2::resolvers::document::DocumentCache;
use mesh_v2::resolvers::request::GraphQlRequest;
use mesh_v2::resolvers::run::Runner;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::fixture::{NOW, REPORT, SUBSCRIPTION, group, mesh, runtime};

const CALLER: Caller = Caller {
    address: None,
    role: Role::Public,
    connection: None,
    join_code: None,
};

/// The body of a report, as the editor sends it.
fn body(group: &GroupKey) -> String {
    let variables = json!({"groupId": group.id.as_str(), "domain": group.domain.as_str(), "nodeId": "kitten",
        "data": [{"key": "temperature", "value": "a value of about forty bytes, as it comes"}]});
    json!({"query": REPORT, "variables": variables}).to_string()
}

fn group_key() -> GroupKey {
    GroupKey::parse("6a1f0c9e-2b2f-4a6f-9d0e-3f1c8e5d7b42", "0123456789abcdef").expect("a group")
}

#[divan::bench]
fn parse_request(bencher: Bencher<'_, '_>) {
    let body = body(&group_key());
    bencher.bench(|| GraphQlRequest::parse(black_box(body.as_bytes())).is_some());
}

/// Parsing and checking a document that is not cached.
#[divan::bench(args = ["report", "subscription"])]
fn parse_document(bencher: Bencher<'_, '_>, which: &str) {
    let text = if which == "report" {
        REPORT
    } else {
        SUBSCRIPTION
    };
    bencher
        .with_inputs(|| DocumentCache::new(DocumentLimits::default()))
        .bench_refs(|documents| documents.get(&request(text)).is_ok());
}

#[divan::bench]
fn get_cached_document(bencher: Bencher<'_, '_>) {
    let documents = DocumentCache::new(DocumentLimits::default());
    assert!(documents.get(&request(REPORT)).is_ok());
    bencher.bench(|| documents.get(black_box(&request(REPORT))).is_ok());
}

fn request(text: &str) -> GraphQlRequest<'_> {
    GraphQlRequest::new(text.into(), None, None).expect("a request")
}

/// A whole report on a store in memory without subscribers: request, document, variables,
/// store, response.
#[divan::bench]
fn report_on_fast_path(bencher: Bencher<'_, '_>) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let body = body(&group);
    // The engine validates the document once.
    let request = GraphQlRequest::parse(body.as_bytes()).expect("a request");
    let document = runner.documents().get(&request).expect("a document");
    let variables = request.variables().expect("variables");
    let response = runtime.block_on(runner.execute_on_engine(document, variables, CALLER));
    assert!(!response.text.windows(8).any(|text| text == b"\"errors\""));
    let report = || {
        let request = GraphQlRequest::parse(black_box(body.as_bytes()))?;
        let document = runner.documents().get(&request).ok()?;
        runtime.block_on(runner.execute(document, &request, CALLER))
    };
    assert!(report().is_some());
    bencher.bench_local(report);
}

/// The same on the GraphQL engine, which executes all other operations.
#[divan::bench]
fn report_on_engine(bencher: Bencher<'_, '_>) {
    let (runtime, mesh) = (runtime(), mesh());
    let group = group(&runtime, mesh.store.as_ref(), mesh.clock.now());
    let runner = Runner::new(mesh, DocumentLimits::default(), TaskTracker::new());
    let body = body(&group);
    bencher.bench_local(|| {
        let request = GraphQlRequest::parse(black_box(body.as_bytes()))?;
        let document = runner.documents().get(&request).ok()?;
        let variables = request.variables()?;
        Some(runtime.block_on(runner.execute_on_engine(document, variables, CALLER)))
    });
}

#[divan::bench]
fn check_api_key(bencher: Bencher<'_, '_>) {
    let keys = ApiKeys::new(["da2-one-of-two-keys", "da2-the-other-of-them"]);
    let authenticator = Authenticator::new(keys);
    let (key, now) = (
        Credential::key("da2-the-other-of-them"),
        Timestamp::from_seconds(0),
    );
    bencher.bench(|| authenticator.check(black_box(Some(&key)), now).is_ok());
}

#[divan::bench]
fn parse_group_key() -> bool {
    let id = black_box("6a1f0c9e-2b2f-4a6f-9d0e-3f1c8e5d7b42");
    GroupKey::parse(id, black_box("0123456789abcdef")).is_ok()
}

#[divan::bench]
fn derive_domain(bencher: Bencher<'_, '_>) {
    let key = DomainKey::new(b"a secret of the benchmarks");
    let address = "203.0.113.7".parse().ok();
    bencher.bench(|| key.domain_of(black_box(address)));
}

#[divan::bench]
fn next_stamp(bencher: Bencher<'_, '_>) {
    let last = Some(Stamp { at: NOW, call: 7 });
    bencher.bench(|| Stamp::after(black_box(last), black_box(NOW)));
}

#[divan::bench]
fn format_cursor(bencher: Bencher<'_, '_>) {
    let stamp = Stamp { at: NOW, call: 7 };
    bencher.bench(|| black_box(Cursor { stamp, index: 3 }).to_string());
}

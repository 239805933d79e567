//! Benchmarks of the hot functions: the cost of a report from a request's bytes to its
//! subscribers' outboxes. `benches/README.md` says how to run them and what they measure.

mod fixture;
mod request;
mod store;
mod subscription;

fn main() {
    divan::main();
}

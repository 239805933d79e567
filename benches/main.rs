//! The hot functions, one by one: what a report costs on its way from a request's bytes to
//! its subscribers' outboxes. `benches/README.md` says how to run them and what they mean.

mod asking;
mod lesson;
mod listening;
mod remembering;

fn main() {
    divan::main();
}

//! The suite's harness: each case is registered by `#[apply(case!)]` and becomes one trial of
//! libtest-mimic for each deployment that it holds on.

pub mod case;
pub mod deployment;
pub mod differences;
pub mod selection;
pub mod trials;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use self::selection::Selection;

/// Registers a case: an `async fn` runs on one thread, a plain `fn` without a runtime.
macro_rules! case {
    ($(#[$attribute:meta])* async fn $name:ident() $body:block) => {
        $(#[$attribute])* async fn $name() $body
        case!(@ $name, Async(|| Box::pin($name())));
    };
    ($(#[$attribute:meta])* fn $name:ident() $body:block) => {
        $(#[$attribute])* fn $name() $body
        case!(@ $name, Plain($name));
    };
    (@ $name:ident, $kind:ident($body:expr)) => {
        ::inventory::submit! {
            $crate::harness::case::Case {
                path: concat!(module_path!(), "::", stringify!($name)),
                body: $crate::harness::case::Body::$kind($body),
            }
        }
    };
}

/// Registers a case whose tasks run on two threads.
macro_rules! parallel_case {
    ($(#[$attribute:meta])* async fn $name:ident() $body:block) => {
        $(#[$attribute])* async fn $name() $body
        case!(@ $name, Parallel(|| Box::pin($name())));
    };
}

/// Trials at a time for each core: most of them wait.
const TRIALS_PER_CORE: usize = 3;

/// Options of the command line that are followed by a value.
const WITH_VALUE: [&str; 6] = [
    "--skip",
    "--test-threads",
    "--logfile",
    "--color",
    "--format",
    "-Z",
];

/// Runs what the command line selects.
pub fn run() -> ExitCode {
    let (mut arguments, filters) = arguments(&std::env::args().collect::<Vec<_>>());
    case::record_panics();
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    arguments
        .test_threads
        .get_or_insert(cores * TRIALS_PER_CORE);
    if let [filter] = &filters[..] {
        arguments.filter = Some(filter.clone());
    }
    let selection = Selection::new(filters, &arguments);
    let mut trials = trials::all();
    for note in trials::left_out(&selection) {
        eprintln!("{note}");
    }
    if arguments.filter.is_none() {
        trials.retain(|trial| selection.selects(trial.name()));
    }
    if selection.has_filters() && !trials.iter().any(|it| selection.selects(it.name())) {
        eprintln!("{}", selection.nothing());
        return ExitCode::FAILURE;
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The options, and the filters: as with the standard harness there may be several, of which
/// libtest-mimic takes one.
fn arguments(line: &[String]) -> (Arguments, Vec<String>) {
    let (mut options, mut filters) = (Vec::new(), Vec::new());
    for (n, argument) in line.iter().enumerate() {
        let is_value = n > 0 && WITH_VALUE.contains(&&*line[n - 1]);
        if n == 0 || is_value || argument.starts_with('-') {
            options.push(argument.clone());
        } else {
            filters.push(argument.clone());
        }
    }
    (Arguments::from_iter(options), filters)
}

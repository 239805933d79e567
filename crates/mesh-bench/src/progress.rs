//! Where the run is: a bar on a terminal, plain lines elsewhere. On standard error.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// From one plain line to the next within a phase.
const LINES: Duration = Duration::from_secs(10);

/// The progress of a run.
pub struct Progress {
    bar: ProgressBar,
    phase: &'static str,
    said: Instant,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = "{prefix:11} [{bar:32}] {pos}/{len} {msg}";
        let style = ProgressStyle::with_template(style).expect("a template");
        bar.set_style(style.progress_chars("=> "));
        Self {
            bar,
            phase: "",
            said: Instant::now(),
        }
    }

    /// A phase of so many steps begins.
    pub fn phase(&mut self, phase: &'static str, steps: u64) {
        self.phase = phase;
        self.said = Instant::now();
        self.bar.set_message("");
        self.bar.set_length(steps);
        self.bar.set_position(0);
        self.bar.set_prefix(phase);
        if self.bar.is_hidden() {
            eprintln!("{phase} ({steps})");
        }
    }

    /// So many steps are done.
    pub fn at(&mut self, steps: u64, message: impl FnOnce() -> String) {
        self.bar.set_position(steps);
        if !self.bar.is_hidden() {
            self.bar.set_message(message());
        } else if self.said.elapsed() >= LINES {
            self.said = Instant::now();
            eprintln!("{} {steps} {}", self.phase, message());
        }
    }

    /// All is done: the screen is the report's.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// From one plain line to the next within a phase.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of a run.
pub struct Progress {
    bar: ProgressBar,
    phase: &'static str,
    last_line: Instant,
}

impl Progress {
    /// No phase has begun.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = "{prefix:11} [{bar:32}] {pos}/{len} {msg}";
        let style = ProgressStyle::with_template(style).expect("a template");
        bar.set_style(style.progress_chars("=> "));
        Self {
            bar,
            phase: "",
            last_line: Instant::now(),
        }
    }

    /// Begins a phase of so many steps.
    pub fn phase(&mut self, phase: &'static str, steps: u64) {
        self.phase = phase;
        self.last_line = Instant::now();
        self.bar.set_message("");
        self.bar.set_length(steps);
        self.bar.set_position(0);
        self.bar.set_prefix(phase);
        if self.bar.is_hidden() {
            eprintln!("{phase} ({steps})");
        }
    }

    /// Shows how many steps are done.
    pub fn at(&mut self, steps: u64, message: impl FnOnce() -> String) {
        self.bar.set_position(steps);
        if !self.bar.is_hidden() {
            self.bar.set_message(message());
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            eprintln!("{} {steps} {}", self.phase, message());
        }
    }

    /// Clears the bar before the report is printed.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

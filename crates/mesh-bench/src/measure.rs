//! The measured part of a run: warm-up, a sample per second, and the last deliveries.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use crate::clients::Publishers;
use crate::counters::{Counters, Histogram, histogram};
use crate::load::MachineLoad;
use crate::progress::Progress;
use crate::report::units::{micros, ratio};
use crate::run::now;
use crate::sample::Sample;

/// From one look at the missing deliveries to the next.
const DRAIN_INTERVAL: Duration = Duration::from_millis(20);
/// They are waited for no longer than this, however slowly they come.
const DRAIN_MAX: Duration = Duration::from_mins(1);
/// After the last one: a duplicate may follow.
const AFTER_DRAIN: Duration = Duration::from_millis(200);

/// One second of the run.
#[derive(Clone, Debug, Serialize)]
pub struct SeriesPoint {
    /// Its end, in seconds since measuring began.
    pub second: f64,
    /// Messages published per second.
    pub published_per_second: f64,
    /// Messages delivered per second.
    pub delivered_per_second: f64,
    /// Median time from sending to delivery, in microseconds.
    pub p50_us: Option<f64>,
    /// 99 of 100 were delivered within this, in microseconds.
    pub p99_us: Option<f64>,
    /// 99 of 100 mutations were answered within this, in microseconds.
    pub answer_p99_us: Option<f64>,
    /// The server's CPU, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// The server's memory.
    pub server_rss_bytes: Option<u64>,
}

/// What was measured.
pub struct Measurement {
    /// When measuring began.
    pub since: Timestamp,
    /// The first sample.
    pub begin: Sample,
    /// The last sample.
    pub end: Sample,
    /// Second by second.
    pub series: Vec<SeriesPoint>,
    /// How busy the machine was, where that is known.
    pub load: Option<MachineLoad>,
    /// Whether a signal, or the last publisher, ended it early.
    pub ended_early: bool,
}

/// Takes samples while clients work.
pub struct Sampler<'a> {
    /// The run's counters.
    pub counters: &'a Counters,
    /// The server's process, when it is known.
    pub server: Option<u32>,
    /// Where the run is.
    pub progress: &'a mut Progress,
    /// A signal came.
    pub interrupted: &'a CancellationToken,
}

impl Sampler<'_> {
    /// Waits for the warm-up, then measures for `seconds`. Without publishers, idle
    /// connections are measured.
    pub async fn measure(
        &mut self,
        warm_up: u32,
        seconds: u32,
        publishers: Option<&Publishers>,
    ) -> Measurement {
        self.progress.phase("warming up", warm_up.into());
        let warm_up = Duration::from_secs(warm_up.into());
        self.interrupted.run_until_cancelled(sleep(warm_up)).await;
        self.progress.phase("measuring", seconds.into());
        self.counters.latencies().current_second = histogram();
        self.counters.start_measuring();
        let since = now();
        let begin = Sample::take(self.counters, self.server);
        let (mut series, mut samples) = (Vec::new(), vec![begin]);
        let second = Duration::from_secs(1);
        let mut ticks = interval_at(Instant::now() + second, second);
        for number in 1..=u64::from(seconds) {
            let ticked = self.interrupted.run_until_cancelled(ticks.tick()).await;
            let now = Sample::take(self.counters, self.server);
            // What a signal cut off is not a whole second.
            if ticked.is_none() {
                break;
            }
            let second = self.second(&begin, samples.last().unwrap_or(&begin), &now);
            self.progress.at(number, || {
                format!("s, {:.0} delivered/s", second.delivered_per_second)
            });
            series.push(second);
            samples.push(now);
            if publishers.is_some_and(Publishers::have_ended) {
                break;
            }
        }
        self.counters.stop_measuring();
        Measurement {
            since,
            begin,
            end: Sample::take(self.counters, self.server),
            ended_early: series.len() < seconds as usize,
            load: MachineLoad::of(&samples),
            series,
        }
    }

    fn second(&self, begin: &Sample, last: &Sample, now: &Sample) -> SeriesPoint {
        let took = now.seconds_since(last);
        let (latencies, answers) = {
            let mut all = self.counters.latencies();
            let delivered = std::mem::replace(&mut all.current_second, histogram());
            let answered = std::mem::replace(&mut all.answered_in_second, histogram());
            (delivered, answered)
        };
        let quantile =
            |times: &Histogram, q| (!times.is_empty()).then(|| micros(times.value_at_quantile(q)));
        let per_second = |count| ratio(count, 1) / took;
        SeriesPoint {
            second: now.seconds_since(begin),
            published_per_second: per_second(now.published - last.published),
            delivered_per_second: per_second(now.delivered - last.delivered),
            p50_us: quantile(&latencies, 0.5),
            p99_us: quantile(&latencies, 0.99),
            answer_p99_us: quantile(&answers, 0.99),
            server_cpu_percent: now.server_cpu_since(last).map(|cpu| cpu / took * 100.0),
            server_rss_bytes: now.server.map(|server| server.rss),
        }
    }

    /// Waits until all that was published is received, or nothing new came for `patience`.
    pub async fn drain(&mut self, deliveries: u64, polls: u64, patience: Duration) {
        self.progress.phase("stragglers", deliveries + polls);
        let (began, mut last_change, mut received) = (Instant::now(), Instant::now(), 0);
        loop {
            let now = self.counters.delivered.load(Relaxed).min(deliveries)
                + self.counters.polled.load(Relaxed).min(polls);
            if now != received {
                (received, last_change) = (now, Instant::now());
            }
            let timed_out = last_change.elapsed() > patience || began.elapsed() > DRAIN_MAX;
            if now == deliveries + polls || timed_out {
                break;
            }
            self.progress.at(now, String::new);
            sleep(DRAIN_INTERVAL).await;
        }
        sleep(AFTER_DRAIN).await;
    }
}

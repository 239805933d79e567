//! Spans for a collector: OTLP over plain HTTP, by a thread of their own. Requests wait for none of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{
    Bytes, HttpClient, HttpError, Request, Response, ResponseExt as _, hyper as http_client,
};
use opentelemetry_otlp::{
    Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::config::BoundArgs;
use crate::config::otlp::OtlpArgs;
use crate::stage::VERSION;

/// Where a collector takes spans.
const PATH: &str = "/v1/traces";
/// Spans of one request to the collector.
const BATCH: usize = 512;
/// Attributes of a span; each has fewer.
const ATTRIBUTES: u32 = 16;

/// The export of spans while a server runs.
pub struct Traces {
    provider: SdkTracerProvider,
    timeout: Duration,
}

impl Traces {
    /// Begins the export if the settings name a collector.
    pub fn start(args: &OtlpArgs, stage: &'static str) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = &args.otlp_endpoint else {
            return Ok(None);
        };
        let timeout = BoundArgs::seconds(args.otlp_timeout);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}{PATH}"))
            .with_timeout(timeout)
            // A batch that was not taken is dropped: the next one would wait for its repetitions.
            .with_retry_policy(RetryPolicy::disabled())
            .with_http_client(Collector::new(timeout))
            .build()
            .with_context(|| format!("cannot send traces to {endpoint}"))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(args.otlp_queue as usize)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(BoundArgs::seconds(args.otlp_interval))
            .build();
        let processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(batches)
            .build();
        let share = f64::from(args.otlp_sample_percent) / 100.0;
        let sampled = Sampler::TraceIdRatioBased(share);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(sampled)))
            .with_max_attributes_per_span(ATTRIBUTES)
            .with_resource(resource(stage))
            .build();
        Ok(Some(Self { provider, timeout }))
    }

    /// Records the spans of this crate. Events stay in the log: they may have texts of other crates.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_context_activation(false)
            .with_level(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_ours).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends what is left, for a bounded time.
    pub fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(self.timeout) {
            tracing::warn!(%error, "stopped without sending the last traces");
        }
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_of_this_crate = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    metadata.is_span() && *metadata.level() <= Level::DEBUG && is_of_this_crate
}

/// Who sends the spans. Nothing of the machine is in it.
fn resource(stage: &'static str) -> Resource {
    Resource::builder_empty()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attributes([
            KeyValue::new("service.version", VERSION),
            KeyValue::new("deployment.environment.name", stage),
        ])
        .build()
}

/// Sends a batch on the exporter's thread, which has no runtime: one for each batch keeps no
/// connection that nothing polls.
#[derive(Debug)]
struct Collector {
    timeout: Duration,
    /// Whether it did not take the last batch, so that the log has one line for a failure.
    fails: AtomicBool,
}

impl Collector {
    fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            fails: AtomicBool::new(false),
        }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build()?;
        let client = http_client::HyperClient::with_default_connector(self.timeout, None);
        let response = runtime.block_on(client.send_bytes(request));
        // Looking up a name may take longer than the time for a batch.
        runtime.shutdown_background();
        response?.error_for_status()
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        match &sent {
            Ok(_) if self.fails.swap(false, Ordering::Relaxed) => {
                tracing::info!("the collector takes traces again");
            }
            Err(error) if !self.fails.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the collector takes no traces, which are dropped: check MESH_OTLP_ENDPOINT");
            }
            _ => {}
        }
        sent
    }
}

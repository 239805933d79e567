//! `mesh-v2-lambda`: the function behind AppSync's resolvers.

use std::process::ExitCode;

use anyhow::Context as _;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use mesh_v2::lambda::MalformedEvent;
use mesh_v2::stage;
use serde_json::Value;
use tracing::Instrument as _;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesh-v2-lambda: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    anyhow::ensure!(
        std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some(),
        "AWS Lambda runs this program, behind AppSync; to serve without AWS, run mesh-v2"
    );
    // One event at a time: more threads would only cost start-up time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let handler = stage::lambda::handler().await?;
        let handle = async |event: LambdaEvent<Value>| {
            // Of the highest level, so that each line has the ids at whatever level is logged.
            let span = tracing::error_span!(
                "invocation",
                request = event.context.request_id,
                xray = event.context.xray_trace_id
            );
            let result = handler.handle(event.payload).instrument(span).await;
            result.map_err(|malformed| diagnostic(&malformed))
        };
        let result = lambda_runtime::run(service_fn(handle)).await;
        result.map_err(|error| anyhow::anyhow!(error))
    })
}

/// The error of a failed call, which the runtime logs.
fn diagnostic(malformed: &MalformedEvent) -> Diagnostic {
    Diagnostic {
        error_type: MalformedEvent::KIND.into(),
        error_message: malformed.to_string(),
    }
}

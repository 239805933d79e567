//! The DynamoDB for tests: the one at `DYNAMODB_ENDPOINT`; otherwise DynamoDB Local in Docker, if
//! Docker is available; otherwise an emulator in this process.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{GenericImage, ImageExt as _, ReuseDirective};

/// Timeout for Docker, including the download of the image.
const DOCKER_TIMEOUT: Duration = Duration::from_mins(3);

/// The engine of this process.
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    /// Its URL.
    pub endpoint: String,
}

/// The engine, started on the first call. It outlives each test's runtime, so it has its own
/// thread.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(endpoint) => Engine {
                name: "the one of DYNAMODB_ENDPOINT",
                endpoint,
            },
            Err(_) => start_on_thread(),
        };
        // Not captured by the test harness, so that every run prints it.
        let line = format!("DynamoDB engine: {} at {}\n", engine.name, engine.endpoint);
        let _ = std::io::stderr().write_all(line.as_bytes());
        engine
    })
}

fn start_on_thread() -> Engine {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            if let Some(engine) = in_docker().await {
                sender.send(engine).unwrap();
                return;
            }
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            sender
                .send(Engine {
                    name: "dynoxide, in this process",
                    endpoint: format!("http://{address}"),
                })
                .unwrap();
            let database = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_on(listener, database).await;
        });
    });
    receiver.recv().unwrap()
}

/// DynamoDB Local in a container, which is kept for the next run.
async fn in_docker() -> Option<Engine> {
    let docker = std::path::Path::new("/var/run/docker.sock").exists()
        || std::env::var_os("DOCKER_HOST").is_some();
    if !docker {
        return None;
    }
    let start = async {
        let container = GenericImage::new("amazon/dynamodb-local", "3.1.0")
            .with_exposed_port(8000.tcp())
            .with_wait_for(WaitFor::message_on_stdout("Initializing DynamoDB Local"))
            .with_container_name("mesh-v2-tests-dynamodb-local")
            .with_reuse(ReuseDirective::Always)
            .start()
            .await?;
        let host = container.get_host().await?;
        let port = container.get_host_port_ipv4(8000).await?;
        Ok::<_, testcontainers::TestcontainersError>(format!("http://{host}:{port}"))
    };
    match tokio::time::timeout(DOCKER_TIMEOUT, start).await {
        Ok(Ok(endpoint)) => Some(Engine {
            name: "DynamoDB Local in Docker",
            endpoint,
        }),
        Ok(Err(error)) => {
            eprintln!("Docker does not start DynamoDB Local: {error}");
            None
        }
        Err(_) => None,
    }
}

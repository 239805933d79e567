//! The DynamoDB that tests run on: the one named by `DYNAMODB_ENDPOINT`; else DynamoDB
//! Local in Docker, if Docker answers; else an emulator in this process.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort as _, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{GenericImage, ImageExt as _, ReuseDirective};

/// How long Docker may take, the image's download included.
const DOCKERS_PATIENCE: Duration = Duration::from_mins(3);

/// The engine of this process.
pub struct Engine {
    /// What it is.
    pub name: &'static str,
    /// Where it answers.
    pub endpoint: String,
}

/// The engine, started with the first test that asks for it. It outlives each test's
/// runtime, so it has a thread of its own.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = match std::env::var("DYNAMODB_ENDPOINT") {
            Ok(endpoint) => Engine {
                name: "the one of DYNAMODB_ENDPOINT",
                endpoint,
            },
            Err(_) => on_a_thread(),
        };
        // Past the test harness's capture, so that every run says it.
        let said = format!("DynamoDB engine: {} at {}\n", engine.name, engine.endpoint);
        let _ = std::io::stderr().write_all(said.as_bytes());
        engine
    })
}

fn on_a_thread() -> Engine {
    let (told, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            if let Some(engine) = in_docker().await {
                told.send(engine).unwrap();
                return;
            }
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            told.send(Engine {
                name: "dynoxide, in this process",
                endpoint: format!("http://{address}"),
            })
            .unwrap();
            let database = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_on(listener, database).await;
        });
    });
    started.recv().unwrap()
}

/// DynamoDB Local in a container that stays for the next run.
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
    match tokio::time::timeout(DOCKERS_PATIENCE, start).await {
        Ok(Ok(endpoint)) => Some(Engine {
            name: "DynamoDB Local in Docker",
            endpoint,
        }),
        Ok(Err(error)) => {
            eprintln!("Docker is there and does not start DynamoDB Local: {error}");
            None
        }
        Err(_) => None,
    }
}

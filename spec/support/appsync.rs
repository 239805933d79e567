//! The AppSync stand-in of `spec/appsync` on Node, and the Lambda function behind it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use mesh_v2::auth::Policy;
pub use mesh_v2::lambda::appsync::Settings;
use mesh_v2::lambda::{Handler, MalformedEvent};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::mesh::TIMEOUT;
use super::runtime_api::{FunctionError, Outcome};

const NEEDS: &str = "cases behind AppSync need Node 20.6 or newer with npm in the PATH";

/// The stand-in's process: one for all APIs of this process. It ends when this process ends,
/// which closes its standard input.
struct StandIn {
    input: Mutex<ChildStdin>,
    opening: Arc<Mutex<HashMap<String, oneshot::Sender<String>>>>,
}

/// The role of the function, whose access key is the one of clients of local engines.
const FUNCTION_ROLE: &str = "MeshV2-Function";
/// Another role of the account, and its access key.
pub const OTHER_KEY: &str = "operator";

/// An API of the stand-in, closed when dropped.
pub struct Api {
    number: String,
    pub endpoint: String,
}

impl Api {
    /// Opens an API with `key` whose Lambda function is invoked at `invoke`.
    pub async fn open(key: &str, invoke: &str) -> Self {
        Self::open_under(Policy::Open, key, invoke).await
    }

    /// The same as the stack deploys it with this policy.
    pub async fn open_under(policy: Policy, key: &str, invoke: &str) -> Self {
        let (stand_in, number) = (stand_in(), uuid::Uuid::new_v4().to_string());
        let (opened, endpoint) = oneshot::channel();
        stand_in
            .opening
            .lock()
            .expect("no panic")
            .insert(number.clone(), opened);
        stand_in.sends(&json!({
            "open": number, "key": key, "invoke": invoke,
            "resolvesSubscriptions": policy == Policy::Own,
            "publisherRole": FUNCTION_ROLE,
            "callers": {
                "local": {"secret": "local", "role": FUNCTION_ROLE},
                OTHER_KEY: {"secret": OTHER_KEY, "role": "Operators"},
            },
        }));
        let endpoint = endpoint.await.expect("the stand-in opens an API");
        Self { number, endpoint }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        stand_in().sends(&json!({"close": self.number}));
    }
}

impl StandIn {
    fn start() -> Self {
        let mut process = Command::new("node")
            .arg("main.mjs")
            .current_dir(installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect(NEEDS);
        let input = Mutex::new(process.stdin.take().expect("its input"));
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let opening = Arc::<Mutex<HashMap<String, oneshot::Sender<String>>>>::default();
        let waiting = opening.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let message: Value = serde_json::from_str(&line).expect("a line of JSON");
                let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
                let opened = waiting.lock().expect("no panic").remove(&text("opened"));
                // A case that failed meanwhile waits no longer.
                let _ = opened.expect("one that waits").send(text("endpoint"));
            }
            // Callers that still wait fail as their channel closes.
            waiting.lock().expect("no panic").clear();
            let _ = process.wait();
        });
        Self { input, opening }
    }

    fn sends(&self, line: &Value) {
        let line = format!("{line}\n");
        let mut input = self.input.lock().expect("the stand-in's input");
        input
            .write_all(line.as_bytes())
            .expect("the stand-in reads its input");
    }
}

fn stand_in() -> &'static StandIn {
    static STAND_IN: OnceLock<StandIn> = OnceLock::new();
    STAND_IN.get_or_init(StandIn::start)
}

/// The stand-in's folder, with the packages of its lock file in it.
pub fn installed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/appsync");
        let wanted = changed(&folder.join("package-lock.json"));
        // npm writes this file when it is done.
        if changed(&folder.join("node_modules/.package-lock.json")) < wanted {
            let install = Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .output()
                .expect(NEEDS);
            let stderr = String::from_utf8_lossy(&install.stderr).into_owned();
            assert!(install.status.success(), "npm ci in spec/appsync: {stderr}");
        }
        folder
    })
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file)
        .and_then(|file| file.modified())
        .ok()
}

/// The Lambda function in this process. The case's clock is the function's clock.
#[derive(Clone, Default)]
pub struct Function(Arc<OnceLock<Handler>>);

impl Function {
    /// Serves the function, which is [deployed](Self::deploys) afterwards: it knows its API.
    /// Returns where it is invoked.
    pub async fn serves(&self, tasks: &TaskTracker, stop: &CancellationToken) -> String {
        let function = self.clone();
        let answer = move |event| {
            let function = function.clone();
            async move { function.invoke(event).await }
        };
        serve(answer, tasks, stop).await
    }

    pub fn deploys(&self, handler: Handler) {
        assert!(self.0.set(handler).is_ok(), "one handler");
    }

    pub async fn invoke(&self, event: Value) -> Outcome {
        let handler = self.0.get().expect("a handler");
        let answer = handler.handle(event).await;
        answer.map_err(|malformed| FunctionError {
            kind: MalformedEvent::KIND.into(),
            message: malformed.to_string(),
        })
    }
}

/// How a function pushes to this API.
pub fn push_settings(endpoint: &str) -> Settings {
    Settings {
        url: endpoint.into(),
        attempts: 3,
        // The machine may be busy with other tests.
        attempt_timeout: TIMEOUT,
        message_timeout: TIMEOUT,
    }
}

/// Serves Lambda's Invoke requests for a function; returns where.
pub async fn serve<F, A>(function: F, tasks: &TaskTracker, stop: &CancellationToken) -> String
where
    F: Fn(Value) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Outcome> + Send + 'static,
{
    let invoke = post(move |Json(event): Json<Value>| async move {
        is_of_a_direct_resolver(&event);
        invoked(function(event).await)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let serving = axum::serve(listener, axum::Router::new().route("/", invoke))
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    tasks.spawn(async move { serving.await.expect("the Lambda is served") });
    format!("http://{address}/")
}

/// The deployed handlers send exactly what AppSync sends without them (docs/compatibility.md, Lambda).
fn is_of_a_direct_resolver(event: &Value) {
    let keys: Vec<_> = event.as_object().expect("an event").keys().collect();
    let expected = "arguments identity source request prev info stash";
    assert!(keys.into_iter().eq(expected.split(' ')), "{event}");
}

/// What Lambda answers to Invoke.
fn invoked(outcome: Outcome) -> Response {
    match outcome {
        Ok(value) => Json(value).into_response(),
        Err(FunctionError { kind, message }) => {
            let head = [("x-amz-function-error", "Unhandled")];
            let body = json!({"errorMessage": message, "errorType": kind});
            (StatusCode::OK, head, Json(body)).into_response()
        }
    }
}

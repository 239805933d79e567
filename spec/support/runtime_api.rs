//! A Lambda function as AWS runs it: the built program requests one event after the other
//! from a Runtime API, which the suite serves.

use std::collections::HashMap;
use std::fs::File;
use std::process::{Child, Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mesh_v2::heartbeat::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::mesh::TIMEOUT;
use super::program::folder;

/// How long an invocation may take, as AWS announces it to the function.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How often to check whether the function still runs.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// One instance of the function, which answers one event at a time. Several may run, as AWS
/// starts them.
pub struct Lambda {
    child: Mutex<Child>,
    folder: TempDir,
    events: mpsc::UnboundedSender<(Value, oneshot::Sender<Outcome>)>,
    tasks: TaskTracker,
}

/// The result of an invocation.
pub type Outcome = Result<Value, FunctionError>;

/// An invocation that failed as a whole: what AWS calls a function error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    pub kind: String,
    pub message: String,
}

struct Api {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(Value, oneshot::Sender<Outcome>)>>,
    answers: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    /// The function has requested its first event.
    ready: Notify,
}

/// The program, with the Runtime API at `address`.
fn function(address: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesh-v2-lambda"));
    let of_aws = [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", "MeshV2-GraphQL-spec"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_REGION", "ap-northeast-1"),
    ];
    command
        .env_clear()
        .envs(of_aws)
        .envs(settings.iter().copied());
    command
}

/// Runs a function that cannot start to its end.
pub fn ends_at_once(settings: &[(&str, &str)]) -> Output {
    // Nothing listens there: a function that starts nevertheless ends with another message.
    let output = function("127.0.0.1:9", settings).output();
    output.expect("the program runs")
}

impl Lambda {
    /// Starts the function with these settings in its environment, and waits until it
    /// requests an event.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            events: receiver.into(),
            answers: Mutex::default(),
            ready: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let tasks = TaskTracker::new();
        tasks.spawn(axum::serve(listener, routes(Arc::clone(&api))).into_future());
        let folder = folder();
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let also = log.try_clone().expect("the same file");
        let child = function(&address, settings)
            .current_dir(folder.path())
            .stdout(log)
            .stderr(also)
            .spawn();
        let lambda = Self {
            child: child.expect("the program starts").into(),
            folder,
            events,
            tasks,
        };
        let started = lambda.while_it_runs(api.ready.notified()).await;
        started.unwrap_or_else(|| panic!("the function did not start: {}", lambda.log()));
        lambda
    }

    /// Sends an event and waits for its answer; events wait for those before them.
    pub async fn invoke(&self, event: Value) -> Outcome {
        let (sender, answer) = oneshot::channel();
        self.events
            .send((event, sender))
            .expect("the Runtime API runs");
        match self.while_it_runs(answer).await {
            Some(answer) => answer.expect("the Runtime API runs"),
            None => Err(FunctionError {
                kind: "Runtime.ExitError".into(),
                message: "Runtime exited".into(),
            }),
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log of text")
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.lock().expect("no panic").id()
    }

    /// Waits for what the function does; `None` when it ended instead.
    async fn while_it_runs<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut what = std::pin::pin!(what);
        let limit = tokio::time::sleep(TIME_LIMIT + TIMEOUT);
        let mut limit = std::pin::pin!(limit);
        loop {
            tokio::select! {
                biased;
                done = &mut what => return Some(done),
                () = &mut limit => panic!("the function is silent: {}", self.log()),
                () = tokio::time::sleep(CHECK_INTERVAL) => {
                    let ended = self.child.lock().expect("no panic").try_wait();
                    if ended.expect("its state").is_some() {
                        return None;
                    }
                }
            }
        }
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.tasks.close();
        let child = self.child.get_mut().expect("no panic");
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn routes(api: Arc<Api>) -> Router {
    let invocation = Router::new()
        .route("/next", get(next))
        .route("/{id}/response", post(response))
        .route("/{id}/error", post(error));
    Router::new()
        .nest("/2018-06-01/runtime/invocation", invocation)
        .with_state(api)
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    api.ready.notify_one();
    let Some((event, sender)) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let id = uuid::Uuid::new_v4().to_string();
    let deadline = Clock::system().now().millis()
        + i64::try_from(TIME_LIMIT.as_millis()).expect("a small number");
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", id.clone()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:ap-northeast-1:123456789012:function:MeshV2-GraphQL-spec".into(),
        ),
    ] {
        headers.insert(name, value.parse().expect("a header"));
    }
    api.answers.lock().expect("no panic").insert(id, sender);
    (headers, Json(event)).into_response()
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.answer(&id, Ok(json(&body)))
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let error = json(&body);
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    api.answer(
        &id,
        Err(FunctionError {
            kind: text("errorType"),
            message: text("errorMessage"),
        }),
    )
}

/// A body in JSON of any content type: AWS requires none.
fn json(body: &Bytes) -> Value {
    serde_json::from_slice(body).expect("a body in JSON")
}

impl Api {
    fn answer(&self, id: &str, outcome: Outcome) -> StatusCode {
        let Some(sender) = self.answers.lock().expect("no panic").remove(id) else {
            return StatusCode::BAD_REQUEST;
        };
        // The caller may be gone.
        let _ = sender.send(outcome);
        StatusCode::ACCEPTED
    }
}

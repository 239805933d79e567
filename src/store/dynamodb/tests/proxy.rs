//! A TCP proxy in front of the engine that injects faults of networks and busy tables.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The table is busy.
    Throttled,
    /// The same with its other error code.
    SlowDown,
    /// Another write of the same records is under way.
    Conflicts,
    /// The table is too busy for a step of a transaction.
    StepThrottled,
    /// A condition did not hold, by a change that was undone since.
    Loses,
    /// DynamoDB fails before the request is applied.
    Fails,
    /// DynamoDB fails after the request was applied.
    AppliesAndFails,
    /// No response; the request is not applied.
    Stalls,
    /// No response; the request is applied.
    AppliesAndStalls,
    /// The connection is closed before the request arrives.
    Cut,
    /// The connection is closed after the request was applied.
    AppliesAndCuts,
    /// The transaction is applied. The response is lost, and the next one says that the
    /// transaction is still under way.
    AppliesAndConflicts,
    /// The request arrives late.
    Slow,
}

/// How late a slow request arrives.
const SLOW: Duration = Duration::from_millis(400);

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Throttled,
        Self::SlowDown,
        Self::Conflicts,
        Self::StepThrottled,
        Self::Loses,
        Self::Fails,
        Self::AppliesAndFails,
        Self::Stalls,
        Self::AppliesAndStalls,
        Self::Cut,
        Self::AppliesAndCuts,
    ];

    /// One of each kind.
    pub const LASTING: [Self; 5] = [
        Self::Throttled,
        Self::Conflicts,
        Self::AppliesAndFails,
        Self::AppliesAndStalls,
        Self::Cut,
    ];

    fn is_applied(self) -> bool {
        matches!(
            self,
            Self::AppliesAndFails
                | Self::AppliesAndStalls
                | Self::AppliesAndCuts
                | Self::AppliesAndConflicts
        )
    }

    /// The code of a step, if DynamoDB answers this to writes alone.
    fn of_step(self) -> Option<&'static str> {
        match self {
            Self::Conflicts | Self::AppliesAndConflicts => Some("TransactionConflict"),
            Self::StepThrottled => Some("ThrottlingError"),
            Self::Loses => Some("ConditionalCheckFailed"),
            _ => None,
        }
    }

    /// Whether DynamoDB can answer so to an operation.
    fn affects(self, operation: &str) -> bool {
        match self {
            Self::StepThrottled | Self::AppliesAndConflicts => operation == "TransactWriteItems",
            _ if self.of_step().is_some() => {
                ["TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"].contains(&operation)
            }
            _ => true,
        }
    }

    /// The error response, if there is one.
    fn error(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Throttled => Some(("400 Bad Request", "ProvisionedThroughputExceededException")),
            Self::SlowDown => Some(("400 Bad Request", "ThrottlingException")),
            Self::Fails | Self::AppliesAndFails => {
                Some(("500 Internal Server Error", "InternalServerError"))
            }
            Self::Conflicts => Some(("400 Bad Request", "TransactionConflictException")),
            Self::Loses => Some(("400 Bad Request", "ConditionalCheckFailedException")),
            _ => None,
        }
    }

    /// Whether the client runs into its timeout.
    pub fn stalls(self) -> bool {
        matches!(self, Self::Stalls | Self::AppliesAndStalls)
    }
}

/// Which requests a fault affects.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The fault.
    pub fault: Fault,
    /// The first affected request.
    pub from: usize,
    /// The number of affected requests.
    pub times: usize,
}

/// The proxy; it stops with the test's runtime.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its URL.
    pub endpoint: String,
    plan: Arc<Mutex<Option<Plan>>>,
    requests: Arc<AtomicUsize>,
    hit: Arc<AtomicBool>,
    measured: Option<Arc<Mutex<Vec<Measured>>>>,
    /// The time that reads and that writes take more.
    delays: [Duration; 2],
}

/// A request with its response.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The operation, such as `GetItem`.
    pub operation: String,
    /// The capacity units used.
    pub units: f64,
}

impl Proxy {
    /// Starts a proxy of the engine.
    pub async fn start(engine: &str) -> Self {
        Self::new(engine, None, [Duration::ZERO; 2]).await
    }

    /// The same; measures the capacity units of each request.
    pub async fn measuring(engine: &str) -> Self {
        Self::delaying(engine, [Duration::ZERO; 2]).await
    }

    /// The same; reads and writes take that much longer, as on AWS.
    pub async fn delaying(engine: &str, delays: [Duration; 2]) -> Self {
        Self::new(engine, Some(Arc::default()), delays).await
    }

    async fn delay(&self, operation: &str) {
        let reads = ["GetItem", "BatchGetItem", "Query"].contains(&operation);
        let delay = self.delays[usize::from(!reads)];
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    /// The measurements since the last call.
    pub fn measured(&self) -> Vec<Measured> {
        let measured = self.measured.as_ref().unwrap();
        std::mem::take(&mut *measured.lock().unwrap())
    }

    async fn new(
        engine: &str,
        measured: Option<Arc<Mutex<Vec<Measured>>>>,
        delays: [Duration; 2],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            plan: Arc::default(),
            requests: Arc::default(),
            hit: Arc::default(),
            measured,
            delays,
        };
        let engine = engine.trim_start_matches("http://").to_owned();
        let running = proxy.clone();
        tokio::task::spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (proxy, engine) = (running.clone(), engine.clone());
                tokio::task::spawn_local(async move {
                    // Broken connections are expected.
                    let _ = proxy.forward(client, &engine).await;
                });
            }
        });
        proxy
    }

    /// Sets the plan and restarts the count of requests.
    pub fn plan(&self, plan: Option<Plan>) {
        self.requests.store(0, Ordering::SeqCst);
        self.hit.store(false, Ordering::SeqCst);
        *self.plan.lock().unwrap() = plan;
    }

    /// Whether the fault occurred since.
    pub fn hit(&self) -> bool {
        self.hit.load(Ordering::SeqCst)
    }

    fn fault_now(&self) -> Option<Fault> {
        let at = self.requests.fetch_add(1, Ordering::SeqCst);
        let plan = (*self.plan.lock().unwrap())?;
        let hit = (plan.from..plan.from.saturating_add(plan.times)).contains(&at);
        if hit {
            self.hit.store(true, Ordering::SeqCst);
        }
        hit.then_some(plan.fault)
    }

    async fn forward(&self, mut client: TcpStream, engine: &str) -> std::io::Result<()> {
        let mut server = TcpStream::connect(engine).await?;
        let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
        while let Some(request) = message(&mut client, &mut from_client).await? {
            let operation = operation(&request);
            let mut fault = self.fault_now().filter(|fault| fault.affects(&operation));
            if fault.take_if(|fault| *fault == Fault::Slow).is_some() {
                tokio::time::sleep(SLOW).await;
            }
            let mut response = None;
            if fault.is_none_or(Fault::is_applied) {
                let sent = match self.measured {
                    Some(_) => &with_units(&request),
                    None => &request,
                };
                self.delay(&operation).await;
                server.write_all(sent).await?;
                response = message(&mut server, &mut from_server).await?;
                if let (Some(measured), Some(response)) = (&self.measured, &response) {
                    let units = units(response);
                    let operation = operation.clone();
                    measured.lock().unwrap().push(Measured { operation, units });
                }
            }
            match (fault, response) {
                (None, Some(response)) => client.write_all(&response).await?,
                (Some(fault), _) if fault.stalls() => {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
                (Some(fault), _)
                    if operation == "TransactWriteItems" && fault.of_step().is_some() =>
                {
                    client.write_all(&cancelled(&request, fault)).await?;
                }
                (Some(fault), _) => match fault.error() {
                    Some((status, kind)) => client.write_all(&error_response(status, kind)).await?,
                    None => return Ok(()),
                },
                (None, None) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// The operation of a request.
fn operation(request: &[u8]) -> String {
    let (head, _) = request.split_at(request.len().min(2_000));
    let head = String::from_utf8_lossy(head);
    let target = head
        .lines()
        .find(|line| line.to_lowercase().starts_with("x-amz-target:"));
    let name = target.and_then(|line| line.rsplit('.').next());
    name.unwrap_or_default().trim().into()
}

/// A transaction that was cancelled by its first step.
fn cancelled(request: &[u8], fault: Fault) -> Vec<u8> {
    let (_, body) = parts(request);
    let steps = body["TransactItems"].as_array().map_or(1, Vec::len);
    let reasons = (0..steps).map(|step| match step {
        0 => serde_json::json!({"Code": fault.of_step(), "Message": "injected by a test"}),
        _ => serde_json::json!({"Code": "None"}),
    });
    let reasons: Vec<_> = reasons.collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    let body = serde_json::json!({"__type": kind, "Message": "injected by a test", "CancellationReasons": reasons});
    response("400 Bad Request", &body.to_string())
}

/// The request with the option to return its units.
fn with_units(request: &[u8]) -> Vec<u8> {
    let (head, mut body) = parts(request);
    body["ReturnConsumedCapacity"] = "TOTAL".into();
    let body = body.to_string();
    let mut text = String::new();
    for line in head.lines().filter(|line| !line.is_empty()) {
        let lower = line.to_lowercase();
        if !lower.starts_with("content-length:") {
            let _ = write!(text, "{line}\r\n");
        }
    }
    let _ = write!(text, "content-length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

fn units(response: &[u8]) -> f64 {
    let (_, body) = parts(response);
    let used = &body["ConsumedCapacity"];
    let units = |used: &serde_json::Value| used["CapacityUnits"].as_f64().unwrap_or(0.0);
    match used.as_array() {
        Some(tables) => tables.iter().map(units).sum(),
        None => units(used),
    }
}

fn parts(message: &[u8]) -> (String, serde_json::Value) {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = message.split_at(end.unwrap() + 4);
    let head = String::from_utf8_lossy(head).into_owned();
    (head, serde_json::from_slice(body).unwrap_or_default())
}

fn error_response(status: &str, kind: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"injected by a test"}}"#
    );
    response(status, &body)
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One HTTP message with a content-length; `None` at the end.
async fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = message_end(buffer) {
            let rest = buffer.split_off(end);
            return Ok(Some(std::mem::replace(buffer, rest)));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn message_end(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    (buffer.len() >= head + length).then_some(head + length)
}

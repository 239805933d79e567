//! What a collector of traces gets: spans of requests, sockets and operations, and nothing of a lesson.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::marks::{API_KEY, BEARER, CLASS, QUERY, found};
use super::{LOG, class, lesson};
use crate::support::program::{Server, folder};

/// More than a stop with the least time for traces takes.
const STOPPED: Duration = Duration::from_secs(5);

/// A collector, and the bodies that it got.
struct Collector {
    url: String,
    bodies: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Self {
        let (url, listener) = listener();
        let bodies = Arc::<Mutex<Vec<u8>>>::default();
        let got = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let body = answer(connection).expect("a request");
                got.lock().expect("the bodies").extend(body);
            }
        });
        Self { url, bodies }
    }

    /// All that it got; protobuf has its texts as they are.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bodies.lock().expect("the bodies")).into_owned()
    }
}

fn listener() -> (String, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    (format!("http://{address}"), listener)
}

/// Reads one POST of spans and answers it.
fn answer(mut connection: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4096];
        let read = connection.read(&mut piece)?;
        assert!(read > 0, "a whole head");
        request.extend(&piece[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            assert!(text.starts_with("post /v1/traces http/1.1\r\n"), "{text}");
            assert!(
                text.contains("content-type: application/x-protobuf"),
                "{text}"
            );
            let length = text.split("content-length: ").nth(1).expect("a length");
            let length = length.split("\r\n").next().expect("a line");
            break (end + 4, length.parse::<usize>().expect("a number"));
        }
    };
    let mut body = request.split_off(head);
    let read = body.len();
    body.resize(length, 0);
    connection.read_exact(&mut body[read..])?;
    connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(body)
}

fn settings(url: &str) -> [(&'static str, &str); 5] {
    [
        ("MESH_API_KEYS", API_KEY),
        ("MESH_TRUSTED_PROXIES", "127.0.0.0/8"),
        ("MESH_OTLP_ENDPOINT", url),
        ("MESH_OTLP_INTERVAL_SECONDS", "1"),
        ("MESH_OTLP_TIMEOUT_SECONDS", "1"),
    ]
}

#[apply(case!)]
async fn a_collector_gets_spans_with_the_requests_id_and_no_word_of_a_lesson() {
    let (folder, collector) = (folder(), Collector::start());
    let mut server = Server::start(folder.path(), &settings(&collector.url));
    let mesh = class(&server);
    Box::pin(lesson::on_websockets(&mesh)).await;
    lesson::on_polling(&mesh).await;
    // What a caller may choose: of it only the id is in a span.
    let id = uuid::Uuid::new_v4().to_string();
    let url = format!("{}/cloud/{QUERY}?{QUERY}={QUERY}", mesh.origin());
    let method = reqwest::Method::from_bytes(BEARER.as_bytes()).expect("a method");
    let request = mesh.http().request(method, url);
    let request = request
        .header("x-forwarded-for", CLASS)
        .header("x-request-id", &id)
        .header(
            "traceparent",
            format!("00-{}-{}-01", "7a".repeat(16), "71".repeat(8)),
        )
        .header("tracestate", format!("{QUERY}={QUERY}"))
        .header("baggage", format!("{QUERY}={QUERY}"));
    request.send().await.expect("an answer");
    server.is_terminated();
    assert_eq!(server.ends(), Some(0));
    let text = collector.text();
    for sent in [
        "mesh-v2",
        "request",
        "socket",
        "operation",
        "POST",
        "/cloud",
        "other",
        &id,
    ] {
        assert!(text.contains(sent), "{sent} in {text}");
    }
    assert!(found(&text).is_empty(), "{:?} in {text}", found(&text));
    assert!(
        !text.contains(&"z".repeat(16)),
        "a trace that a caller chose"
    );
    let log = server.log();
    assert!(
        !log.contains("DEBUG") && !log.contains("takes no traces"),
        "{log}"
    );
}

#[apply(case!)]
async fn a_collector_that_does_not_answer_delays_no_request_and_no_stop() {
    let folder = folder();
    // It accepts connections and reads nothing.
    let (url, _listener) = listener();
    let mut settings = settings(&url).to_vec();
    settings.extend([("MESH_OTLP_QUEUE", "1"), ("MESH_LOG", LOG)]);
    let mut server = Server::start(folder.path(), &settings);
    let mesh = class(&server);
    let since = Instant::now();
    lesson::on_polling(&mesh).await;
    while !server.log().contains("takes no traces") {
        assert!(since.elapsed() < STOPPED, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stopping = Instant::now();
    server.is_terminated();
    assert_eq!(server.ends(), Some(0));
    assert!(stopping.elapsed() < STOPPED, "{:?}", stopping.elapsed());
    let log = server.log();
    assert_eq!(log.matches("takes no traces").count(), 1, "{log}");
    assert!(
        log.contains("\"name\":\"request\""),
        "the log has its spans: {log}"
    );
    assert!(found(&log).is_empty(), "{:?} in {log}", found(&log));
}

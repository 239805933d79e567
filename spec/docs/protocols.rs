//! The transcripts of docs/protocols.md, played against one server. `>` is what the client
//! sends, `<` what it receives, `!` an operation of another client over HTTP, `#` a comment.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::events::events;
use super::page::Page;
use super::shown::Shown;
use crate::support::mesh::TIMEOUT;

/// Header lines of an answer that say nothing of the protocol, or change with every run.
const LEFT_OUT: [&str; 7] = [
    "connection",
    "content-length",
    "date",
    "sec-websocket-accept",
    "transfer-encoding",
    "upgrade",
    "vary",
];

/// The request id in the docs.
const REQUEST_ID: &str = "0d2f6a1c-8b4e-4c57-9e3a-71c5d8f0b2a6";

#[apply(case!)]
async fn every_transcript_of_the_protocols_is_what_the_server_sends() {
    let page = Page::read("protocols.md");
    let mut shown = Shown::start().await;
    let mut texts = Vec::new();
    for block in &page.blocks {
        texts.push(match block.kind.as_str() {
            "http" => http(&mut shown, &block.text).await,
            "events" => events(&mut shown, &block.text).await,
            "websocket" => websocket(&mut shown, &block.text).await,
            _ => block.text.clone(),
        });
    }
    page.settle(&texts);
}

/// Sends the lines of a request, then gives the lines of the whole answer.
async fn http(shown: &mut Shown, text: &str) -> String {
    shown.mesh.passes(Duration::from_secs(1)).await;
    let request: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix('>'))
        .collect();
    let (head, body): (&[&str], &[&str]) = match request.iter().position(|line| line.is_empty()) {
        Some(end) => request.split_at(end),
        None => (&request, &[]),
    };
    let lines = |lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| shown.meant(line.trim_start()))
            .collect()
    };
    let body = lines(body.get(1..).unwrap_or_default()).join("\n");
    let length = body.len().to_string();
    let more = [("connection", "close"), ("content-length", &*length)];
    let mut stream = sent(shown, &lines(head), &more).await;
    stream
        .write_all(body.as_bytes())
        .await
        .expect("the body is taken");
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    timeout(TIMEOUT, reading)
        .await
        .expect("an end")
        .expect("an answer of text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (head, body) = (with_request_id(head), shown.shown(body));
    let is_sent = |line: &&str| !line.starts_with('<');
    let mut out: Vec<_> = text.lines().filter(is_sent).map(str::to_owned).collect();
    out.extend(head_lines(&head).iter().map(|line| format!("< {line}")));
    if !body.is_empty() {
        out.extend(["<".to_owned(), format!("< {}", body.trim_end())]);
    }
    out.join("\n") + "\n"
}

/// Plays a conversation line by line; each `<` is the next line of the answer's head or the
/// next frame.
async fn websocket(shown: &mut Shown, text: &str) -> String {
    let mut lines = text.lines().peekable();
    let (mut out, mut head) = (Vec::new(), Vec::new());
    while let Some(line) = lines.next_if(|line| !line.starts_with('<')) {
        out.push(line.to_owned());
        if let Some(line) = line.strip_prefix('>') {
            head.push(shown.meant(line.trim_start()));
        } else if let Some(document) = line.strip_prefix('!') {
            shown.runs(document).await;
        }
    }
    let more = [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let mut stream = sent(shown, &head, &more).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let byte = timeout(TIMEOUT, stream.read_u8()).await;
        answer.push(byte.expect("an answer").expect("a head"));
    }
    let answer = String::from_utf8(answer).expect("a head of text");
    let of_the_upgrade = |line: &str| {
        line.starts_with("HTTP/") || line.to_ascii_lowercase().starts_with("sec-websocket")
    };
    let shown_lines = head_lines(&answer)
        .into_iter()
        .filter(|line| of_the_upgrade(line));
    out.extend(shown_lines.map(|line| format!("< {line}")));
    while lines
        .next_if(|line| line.strip_prefix("< ").is_some_and(of_the_upgrade))
        .is_some()
    {}
    let mut frames = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    for line in lines {
        if line.starts_with('<') {
            out.push(format!("< {}", received(shown, &mut frames).await));
            continue;
        }
        out.push(line.to_owned());
        if let Some(frame) = line.strip_prefix('>') {
            let frame = message(&shown.meant(frame.trim_start()));
            frames.send(frame).await.expect("the server takes a frame");
        } else if let Some(document) = line.strip_prefix('!') {
            shown.mesh.passes(Duration::from_secs(1)).await;
            let answer = shown.runs(document).await;
            assert_eq!(answer.get("errors"), None, "{document}");
        }
    }
    out.join("\n") + "\n"
}

/// Sends a head with these lines and more, and what every request needs.
pub async fn sent(shown: &Shown, head: &[String], more: &[(&str, &str)]) -> TcpStream {
    let host = format!("host: {}", shown.mesh.address());
    let more = more.iter().map(|(name, value)| format!("{name}: {value}"));
    let lines: Vec<_> = head.iter().cloned().chain([host]).chain(more).collect();
    let mut stream = TcpStream::connect(shown.mesh.address())
        .await
        .expect("a connection");
    let text = lines.join("\r\n") + "\r\n\r\n";
    stream
        .write_all(text.as_bytes())
        .await
        .expect("the head is taken");
    stream
}

/// The head with the request id of the docs: every answer has another one.
pub fn with_request_id(head: &str) -> String {
    let name = "x-amzn-requestid: ";
    let at = head.to_ascii_lowercase().find(name).expect("a request id") + name.len();
    let id = uuid::Uuid::parse_str(&head[at..at + 36]).expect("a UUID");
    head.replace(&id.to_string(), REQUEST_ID)
}

/// The lines of a head that a reader of the docs needs.
pub fn head_lines(head: &str) -> Vec<&str> {
    let of_the_protocol = |line: &&str| {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        !LEFT_OUT.contains(&&*name) && !line.is_empty()
    };
    head.split("\r\n").filter(of_the_protocol).collect()
}

fn message(text: &str) -> Message {
    let Some(code) = text.strip_prefix("close ") else {
        assert!(
            serde_json::from_str::<Value>(text).is_ok(),
            "{text} is no JSON"
        );
        return Message::text(text);
    };
    let code: u16 = code.parse().expect("a close code");
    Message::Close(Some(CloseFrame {
        code: code.into(),
        reason: "".into(),
    }))
}

/// The next frame that is no ping, as the docs show it.
async fn received(shown: &mut Shown, frames: &mut WebSocketStream<TcpStream>) -> String {
    loop {
        let frame = timeout(TIMEOUT, frames.next()).await.expect("a frame");
        match frame.expect("a frame").expect("a sound frame") {
            Message::Text(text) => return shown.shown(&text),
            Message::Close(Some(close)) => {
                return format!("close {} {}", u16::from(close.code), close.reason)
                    .trim_end()
                    .to_owned();
            }
            Message::Ping(_) => {}
            other => panic!("{other:?} in a transcript"),
        }
    }
}

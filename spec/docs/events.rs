//! The transcripts of event streams in docs/protocols.md.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::protocols::{head_lines, sent, with_request_id};
use super::shown::Shown;
use crate::support::mesh::TIMEOUT;

/// Plays an event stream line by line; each `<` after the head is its next line.
pub async fn events(shown: &mut Shown, text: &str) -> String {
    let (mut out, mut request) = (Vec::new(), Vec::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next_if(|line| !line.starts_with('<')) {
        out.push(line.to_owned());
        if let Some(line) = line.strip_prefix('>') {
            request.push(shown.meant(line.trim_start()));
        } else if let Some(document) = line.strip_prefix('!') {
            shown.runs(document).await;
        }
    }
    let end = request.iter().position(String::is_empty);
    let (head, body) = request.split_at(end.unwrap_or(request.len()));
    let body = body.get(1..).unwrap_or_default().join("\n");
    let length = body.len().to_string();
    let mut stream = sent(shown, head, &[("content-length", &*length)]).await;
    let written = stream.write_all(body.as_bytes()).await;
    written.expect("the body is taken");
    let mut stream = Lines {
        stream,
        unread: Vec::new(),
    };
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        answer.push(char::from(stream.byte().await));
    }
    let answer = with_request_id(&answer);
    out.extend(head_lines(&answer).iter().map(|line| format!("< {line}")));
    out.push("<".into());
    for line in lines.skip_while(|line| *line != "<").skip(1) {
        if line.starts_with('<') {
            let line = format!("< {}", shown.shown(&stream.next().await));
            out.push(line.trim_end().to_owned());
            continue;
        }
        out.push(line.to_owned());
        if let Some(document) = line.strip_prefix('!') {
            shown.mesh.passes(Duration::from_secs(1)).await;
            let answer = shown.runs(document).await;
            assert_eq!(answer.get("errors"), None, "{document}");
        }
    }
    out.join("\n") + "\n"
}

/// The lines of a chunked body.
struct Lines {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Lines {
    async fn byte(&mut self) -> u8 {
        let byte = timeout(TIMEOUT, self.stream.read_u8()).await;
        byte.expect("a byte in time").expect("a byte")
    }

    async fn next(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8(line).expect("text");
                return line.trim_end().to_owned();
            }
            let mut size = String::new();
            while !size.ends_with("\r\n") {
                size.push(char::from(self.byte().await));
            }
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            assert_ne!(size, 0, "the stream goes on");
            for _ in 0..size {
                let byte = self.byte().await;
                self.unread.push(byte);
            }
            assert_eq!([self.byte().await, self.byte().await], *b"\r\n");
        }
    }
}

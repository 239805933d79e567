//! `mesh-v2 health`: one request over plain HTTP, for the health checks of containers without a shell.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};

use crate::config::health::{HealthArgs, HealthUrl};

/// A longer answer is cut: health checks answer with a line.
const MAX_ANSWER_BYTES: usize = 4096;

/// Characters of an answer that are printed.
const MAX_SHOWN: usize = 200;

/// Asks the server, and prints what it answers.
///
/// # Errors
/// When it cannot be reached, answers too late, or with another status than 200.
pub fn health(args: &HealthArgs) -> anyhow::Result<()> {
    let target = args.target();
    let deadline = Instant::now() + Duration::from_secs(args.timeout.into());
    let mut connection = connect(&target, deadline).with_context(|| {
        format!(
            "no server answers at {}: is it running, and is this its --listen?",
            target.host
        )
    })?;
    let answer = ask(&mut connection, &target, deadline).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            anyhow!("{target} did not answer within {} s", args.timeout)
        }
        // As text: the program takes a broken pipe for a reader that has seen enough.
        _ => anyhow!("the connection to {target} broke: {error}"),
    })?;
    let (status, text) = parse(&answer).with_context(|| format!("{target} is no HTTP server"))?;
    ensure!(status == 200, "{target} answers {status}: {text}");
    writeln!(io::stdout(), "{target} answers: {text}")?;
    Ok(())
}

/// What is left until the deadline; never zero, which sockets do not take.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

fn connect(target: &HealthUrl, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in target.host.to_socket_addrs()? {
        match left(deadline).and_then(|left| TcpStream::connect_timeout(&address, left)) {
            Ok(connection) => return Ok(connection),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn ask(connection: &mut TcpStream, target: &HealthUrl, deadline: Instant) -> io::Result<Vec<u8>> {
    connection.set_write_timeout(Some(left(deadline)?))?;
    let HealthUrl { host, path } = target;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while answer.len() < MAX_ANSWER_BYTES {
        connection.set_read_timeout(Some(left(deadline)?))?;
        match connection.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    Ok(answer)
}

/// The status and the first line of the body.
fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let answer = String::from_utf8_lossy(answer);
    let status = answer.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // It is printed: another server's answer must not control the terminal.
    let line = body.lines().next().unwrap_or_default();
    let shown = line.chars().filter(|it| !it.is_control());
    Some((status.parse().ok()?, shown.take(MAX_SHOWN).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_first_line() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\nstopping\n";
        assert_eq!(parse(answer), Some((503, "stopping".into())));
        assert_eq!(parse(b"HTTP/1.1 "), None);
        assert_eq!(
            parse(b"HTTP/1.1 204 No Content\r\n\r\n"),
            Some((204, String::new()))
        );
        let escape = parse(b"HTTP/1.1 200 OK\r\n\r\n\x1b[2Jok\n");
        assert_eq!(escape, Some((200, "[2Jok".into())));
        assert_eq!(parse(b"SSH-2.0-OpenSSH"), None);
        assert_eq!(parse(b""), None);
    }
}

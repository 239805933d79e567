//! Relays in front of a server, each with a fault of a school's network.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What a filter shows instead of the server.
pub const FILTER_PAGE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: 58\r\nConnection: close\r\n\r\n<html><head><title>Blocked by policy</title></head></html>";

/// What a relay does wrong.
#[derive(Clone, Copy, Debug)]
pub enum NetworkFault {
    /// It answers upgrades itself, with this response.
    AnswersUpgrades(&'static str),
    /// It answers requests itself, and passes upgrades on.
    AnswersRequests(&'static str),
    /// It answers everything itself.
    AnswersAll(&'static str),
    /// After an upgrade it passes nothing on.
    SwallowsFrames,
    /// After an upgrade, or for an event stream, it passes on what the server sends only at these
    /// intervals.
    Buffers(Duration),
    /// It passes on an event stream when it has ended.
    HoldsStreams,
    /// It closes a WebSocket after this time.
    CutsSockets(Duration),
    /// It takes this long for a connection's first bytes, as an inspection of TLS does.
    SlowBeginnings(Duration),
    /// It takes these headers, in small letters, out of the server's responses.
    DropsHeaders(&'static str),
    /// It says that the server's clock is at this time.
    WritesDate(&'static str),
}

/// Starts a relay to the server of `endpoint`; returns the relay's endpoint.
pub fn faulty_network(endpoint: &str, fault: NetworkFault) -> String {
    let (scheme, rest) = endpoint.split_once("://").expect("a URL");
    let server = rest.trim_end_matches("/graphql").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // Ends with the suite's process, as do the threads of its connections.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = server.clone();
            // A client that goes away ends its relay.
            thread::spawn(move || relay(client, &server, fault));
        }
    });
    format!("{scheme}://{address}/graphql")
}

fn relay(mut client: TcpStream, server: &str, fault: NetworkFault) -> std::io::Result<()> {
    if let NetworkFault::SlowBeginnings(time) = fault {
        thread::sleep(time);
        return both_ways(client, TcpStream::connect(server)?);
    }
    let head = head(&mut client)?;
    let upgrades = head.to_ascii_lowercase().contains("\r\nupgrade: websocket");
    let own = match fault {
        NetworkFault::AnswersUpgrades(own) if upgrades => Some(own),
        NetworkFault::AnswersRequests(own) if !upgrades => Some(own),
        NetworkFault::AnswersAll(own) => Some(own),
        _ => None,
    };
    if let Some(own) = own {
        client.write_all(own.as_bytes())?;
        // Read to the end: a reset would overtake the answer.
        client.shutdown(Shutdown::Write)?;
        return std::io::copy(&mut client, &mut std::io::sink()).map(drop);
    }
    let mut server = TcpStream::connect(server)?;
    server.write_all(head.as_bytes())?;
    let streams = head.contains(" /graphql/stream ");
    if let NetworkFault::Buffers(interval) = fault
        && streams
    {
        return in_bulk(client, server, interval);
    }
    if matches!(fault, NetworkFault::HoldsStreams) && streams {
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut whole = Vec::new();
        server.read_to_end(&mut whole)?;
        return client.write_all(&whole);
    }
    if !upgrades {
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || std::io::copy(&mut from, &mut to));
        client.write_all(changed(&self::head(&mut server)?, fault).as_bytes())?;
        let copied = std::io::copy(&mut server, &mut client).map(drop);
        return copied.and_then(|()| client.shutdown(Shutdown::Both));
    }
    client.write_all(self::head(&mut server)?.as_bytes())?;
    match fault {
        NetworkFault::SwallowsFrames => std::io::copy(&mut client, &mut std::io::sink()).map(drop),
        NetworkFault::Buffers(interval) => in_bulk(client, server, interval),
        NetworkFault::CutsSockets(time) => {
            let ends = [client.try_clone()?, server.try_clone()?];
            thread::spawn(move || {
                thread::sleep(time);
                ends.map(|end| end.shutdown(Shutdown::Both))
            });
            both_ways(client, server)
        }
        _ => both_ways(client, server),
    }
}

/// Forwards bytes unchanged.
fn both_ways(mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Both)
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// Forwards what the server sends at intervals only.
fn in_bulk(
    mut client: TcpStream,
    mut server: TcpStream,
    interval: Duration,
) -> std::io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Both)
    });
    server.set_read_timeout(Some(Duration::from_millis(50)))?;
    let (mut collected, mut since, mut piece) = (Vec::new(), Instant::now(), [0; 4096]);
    loop {
        match server.read(&mut piece) {
            Ok(0) => return client.shutdown(Shutdown::Both),
            Ok(size) => {
                if collected.is_empty() {
                    since = Instant::now();
                }
                collected.extend_from_slice(&piece[..size]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if since.elapsed() > interval {
            client.write_all(&std::mem::take(&mut collected))?;
        }
    }
}

/// The head of a response, with the fault.
fn changed(head: &str, fault: NetworkFault) -> String {
    let mut lines: Vec<String> = head.split("\r\n").map(Into::into).collect();
    let name = |line: &String| {
        line.split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    match fault {
        NetworkFault::DropsHeaders(prefix) => lines.retain(|line| !name(line).starts_with(prefix)),
        NetworkFault::WritesDate(date) => {
            for line in lines.iter_mut().filter(|line| name(line) == "date") {
                *line = format!("date: {date}");
            }
        }
        _ => {}
    }
    lines.join("\r\n")
}

/// A message's head, with the empty line.
fn head(from: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

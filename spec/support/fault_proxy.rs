//! A proxy between clients and server that loses, repeats, delays or misroutes one message.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// What happens to one message on its way to one subscriber.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It never arrives.
    Loses,
    /// It arrives twice.
    Repeats,
    /// It arrives after the next one.
    Delays,
    /// It seems to come from another group.
    Misroutes,
}

/// Starts a proxy to `endpoint` that applies the fault to the `nth` report on its way to any
/// subscriber; returns the proxy's endpoint.
pub fn fault_proxy(endpoint: &str, fault: Fault, nth: u32) -> String {
    let server = endpoint.trim_start_matches("http://");
    let server = server.trim_end_matches("/graphql").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let reports = Arc::new(AtomicU32::new(0));
    // Ends with the suite's process, as do the threads of its connections.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&server).expect("the server accepts");
            let [near, far] = [&client, &server].map(|one| one.try_clone().expect("a handle"));
            thread::spawn(move || forward(near, far));
            let reports = Arc::clone(&reports);
            thread::spawn(move || forward_with_fault(server, client, fault, nth, &reports));
        }
    });
    format!("http://{address}/graphql")
}

/// Forwards bytes unchanged.
fn forward(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Forwards frame by frame after an upgrade; ends when either side does.
fn forward_with_fault(
    mut from: TcpStream,
    mut to: TcpStream,
    fault: Fault,
    nth: u32,
    reports: &AtomicU32,
) {
    let Ok(head) = head(&mut from) else { return };
    if to.write_all(&head).is_err() {
        return;
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return forward(from, to);
    }
    let mut delayed = Vec::new();
    while let Ok(mut frame) = frame(&mut from) {
        let at = frame.windows(4).position(|word| word == b"@m:r");
        let hit = at.filter(|_| reports.fetch_add(1, Relaxed) + 1 == nth);
        let written = match (hit, fault) {
            (None, _) => Ok(()),
            (Some(_), Fault::Loses) => continue,
            (Some(_), Fault::Repeats) => to.write_all(&frame),
            (Some(_), Fault::Delays) => {
                delayed = frame;
                continue;
            }
            (Some(at), Fault::Misroutes) => {
                frame[at + 4..at + 9].copy_from_slice(b"00077");
                Ok(())
            }
        };
        let written = written.and_then(|()| to.write_all(&frame));
        if written
            .and_then(|()| to.write_all(&std::mem::take(&mut delayed)))
            .is_err()
        {
            return;
        }
    }
}

/// The head of an answer, to be forwarded in one piece: a WebSocket client takes an upgrade
/// that comes byte by byte for an attack.
fn head(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(head)
}

/// A frame of a server, which is not masked.
fn frame(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut frame = vec![0; 2];
    from.read_exact(&mut frame)?;
    let more = match frame[1] {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mut length = u64::from(frame[1]);
    if more > 0 {
        frame.resize(2 + more, 0);
        from.read_exact(&mut frame[2..])?;
        length = frame[2..]
            .iter()
            .fold(0, |length, byte| length << 8 | u64::from(*byte));
    }
    let start = frame.len();
    frame.resize(start + usize::try_from(length).expect("a length"), 0);
    from.read_exact(&mut frame[start..])?;
    Ok(frame)
}

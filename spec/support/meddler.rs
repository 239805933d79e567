//! Somebody between the clients and the server who does to messages what no stage should.

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

/// Opens a way to `endpoint` on which the `nth` report that any subscriber would hear
/// suffers the fault; answers where.
pub fn meddler(endpoint: &str, fault: Fault, nth: u32) -> String {
    let server = endpoint.trim_start_matches("http://");
    let server = server.trim_end_matches("/graphql").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let heard = Arc::new(AtomicU32::new(0));
    // Ends with the test's process, as do the threads of its connections.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&server).expect("the server listens");
            let [near, far] = [&client, &server].map(|one| one.try_clone().expect("a handle"));
            thread::spawn(move || pass(near, far));
            let heard = Arc::clone(&heard);
            thread::spawn(move || meddle(server, client, fault, nth, &heard));
        }
    });
    format!("http://{address}/graphql")
}

/// Everything, as it comes.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Frame by frame after an upgrade; ends when either side does.
fn meddle(mut from: TcpStream, mut to: TcpStream, fault: Fault, nth: u32, reports: &AtomicU32) {
    let Ok(head) = head(&mut from) else { return };
    if to.write_all(&head).is_err() {
        return;
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return pass(from, to);
    }
    let mut delayed = Vec::new();
    while let Ok(mut frame) = frame(&mut from) {
        let at = frame.windows(4).position(|word| word == b"@m:r");
        let hit = at.filter(|_| reports.fetch_add(1, Relaxed) + 1 == nth);
        let told = match (hit, fault) {
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
        let told = told.and_then(|()| to.write_all(&frame));
        if told
            .and_then(|()| to.write_all(&std::mem::take(&mut delayed)))
            .is_err()
        {
            return;
        }
    }
}

/// An answer up to its empty line, to be sent on in one piece: a WebSocket client takes
/// an upgrade that comes byte by byte for an attack.
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

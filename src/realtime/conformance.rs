//! RFC 6455, as the cases 1 to 7, 9 and 10 of the Autobahn suite have it, through an echo handler
//! around the product's own reading, queueing and closing of frames, over a real socket.
//!
//! Cases are frames in and messages out. Where the RFC leaves a choice, a case says what the server
//! does. Exceptions, by their cases:
//!
//! - 6.4.3, 6.4.4: text that is no UTF-8 ends the connection when its frame is complete, not at the
//!   wrong byte: frames are no larger than a message may be, and one that is incomplete reaches
//!   nobody.
//! - 7.1.2 to 7.1.5: what follows a close is not read.
//! - 7.7: the answer to a close has the code 1000 and not the client's. No client of the server
//!   looks at it.
//! - 9: messages are limited by a setting (256 KB by default), here to 16 MB and a little.
//! - Cases 12 and 13 (compression) are left out: the server offers no extension.

mod cases;
pub mod client;
mod echo;

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use self::client::{Case, run};

/// A case that takes longer hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Runs the cases, each on a socket of its own, and panics with those that failed.
async fn check(cases: Vec<Case>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, mut failed) = (cases.len(), Vec::new());
    for case in cases {
        let id = case.id.clone();
        let socket = TcpStream::connect(address).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let both = async { tokio::join!(echo::serve(accepted), run(&case, socket)).1 };
        match timeout(TIMEOUT, both).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => failed.push(format!("{id}: {why}")),
            Err(_) => failed.push(format!("{id}: hangs")),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {count} cases: {failed:#?}",
        failed.len()
    );
}

#[tokio::test]
async fn framing_pings_and_reserved_bits_1_to_3() {
    check(cases::framing()).await;
    check(cases::pings()).await;
    check(cases::reserved_bits()).await;
}

#[tokio::test]
async fn opcodes_and_fragmentation_4_and_5() {
    check(cases::opcodes()).await;
    check(cases::fragmentation()).await;
}

#[tokio::test]
async fn utf_8_6() {
    check(cases::utf8::all()).await;
}

#[tokio::test]
async fn closing_7() {
    check(cases::closing::all()).await;
}

#[tokio::test]
async fn large_and_many_messages_9_and_10() {
    check(cases::limits::all()).await;
}

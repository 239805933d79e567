//! Nothing is shown before it is kept as promised (decision D27), while a sync takes long.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{KEY, again, settings};
use crate::support::mesh::TIMEOUT;
use crate::support::probe::Probe;
use crate::support::program::{Server, folder};

/// How long nothing may be shown.
const HELD: Duration = Duration::from_millis(700);

/// Waits until the server waits for the sync of a call.
async fn is_held(probe: &Probe, call: &mut (impl Future + Unpin)) {
    let syncs = || {
        let calls = probe.calls();
        calls.iter().filter(|call| call.name == "sync").count()
    };
    let before = syncs();
    probe.hold();
    let deadline = Instant::now() + TIMEOUT;
    while syncs() == before {
        assert!(Instant::now() < deadline, "the call is synced");
        let answered = timeout(Duration::from_millis(10), &mut *call).await;
        assert!(answered.is_err(), "answered before it is synced");
    }
}

#[apply(case!)]
async fn d27_nothing_is_shown_before_it_is_synced() {
    let place = folder();
    let data = place.path().join("data");
    let probe = Probe::new();
    let mut plain = settings(&data);
    plain.push(("MESH_DURABILITY", "always"));
    let mut probed = plain.clone();
    probed.extend(probe.settings());
    let server = Server::start(place.path(), &probed);
    let mesh = server.mesh(KEY);
    let group = mesh.host("teacher").creates("class").await;
    let pupil = group.join("pupil").await;
    pupil.reports([("n", "1")]).await;
    let mut subscriber = group.subscribe().await;

    // Held, and then synced.
    let mut report = Box::pin(pupil.reports([("n", "2")]));
    is_held(&probe, &mut report).await;
    let held = async {
        tokio::join!(
            timeout(HELD, report),
            timeout(HELD, pupil.status()),
            timeout(HELD, group.statuses()),
        )
    };
    // The three calls go on in the server without a caller.
    let (report, status, statuses) = held.await;
    assert!(report.is_err(), "answered before it is synced");
    assert!(
        status.is_err() && statuses.is_err(),
        "shown before it is synced"
    );
    let message = timeout(Duration::from_millis(100), subscriber.message()).await;
    assert!(
        message.is_err(),
        "published before it is synced: {message:?}"
    );
    probe.release();
    assert_eq!(subscriber.status().await.data[0].1, "2");
    assert_eq!(group.statuses().await[0].data[0].1, "2");

    // Held, and then cut off: the value that was not shown is lost, what was shown is not.
    let mut report = Box::pin(pupil.reports([("n", "3")]));
    is_held(&probe, &mut report).await;
    let status = timeout(HELD, pupil.status()).await;
    assert!(status.is_err(), "shown before it is synced");
    server.gets_killed();
    drop(report);
    let journal = data.join("mesh.journal");
    let synced = probe.synced(&journal);
    let file = std::fs::File::options().write(true).open(&journal);
    file.and_then(|file| file.set_len(synced))
        .expect("a file that is cut");
    let server = Server::start(place.path(), &plain);
    let mesh = server.mesh(KEY);
    assert_eq!(again(&group, &mesh).statuses().await[0].data[0].1, "2");
}

//! Power cuts: the program is killed at a moment that a seed chooses, and of what it had not
//! synced, anything is lost. A probe says what it had synced (`disk_probe.c`).

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::kills::{holds, nodes, writes};
use super::{KEY, again, settings};
use crate::support::dice::{Dice, number};
use crate::support::mesh::TIMEOUT;
use crate::support::probe::Probe;
use crate::support::program::{Server, folder, program};

/// What `everysec` may lose: a second and a sync; with time for a busy machine to begin it.
const EVERYSEC: Duration = Duration::from_secs(2);

/// Moments in the program's life, by the probe's names.
const MOMENTS: [&str; 9] = [
    "torn", "write", "sync", "synced", "mark", "rename", "renamed", "folder", "foldered",
];

/// Waits until every change in the journal is synced: what is not is a mark at most.
async fn is_synced(probe: &Probe, data: &Path) {
    const MARK_BYTES: u64 = 64;
    let journal = data.join("mesh.journal");
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let length = std::fs::metadata(&journal).expect("a journal").len();
        if probe.synced(&journal) + MARK_BYTES >= length {
            return;
        }
        assert!(Instant::now() < deadline, "a sync each second");
        sleep(Duration::from_millis(50)).await;
    }
}

/// When a round ends.
#[derive(Debug)]
enum End {
    /// After so many pairs of answers.
    Answers(u64),
    /// After this time.
    Time(Duration),
    /// By the probe.
    Moment(String),
}

/// When a round ends that writes to a folder that is `new` or not.
fn end(always: bool, new: bool, dice: &mut Dice) -> End {
    match dice.rolls(if always { 3 } else { 2 }) {
        1 => {
            let moment = MOMENTS[usize::try_from(dice.rolls(9)).expect("small") - 1];
            // After what comes before the writers.
            let number = match moment {
                "rename" | "renamed" | "folder" | "foldered" if new => 5,
                "rename" | "renamed" | "folder" | "foldered" => 2,
                "sync" | "synced" | "mark" if !always => 4 + dice.rolls(3),
                _ => 60 + dice.rolls(150),
            };
            End::Moment(format!("{moment} {number}"))
        }
        2 => End::Time(Duration::from_millis(1_500 + dice.rolls(3_000))),
        _ => End::Answers(dice.rolls(200)),
    }
}

impl End {
    /// Kills the server then, if the probe has not.
    async fn kills(&self, server: Server, mut answers: watch::Receiver<u64>) -> Instant {
        match self {
            Self::Answers(enough) => {
                let waited = answers.wait_for(|answers| answers >= enough).await;
                drop(waited.expect("the writers write"));
            }
            Self::Time(time) => sleep(*time).await,
            Self::Moment(_) => sleep(Duration::from_secs(6)).await,
        }
        server.gets_killed();
        Instant::now()
    }
}

/// One power cut while nodes write; returns how much was answered, and how old the oldest
/// answer was that was lost.
async fn round(place: &Path, data: &Path, always: bool, dice: &mut Dice) -> (u64, Duration) {
    let (probe, end) = (Probe::new(), end(always, !data.exists(), dice));
    let durability = if always { "always" } else { "everysec" };
    let mut plain = settings(data);
    plain.push(("MESH_DURABILITY", durability));
    plain.push(("MESH_ERASE_AFTER", "2"));
    let mut probed = plain.clone();
    probed.extend(probe.settings());
    if let End::Moment(moment) = &end {
        probed.push(("DISK_PROBE_KILL", moment));
    }
    let server = Server::start(place, &probed);
    let mesh = server.mesh(KEY);
    let over = mesh.host("other").creates("over").await;
    let group = mesh.host("teacher").creates_polling("class").await;
    // Large values make the journal be rewritten again and again.
    let large = dice.rolls(2) == 1;
    let (writers, bytes) = if large { (16, 60_000) } else { (6, 0) };
    let (nodes, padding) = (nodes(&group, writers), "x".repeat(bytes));
    for node in &nodes {
        node.calls("joinGroup", json!({})).await.value();
    }
    if !always {
        is_synced(&probe, data).await;
    }
    // This also makes it be rewritten.
    over.dissolves().await.value();
    let (answers, progress) = watch::channel(0);
    let writing = nodes.iter();
    let writing = join_all(writing.map(|node| writes(&group, node, &answers, &padding)));
    let (mut written, killed) = join(writing, end.kills(server, progress)).await;
    let ended = written.iter().filter_map(|written| written.ended).min();
    let cut = ended.unwrap_or(killed);
    let answered = *answers.borrow();
    let marks = probe.checks_marks();
    let did = probe.cuts_power(data, dice);
    let rewritten = probe.calls();
    let rewritten = rewritten
        .iter()
        .filter(|call| call.name == "renamed")
        .count();
    println!(
        "{durability}, {writers} writers, after {end:?} ({answered} pairs, {rewritten} rewritings, \
         {marks} marks): {did}"
    );
    let mut allowed = written.clone();
    for written in allowed.iter_mut().filter(|_| !always) {
        let old = |at: &Instant| *at + EVERYSEC <= cut;
        let kept = written.answered_at.partition_point(old) as u64;
        (written.reports_answered, written.records_answered) = (kept, kept);
    }

    // The next run also is cut: what it showed is there as promised.
    let probe = Probe::new();
    let mut probed = plain.clone();
    probed.extend(probe.settings());
    let server = Server::start(place, &probed);
    let mesh = server.mesh(KEY);
    let group = again(&group, &mesh);
    let shown = holds(&group, &allowed).await;
    let mut lost = Duration::ZERO;
    for (written, shown) in written.iter_mut().zip(&shown) {
        let kept = usize::try_from(shown.records).expect("small");
        if let Some(oldest) = written.answered_at.get(kept) {
            lost = lost.max(cut.saturating_duration_since(*oldest));
        }
        (written.reports_answered, written.records_answered) = (shown.reports, shown.records);
    }
    if always {
        server.gets_killed();
        probe.cuts_power(data, dice);
        let server = Server::start(place, &plain);
        let mesh = server.mesh(KEY);
        holds(&again(&group, &mesh), &written).await;
    }
    (answered, lost)
}

#[apply(case!)]
async fn power_cuts_cost_what_the_setting_says() {
    let (rounds, seed) = (number("MESH_CUT_ROUNDS", 4), number("MESH_SEED", 1));
    let folder = folder();
    let mut dice = Dice(seed);
    let (mut answered, mut oldest) = (0, Duration::ZERO);
    for round_number in 1..=rounds {
        let always = round_number % 2 == 1;
        // Each setting has a folder, which goes through all of its cuts.
        let data = folder
            .path()
            .join(if always { "always" } else { "everysec" });
        let (pairs, lost) = Box::pin(round(folder.path(), &data, always, &mut dice)).await;
        assert!(!always || lost.is_zero(), "lost with always");
        answered += pairs;
        oldest = oldest.max(lost);
    }
    let lost = oldest.as_millis();
    println!(
        "{answered} pairs of answers through {rounds} cuts, seed {seed}; everysec lost {lost} ms at most"
    );
}

/// Cut at any moment, the first start is done again.
#[apply(case!)]
async fn a_power_cut_in_the_first_start_heals_by_itself() {
    let mut dice = Dice(number("MESH_SEED", 1));
    let folder = folder();
    for (moment, count) in [
        ("torn", 2),
        ("write", 2),
        ("sync", 3),
        ("synced", 3),
        ("rename", 1),
        ("renamed", 1),
        ("folder", 3),
        ("foldered", 3),
    ] {
        for number in 1..=count {
            let (probe, data) = (
                Probe::new(),
                folder.path().join(format!("{moment} {number}")),
            );
            let kill = format!("{moment} {number}");
            let mut first = program(folder.path());
            first
                .args(["--listen", "127.0.0.1:0"])
                .envs(settings(&data));
            let first = first.envs(probe.settings()).env("DISK_PROBE_KILL", &kill);
            // It ends by the probe, or has fewer such moments.
            let mut child = first
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("it starts");
            let deadline = Instant::now() + Duration::from_millis(1_500);
            while child.try_wait().expect("a child").is_none() && Instant::now() < deadline {
                sleep(Duration::from_millis(10)).await;
            }
            let _ = child.kill();
            child.wait().expect("its end");
            probe.cuts_power(&data, &mut dice);
            let server = Server::start(folder.path(), &settings(&data));
            server.mesh(KEY).host("teacher").creates("class").await;
        }
    }
}

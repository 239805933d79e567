//! A new version opens the data folders of former releases, with the groups that live in them, and
//! refuses those of a later format. `spec/upgrades/make.py` makes the folder of a release.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use mesh_v2::heartbeat::clock::Clock;
use serde_json::{Value, json};

use crate::support::TestMesh;
use crate::support::json::{list, text};
use crate::support::program::{Server, folder, program, runs, utf8};

const KEY: &str = "da2-mesh-development";
/// Releases whose folders are kept.
const RELEASES: [&str; 1] = ["0.1.0"];

fn released(release: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/upgrades");
    folder.join(release)
}

/// A copy of the folder of a release.
fn copy(release: &str, data: &Path) {
    std::fs::create_dir(data).expect("a folder");
    for name in ["mesh.journal", "mesh.lock"] {
        let copied = std::fs::copy(released(release).join(name), data.join(name));
        copied.unwrap_or_else(|error| panic!("{release}/{name}: {error}"));
    }
}

/// A line at this position of a journal (docs/storage.md).
fn line(offset: u64, record: &Value) -> String {
    let json = record.to_string();
    let mut sum = crc32fast::Hasher::new();
    sum.update(&offset.to_le_bytes());
    sum.update(json.as_bytes());
    format!("{:08x} {json}\n", sum.finalize())
}

/// Moves the times of the groups in a folder: what lived at `from` lives now.
fn moves_to_now(data: &Path, from: i64) {
    let journal = data.join("mesh.journal");
    let length = std::fs::metadata(&journal).expect("a journal").len();
    let by = Clock::system().now().millis() - from;
    let step = line(length, &json!({"clock_stepped": by}));
    let opened = std::fs::File::options().append(true).open(journal);
    let written = opened.and_then(|mut file| file.write_all(step.as_bytes()));
    written.expect("a line");
}

/// Checks that the lesson of a release is there and continues.
async fn goes_on(mesh: &TestMesh, lesson: &Value, release: &str) {
    let answer = async |query: &Value| mesh.executes(&text(query)).await.json;
    for shown in list(&lesson["shown"]) {
        let found = answer(&shown["query"]).await;
        assert_eq!(found["data"], shown["data"], "{release}: {shown}");
    }
    for query in list(&lesson["works"]) {
        let found = answer(query).await;
        assert!(found["errors"].is_null(), "{release}: {query}: {found}");
    }
    for refused in list(&lesson["refused"]) {
        let found = answer(&refused["query"]).await;
        let found = &found["errors"][0]["errorType"];
        assert_eq!(*found, refused["type"], "{release}: {refused}");
    }
}

#[apply(case!)]
async fn a_folder_of_a_former_release_opens_with_its_living_groups() {
    for release in RELEASES {
        let lesson = std::fs::read(released(release).join("lesson.json")).expect("a lesson");
        let lesson: Value = serde_json::from_slice(&lesson).expect("JSON");
        let place = folder();
        let data = place.path().join("data");
        copy(release, &data);
        moves_to_now(&data, lesson["ended_at"].as_i64().expect("a time"));
        let settings = [
            ("MESH_DATA", "data"),
            ("MESH_EVENT_TTL_SECONDS", "120"),
            ("MESH_START_HOLD_MILLISECONDS", "0"),
        ];
        // The second start reads what this version wrote behind the release's lines.
        for _ in 0..2 {
            let server = Server::start(place.path(), &settings);
            goes_on(&server.mesh(KEY), &lesson, release).await;
            server.gets_killed();
        }
    }
}

#[apply(case!)]
fn a_folder_of_a_later_format_is_refused_and_stays_as_it_is() {
    let place = folder();
    let data = place.path().join("data");
    copy(RELEASES[0], &data);
    let journal = data.join("mesh.journal");
    let later = line(0, &json!({"format": {"version": 2}})) + "what no program of today can read\n";
    std::fs::write(&journal, &later).expect("a journal");
    for words in [
        &["serve", "--listen=127.0.0.1:0"][..],
        &["check"],
        &["store", "repair"],
        &["store", "backup", "copy"],
    ] {
        let output = runs(place.path(), words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = utf8(&output.stderr);
        assert!(
            said.contains("format 2") && said.contains("newer mesh-v2"),
            "{words:?}: {said}"
        );
        let found = std::fs::read_to_string(&journal).expect("a journal");
        assert_eq!(found, later, "{words:?}");
    }
    // A new folder serves, whatever the old one is.
    let mut other = program(place.path());
    other.args(["--listen=127.0.0.1:0", "--data=other"]);
    Server::run(place.path(), other);
}

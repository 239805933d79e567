//! The whole suite once more, with the servers that it starts standing on a `DynamoDB` table.

use std::process::Command;

/// Sentences that the suite has at least; fewer would mean that they were not asked.
const SENTENCES: usize = 200;

#[test]
fn every_sentence_holds_on_a_dynamodb_table_as_well() {
    let suite = std::env::current_exe().expect("the suite knows where it is");
    let asked = Command::new(suite)
        .args(["--skip", "on_dynamodb"])
        .env("MESH_SPEC_STORE", "dynamodb")
        .env_remove("APPSYNC_ENDPOINT")
        .env_remove("APPSYNC_API_KEY")
        .output()
        .expect("the suite runs");
    let said = String::from_utf8_lossy(&asked.stdout);
    let held = said
        .lines()
        .filter(|line| line.starts_with("test ") && line.ends_with("... ok"));
    let held = held.count();
    assert!(
        asked.status.success() && held >= SENTENCES,
        "{held} sentences held\n{said}{}",
        String::from_utf8_lossy(&asked.stderr)
    );
    println!("{held} sentences held on DynamoDB");
}

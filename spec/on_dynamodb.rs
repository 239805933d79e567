//! The whole suite once more, with the servers that it starts standing on a `DynamoDB` table.

use crate::support::rerun;

/// Sentences that the suite has at least; fewer would mean that they were not asked.
const SENTENCES: usize = 200;

#[test]
fn every_sentence_holds_on_a_dynamodb_table_as_well() {
    let settings = [("MESH_SPEC_STORE", "dynamodb")];
    let held = rerun::held(&settings, ["on_dynamodb::", "on_appsync::"], &[]);
    assert!(held >= SENTENCES, "only {held} sentences were asked");
    println!("{held} sentences held on DynamoDB");
}

//! What subscribers hear.

use crate::support::TestMesh;

#[tokio::test]
async fn a_member_hears_what_another_reports() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut ear = group.listen().await;
    let kitten = group.join("kitten").await;
    kitten.reports([("temp", "21")]).await;
    assert_eq!(ear.status().await, (kitten.id.as_str(), [("temp", "21")]));
}

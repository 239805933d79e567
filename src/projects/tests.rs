use super::*;

const KEEP: Duration = Duration::from_mins(1);

fn group() -> GroupKey {
    GroupKey::parse("g", "d").unwrap()
}

fn open(projects: &Projects) -> Arc<Project> {
    let key = ProjectKey::Group(group());
    let limit = 2 * (ENTRY_BYTES + "cloud-n".len()) + 10;
    projects.open(key, &Memory::unlimited(), limit)
}

fn node(id: &str) -> NodeId {
    NodeId::parse("nodeId", id).unwrap()
}

fn status(id: &str, key: &str, value: &str, at: i64) -> NodeStatus {
    NodeStatus {
        node: node(id),
        group: group(),
        data: vec![SensorData {
            key: key.into(),
            value: value.into(),
        }]
        .into(),
        timestamp: Timestamp::from_millis(at),
    }
}

fn report(project: &Project, key: &str, value: &str, at: i64) {
    project.record(&status("cloud-n", key, value, at));
}

fn merged(project: &Project, statuses: &[NodeStatus]) -> Vec<String> {
    let values = project.merge(statuses).into_iter();
    let mut texts: Vec<_> = values
        .map(|value| format!("{}={}", value.data.key, value.data.value))
        .collect();
    texts.sort();
    texts
}

#[test]
fn the_newest_values_are_kept_within_the_limit() {
    let project = open(&Projects::default());
    report(&project, "a", "1", 5);
    report(&project, "a", "0", 4);
    report(&project, "b", "2", 5);
    report(&project, "c", "3", 5);
    let value = |key: &str| project.value(key);
    assert_eq!(value("a").as_deref(), Some("1"));
    assert_eq!((value("b").as_deref(), value("c")), (Some("2"), None));
    assert_eq!(
        merged(&project, &[status("cloud-o", "a", "9", 6)]),
        ["a=9", "b=2"]
    );
    let large = "x".repeat(100);
    report(&project, "b", &large, 7);
    assert_eq!(value("b"), None, "a newer value has no room either");
    let shown = status("cloud-o", "a", &large, 8);
    assert_eq!(merged(&project, &[shown]), [format!("a={large}")]);
    assert_eq!(value("a"), Some(large), "b has left room");
}

#[test]
fn values_of_other_nodes_end_with_them() {
    let project = open(&Projects::default());
    let pupil = status("pupil", "a", "1", 5);
    project.record(&pupil);
    report(&project, "b", "2", 5);
    assert_eq!(merged(&project, &[pupil]), ["a=1", "b=2"]);
    assert_eq!(merged(&project, &[]), ["b=2"]);
}

#[test]
fn what_the_host_takes_from_the_group_is_not_kept() {
    let projects = Projects::default();
    let project = open(&projects);
    let at = Timestamp::from_millis;
    report(&project, "a", "1", 5);
    projects.on_control(&group(), &Control::ClearData, at(6));
    report(&project, "b", "late", 6);
    assert!(merged(&project, &[]).is_empty());
    report(&project, "a", "2", 7);
    let removal = Control::RemoveNode(node("cloud-n"));
    projects.on_control(&group(), &removal, at(8));
    report(&project, "a", "late", 8);
    assert!(merged(&project, &[]).is_empty());
    project.record(&status("cloud-o", "a", "3", 9));
    assert_eq!(merged(&project, &[]), ["a=3"]);
}

#[tokio::test(start_paused = true)]
async fn a_project_is_kept_for_a_while_after_its_last_socket() {
    let projects = Projects::default();
    let project = open(&projects);
    report(&project, "a", "1", 5);
    let slot = project.take(node("n"));
    assert!(slot.is_some() && project.take(node("n")).is_none());
    drop(slot);
    assert!(!project.is_in_use(&node("n")));
    drop(project);
    tokio::time::advance(KEEP / 2).await;
    projects.sweep(KEEP);
    assert!(open(&projects).value("a").is_some());
    tokio::time::advance(KEEP).await;
    projects.sweep(KEEP);
    assert!(open(&projects).value("a").is_none());
}

#[tokio::test(start_paused = true)]
async fn one_socket_renews_the_host_in_an_interval() {
    let project = open(&Projects::default());
    let due = || project.is_renewal_due(KEEP);
    assert!(due() && !due());
    tokio::time::advance(KEEP).await;
    assert!(due());
}

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1000);
const LIMITS: fn() -> Limits = || Limits {
    nodes_per_group: 100,
    reporters_per_group: 3,
    ..Limits::default()
};

/// A group's nodes.
#[derive(Default)]
struct Nodes(Vec<(NodeId, Place, Timestamp)>);

impl Nodes {
    fn admits(&self, place: Place) -> Result<Option<&NodeId>, ClientError> {
        let occupants = self.0.iter().map(|(node, place, until)| Occupant {
            node,
            place: *place,
            alive_until: *until,
        });
        admit(place, &occupants, &LIMITS(), NOW)
    }

    /// Adds live nodes until one is refused; returns how many there were.
    fn fill(&mut self, place: Place) -> usize {
        let before = self.0.len();
        while self.admits(place) == Ok(None) {
            self.add(place, NOW.plus_seconds(10));
        }
        self.0.len() - before
    }

    fn add(&mut self, place: Place, until: Timestamp) -> NodeId {
        let node = NodeId::parse("nodeId", &format!("n{:03}", self.0.len())).unwrap();
        self.0.push((node.clone(), place, until));
        node
    }
}

const OWN: Place = Place::Member { foreign: None };

fn from(site: u8) -> Place {
    Place::Member {
        foreign: Some(Network::new([site; 8])),
    }
}

#[test]
fn reporters_take_no_place_of_members() {
    let mut nodes = Nodes::default();
    assert_eq!(nodes.fill(Place::Reporter), 3);
    assert_eq!(nodes.fill(OWN), 100);
    let error = nodes.admits(Place::Reporter).unwrap_err();
    assert_eq!(error.kind(), "LimitExceeded");
}

#[test]
fn strangers_leave_half_of_the_places_to_the_groups_network() {
    let mut nodes = Nodes::default();
    assert_eq!(nodes.fill(from(1)), 40, "the rest is for small networks");
    assert_eq!(nodes.fill(from(2)), 8);
    assert_eq!(nodes.fill(from(3)), 2);
    assert!(nodes.admits(from(4)).is_err());
    assert_eq!(nodes.fill(OWN), 50);
}

#[test]
fn an_expired_node_is_evicted_only_for_one_of_its_kind() {
    let mut nodes = Nodes::default();
    let past = |seconds: i64| Timestamp::from_seconds(900 + seconds);
    let reporter = nodes.add(Place::Reporter, past(3));
    let foreign = nodes.add(from(1), past(2));
    nodes.fill(from(1));
    nodes.fill(from(2));
    nodes.fill(from(3));
    let own = nodes.add(OWN, past(1));
    nodes.fill(OWN);
    nodes.fill(Place::Reporter);
    assert_eq!(nodes.admits(Place::Reporter), Ok(Some(&reporter)));
    assert_eq!(nodes.admits(OWN), Ok(Some(&own)));
    assert_eq!(nodes.admits(from(4)), Ok(Some(&foreign)));
    assert!(nodes.admits(from(2)).is_err(), "its network is not small");
}

//! From a handshake to a member of a group: the group is found by its join code, or made for an
//! open project, and the socket's node joins and subscribes before it reads the values
//! (decision D17).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::cloud::CloudSettings;
use crate::cloud::calls::{CallError, Calls, Field};
use crate::cloud::close;
use crate::cloud::inbox::Inbox;
use crate::cloud::member::{Host, Leaving, Member};
use crate::cloud::protocol::Handshake;
use crate::hub::selection::Selection;
use crate::metrics::Transport;
use crate::model::group::GroupKey;
use crate::model::ids::{GroupName, MAX_CHARACTERS, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::nickname::Nickname;
use crate::model::status::{NodeStatus, SensorData};
use crate::model::time::Timestamp;
use crate::projects::{NODE_PREFIX, NodeSlot, Project, ProjectKey, Value};
use crate::realtime::close::Close;

/// The domain of open projects' groups. It is a typed one, for all networks.
const DOMAIN: &str = "cloud";
/// How many ids of a node or a host may be found to be another client's before entering fails.
const ATTEMPTS: usize = 16;
/// How long a client is waited for that sends what it has set while it was cut off: the group's
/// values come after it. They would set its own ones back, which it alone would not notice.
const FIRST_SETS: Duration = Duration::from_millis(50);
/// How often members are to call, if the server does not say.
const HEARTBEAT: u64 = 15;

/// What entering needs of the server.
#[derive(Clone)]
pub struct Entrance {
    /// Calls as the socket's caller.
    pub calls: Calls,
    /// How cloud sockets are served.
    pub settings: CloudSettings,
    /// What may wait for one socket, in bytes.
    pub inbox_bytes: usize,
    /// Set once the node has joined: it leaves also if entering fails after that.
    pub joined: Arc<OnceLock<Leaving>>,
}

/// A member, with what its client gets first.
pub struct Entered {
    /// The member.
    pub member: Member,
    /// The newest values of its group.
    pub values: Vec<Value>,
    /// Held until the values are written as a text.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// A group that was found or made.
struct Found {
    group: GroupKey,
    project: Arc<Project>,
    host: Option<Host>,
}

impl Entrance {
    /// Enters the group of the address's `code`, or that of the handshake.
    pub async fn enter(
        mut self,
        code: Option<String>,
        handshake: Handshake,
    ) -> Result<Entered, Close> {
        let found = self.find(code, &handshake).await?;
        let (slot, token, heartbeat) = self.join(&found, &handshake.user).await?;
        tokio::time::sleep(FIRST_SETS).await;
        let inbox = Arc::new(Inbox::new(self.inbox_bytes));
        let target = self.calls.subscribe(&found.group).await;
        let target = target.map_err(|error| error.on_entering())?;
        // No member of the protocol has this name: the hub passes on each message as it is.
        let selection = Selection::new("cloud", Vec::new());
        let hub = &self.calls.runner.mesh().hub;
        let subscriber = Arc::clone(&inbox);
        let subscription = hub.subscribe(&target.group, selection, |_| subscriber);
        let open = self
            .calls
            .runner
            .mesh()
            .metrics
            .subscription(Transport::Cloud);
        let permit = self.calls.runner.mesh().projects.reading().await;
        let values = self.values(&found).await?;
        let member = Member {
            calls: self.calls,
            group: found.group,
            slot,
            token,
            project: found.project,
            host: found.host,
            heartbeat,
            inbox,
            _subscription: subscription,
            _open: open,
        };
        Ok(Entered {
            member,
            values,
            permit,
        })
    }

    async fn find(&mut self, code: Option<String>, handshake: &Handshake) -> Result<Found, Close> {
        let is_in_address = code.is_some();
        let text = code.as_deref().unwrap_or(&handshake.project);
        if let Ok(code) = JoinCode::parse("code", text) {
            let found = self.calls.call(Field::FIND, json!({ "code": text })).await;
            let found = found.map_err(|error| error.on_entering())?;
            if !found.is_null() {
                self.calls.caller.join_code = Some(code);
                let group = group_in(&found)?;
                let project = self.project(ProjectKey::Group(group.clone()));
                let host = None;
                return Ok(Found {
                    group,
                    project,
                    host,
                });
            }
        }
        if is_in_address || !self.settings.open {
            return Err(close::UNAVAILABLE);
        }
        if text.is_empty() {
            return Err(close::BAD_MESSAGE);
        }
        self.open(&handshake.project).await
    }

    /// The group of an open project: made by the server as its host, or the one that it made.
    async fn open(&self, project: &str) -> Result<Found, Close> {
        let name = project.chars().take(MAX_CHARACTERS).collect::<String>();
        GroupName::parse("name", &name).map_err(|_| close::UNAVAILABLE)?;
        let domains = &self.calls.runner.mesh().domains;
        for number in 0..ATTEMPTS {
            let number = number.to_string();
            let secret = |purpose| domains.secret_of(&[purpose, project, &number]);
            let (id, token) = (secret("cloud host"), secret("cloud host token"));
            let id = format!("{NODE_PREFIX}{id}");
            let group = json!({"name": name, "hostId": id, "domain": DOMAIN, "hostToken": token});
            let created = match self.calls.call(Field::CREATE, group).await {
                Ok(created) => created,
                // Another client used the id, which lists show.
                Err(error) if error.is_wrong_token() => continue,
                Err(error) => return Err(error.on_entering()),
            };
            let heartbeat = heartbeat_in(&created);
            let project = self.project(ProjectKey::Open(project.into()));
            return Ok(Found {
                group: group_in(&created)?,
                project,
                host: Some(Host {
                    id,
                    token,
                    heartbeat,
                }),
            });
        }
        Err(close::FULL)
    }

    fn project(&self, key: ProjectKey) -> Arc<Project> {
        let mesh = self.calls.runner.mesh();
        let limit = mesh.limits.status_bytes_per_group;
        mesh.projects.open(key, &mesh.memory, limit)
    }

    /// Joins as a node that is the same whenever this user comes back from its address, so that it
    /// keeps its variables. Returns it with its token and its heartbeat interval.
    async fn join(&self, found: &Found, user: &str) -> Result<(NodeSlot, String, Duration), Close> {
        let mesh = self.calls.runner.mesh();
        let address = self.calls.caller.address.map(|it| it.to_string());
        let (group, address) = (found.group.to_string(), address.unwrap_or_default());
        let nickname = Nickname::parse(user).ok();
        // A whole class may have one address and one user name.
        let mut refused = 0;
        for number in 0..mesh.limits.nodes_per_group {
            let number = number.to_string();
            let parts = [group.as_str(), &address, user, &number];
            let secret = |purpose| mesh.domains.secret_of(&[&[purpose], &parts[..]].concat());
            let (id, token) = (secret("cloud node"), secret("cloud node token"));
            let Ok(id) = NodeId::parse("nodeId", &format!("{NODE_PREFIX}{id}")) else {
                break;
            };
            let Some(slot) = found.project.take(id) else {
                continue;
            };
            let mut node = json!({"nodeId": slot.node.as_str(), "nodeToken": token});
            if let Some(nickname) = &nickname {
                node["nickname"] = nickname.as_str().into();
            }
            match self.calls.in_group(Field::JOIN, &found.group, node).await {
                Ok(joined) => {
                    let leaving = Leaving {
                        calls: self.calls.clone(),
                        group: found.group.clone(),
                        node: slot.node.clone(),
                        token: token.clone(),
                        project: Arc::clone(&found.project),
                    };
                    self.joined.get_or_init(|| leaving);
                    return Ok((slot, token, heartbeat_in(&joined)));
                }
                // Another client used the id.
                Err(error) if error.is_wrong_token() && refused < ATTEMPTS => refused += 1,
                Err(error) => return Err(error.on_entering()),
            }
        }
        Err(close::FULL)
    }

    /// The newest value of each variable. A new group of an open project takes over the values
    /// of the one before.
    async fn values(&self, found: &Found) -> Result<Vec<Value>, Close> {
        let statuses = self
            .calls
            .in_group(Field::STATUSES, &found.group, json!({}));
        let statuses = statuses.await.map_err(|error| error.on_entering())?;
        let stored = statuses_in(&found.group, &statuses);
        let is_new = stored.is_empty();
        let values = found.project.merge(&stored);
        if let Some(host) = found.host.as_ref().filter(|_| is_new && !values.is_empty()) {
            let data = values.iter().map(|value| &value.data);
            // Those that the group cannot take are still sent to this project's sockets.
            let _: Result<_, CallError> = host.report(&self.calls, &found.group, data).await;
        }
        Ok(values)
    }
}

fn group_in(found: &Json) -> Result<GroupKey, Close> {
    let text = |name: &str| found[name].as_str().unwrap_or_default();
    GroupKey::parse(text("id"), text("domain")).map_err(|_| close::NOT_NOW)
}

fn heartbeat_in(found: &Json) -> Duration {
    let seconds = found["heartbeatIntervalSeconds"].as_u64();
    Duration::from_secs(seconds.unwrap_or(HEARTBEAT).max(1))
}

/// The answer of listGroupStatuses.
fn statuses_in(group: &GroupKey, answer: &Json) -> Vec<NodeStatus> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let statuses = answer
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|status| {
            let data = status["data"].as_array().into_iter().flatten();
            let data = data.map(|data| SensorData {
                key: text(&data["key"]),
                value: text(&data["value"]),
            });
            Some(NodeStatus {
                node: NodeId::parse("nodeId", status["nodeId"].as_str()?).ok()?,
                group: group.clone(),
                data: data.collect::<Vec<_>>().into(),
                timestamp: Timestamp::parse(status["timestamp"].as_str()?)?,
            })
        });
    statuses.collect()
}

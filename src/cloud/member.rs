//! A cloud socket's node as a member of its group: what it calls while the socket is open.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cloud::calls::{CallError, Calls, Field};
use crate::cloud::close;
use crate::cloud::inbox::Inbox;
use crate::hub::Subscription;
use crate::metrics::OpenGuard;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::model::status::SensorData;
use crate::projects::{NodeSlot, Project};
use crate::realtime::close::Close;

/// A member.
pub struct Member {
    /// Calls as the socket's caller.
    pub calls: Calls,
    /// Its group.
    pub group: GroupKey,
    /// Its node.
    pub slot: NodeSlot,
    /// Its node's token.
    pub token: String,
    /// What the sockets of its group share.
    pub project: Arc<Project>,
    /// The host of its group, if that is the server itself.
    pub host: Option<Host>,
    /// How often it shows that it is alive.
    pub heartbeat: Duration,
    /// The messages of its group.
    pub inbox: Arc<Inbox>,
    /// Fills the inbox.
    pub _subscription: Subscription,
    /// Counts the subscription.
    pub _open: OpenGuard,
}

/// The server as the host of an open project's group.
#[derive(Clone)]
pub struct Host {
    /// Its node id.
    pub id: String,
    /// Its token.
    pub token: String,
    /// How often it shows that it is alive.
    pub heartbeat: Duration,
}

/// A node whose socket is closed, until it leaves its group.
pub struct Leaving {
    /// Calls as the socket's caller.
    pub calls: Calls,
    /// Its group.
    pub group: GroupKey,
    /// The node.
    pub node: NodeId,
    /// Its token.
    pub token: String,
    /// What the sockets of its group share.
    pub project: Arc<Project>,
}

impl Host {
    /// Reports variables of the host.
    pub async fn report(
        &self,
        calls: &Calls,
        group: &GroupKey,
        data: impl Iterator<Item = &SensorData>,
    ) -> Result<Json, CallError> {
        let node = json!({"nodeId": self.id, "nodeToken": self.token, "data": json_of(data)});
        calls.in_group(Field::REPORT, group, node).await
    }
}

impl Member {
    /// How the socket is closed when the group has ended: an open project has a new group.
    pub fn ended(&self) -> Close {
        if self.host.is_some() {
            close::AGAIN
        } else {
            close::ENDED
        }
    }

    /// How often to call [`Member::heartbeat`].
    pub fn heartbeat_interval(&self) -> Duration {
        let host = self.host.as_ref().map(|host| host.heartbeat);
        host.map_or(self.heartbeat, |host| host.min(self.heartbeat))
    }

    /// Reports variables.
    pub fn report(
        &self,
        data: &[SensorData],
    ) -> impl Future<Output = Result<Json, CallError>> + use<> {
        let data = json_of(data.iter());
        self.call(Field::REPORT, json!({ "data": data }))
    }

    /// Shows that the node is alive, and for one socket of the project that the host is.
    pub fn heartbeat(&self) -> impl Future<Output = Result<Json, CallError>> + use<> {
        let own = self.call(Field::HEARTBEAT, json!({}));
        let is_due = |host: &&Host| self.project.is_renewal_due(host.heartbeat / 2);
        let renewal = self.host.as_ref().filter(is_due).map(|host| {
            let (calls, group) = (self.calls.clone(), self.group.clone());
            let host = json!({"hostId": host.id, "hostToken": host.token});
            async move { calls.in_group(Field::RENEW, &group, host).await }
        });
        async move {
            if let Some(renewal) = renewal {
                renewal.await?;
            }
            own.await
        }
    }

    fn call(
        &self,
        field: Field,
        mut more: Json,
    ) -> impl Future<Output = Result<Json, CallError>> + use<> {
        let (calls, group) = (self.calls.clone(), self.group.clone());
        more["nodeId"] = self.slot.node.as_str().into();
        more["nodeToken"] = self.token.as_str().into();
        async move { calls.in_group(field, &group, more).await }
    }
}

impl Leaving {
    /// Leaves the group after `time`, unless a socket uses the node again. When the server stops, the
    /// node stays: its project connects to the next one.
    pub async fn leave(&self, time: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(time) => {}
        }
        // Taken meanwhile: a project that comes back just now gets another one.
        let Some(_slot) = self.project.take(self.node.clone()) else {
            return;
        };
        let node = json!({"nodeId": self.node.as_str(), "nodeToken": self.token});
        // A group that has ended needs no leaving.
        let _: Result<_, CallError> = self.calls.in_group(Field::LEAVE, &self.group, node).await;
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

fn json_of<'a>(data: impl Iterator<Item = &'a SensorData>) -> Json {
    let data = data.map(|data| json!({"key": data.key, "value": data.value}));
    data.collect()
}

//! Rate limits: how often a node, a group, a connection and an address may call.
//!
//! A limit must not become a tool against neighbours: node ids are visible to a whole group, and
//! all of a school may have one address. So what others can use up has a second share, for steady
//! callers only: a connection of up to some 25 calls a second, which is more than a tab of the
//! editor sends. Past the limit of a node, its steady connections go on. A group and an address
//! have the second share as large as the first, a group once for each address. Who floods uses up
//! the first, and everybody else goes on with the second. Who floods a group over hundreds of
//! steady connections uses up the second too, so a few calls a second of each steady connection
//! are its own: twice what the editor sends at its usual setting.
//!
//! Nothing here waits but for wrong keys and join codes, and the memory is fixed (`cells.rs`). In
//! Lambda all limits are off.

mod cells;
mod guesses;
pub mod rates;
mod waiting;

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Caller;
use crate::domains::SiteBits;
use crate::heartbeat::clock::Clock;
use crate::metrics::{Metrics, Refusal};
use crate::model::error::ClientError;
use crate::model::group::GroupKey;
use crate::model::ids::NodeId;
use crate::rate_limits::cells::Limiter;
use crate::rate_limits::guesses::{Guesses, Secret};
use crate::rate_limits::rates::{Rate, Rates};

/// States in a row of what nodes and connections have: about as many as there are of them.
const MANY: usize = 16_384;
/// The longest document that need not count for its address: those of editors are shorter.
const OWN_DOCUMENT_BYTES: usize = 4096;
/// States in a row of what groups and addresses have, and of rare calls.
const FEW: usize = 4096;

/// A call by which a node or a host acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCall {
    /// reportDataByNode.
    Report,
    /// fireEventsByNode and recordEventsByNode.
    Events,
    /// Joining, leaving, heartbeats and dissolving.
    Membership,
}

/// The rate limits of a server. Clones share them.
#[derive(Clone, Debug)]
pub struct RateLimits {
    limiters: Option<Arc<Limiters>>,
    site: SiteBits,
    wrong_keys: Guesses,
    wrong_codes: Guesses,
}

#[derive(Debug)]
struct Limiters {
    site: SiteBits,
    seed: RandomState,
    metrics: Metrics,
    steady: Limiter,
    node_reports: Limiter,
    node_events: Limiter,
    node_membership: Limiter,
    group_calls: Shared,
    group_membership: Shared,
    group_queries: Shared,
    connection_own_calls: Limiter,
    connection_queries: Limiter,
    connection_groups: Limiter,
    connection_documents: Limiter,
    connection_own_documents: Limiter,
    connection_introspections: Limiter,
    connection_messages: Limiter,
    address_calls: Shared,
    address_groups: Shared,
    address_documents: Limiter,
    address_introspections: Limiter,
}

/// A limit that many share: a share for everybody, and one for steady callers.
#[derive(Debug)]
struct Shared {
    common: Limiter,
    reserve: Limiter,
}

impl Shared {
    fn new(rate: Rate, clock: &Clock) -> Self {
        let limiter = || Limiter::new(rate, FEW, clock);
        Self {
            common: limiter(),
            reserve: limiter(),
        }
    }

    fn check(&self, key: u64, reserve: u64, is_steady: bool) -> Result<(), Duration> {
        match self.common.check(key) {
            Err(_) if is_steady => self.reserve.check(reserve),
            checked => checked,
        }
    }
}

impl RateLimits {
    /// Limits of these rates, or none.
    pub fn new(rates: Option<&Rates>, clock: &Clock, metrics: Metrics) -> Self {
        let guesses = |secret, rate| Guesses::new(secret, rate, clock, metrics.clone());
        Self {
            site: rates.map(|rates| rates.site).unwrap_or_default(),
            wrong_keys: guesses(Secret::Key, rates.map(|rates| rates.wrong_keys)),
            wrong_codes: guesses(Secret::JoinCode, rates.map(|rates| rates.wrong_codes)),
            limiters: rates.map(|rates| Arc::new(Limiters::new(rates, clock, metrics))),
        }
    }

    /// No limits.
    pub fn off() -> Self {
        Self::new(None, &Clock::system(), Metrics::default())
    }

    /// Admits a call by a node of a group.
    pub fn node(
        &self,
        caller: Caller,
        group: &GroupKey,
        node: &NodeId,
        call: NodeCall,
    ) -> Result<(), ClientError> {
        let limiters = self.limiters.as_ref();
        limiters.map_or(Ok(()), |limits| limits.node(caller, group, node, call))
    }

    /// Admits a query or a subscription; about one group if it names one.
    pub fn query(&self, caller: Caller, group: Option<&GroupKey>) -> Result<(), ClientError> {
        let limiters = self.limiters.as_ref();
        limiters.map_or(Ok(()), |limits| limits.query(caller, group))
    }

    /// Admits createGroup or createDomain.
    pub fn new_group(&self, caller: Caller) -> Result<(), ClientError> {
        let limiters = self.limiters.as_ref();
        limiters.map_or(Ok(()), |limits| limits.new_group(caller))
    }

    /// Admits the parsing of a document of `bytes` that is not in the cache.
    pub fn document(&self, caller: Caller, bytes: usize) -> Result<(), ClientError> {
        self.limiters.as_ref().map_or(Ok(()), |limits| {
            let (one, all) = (&limits.connection_documents, &limits.address_documents);
            let own = caller.connection.filter(|_| bytes <= OWN_DOCUMENT_BYTES);
            let own = own.map(|number| limits.key(number));
            // The first of a connection are its own: a flood from the same address does not use
            // them up, and who opens connections all the time gets short ones parsed alone.
            if own.is_some_and(|own| limits.connection_own_documents.check(own).is_ok()) {
                return limits.connection(caller, one);
            }
            limits.costly(caller, one, all)
        })
    }

    /// Admits an introspection of the schema.
    pub fn introspection(&self, caller: Caller) -> Result<(), ClientError> {
        self.limiters.as_ref().map_or(Ok(()), |limits| {
            let one = &limits.connection_introspections;
            limits.costly(caller, one, &limits.address_introspections)
        })
    }

    /// Counts a wrong key, and waits until it may be answered.
    pub async fn wrong_key(&self, caller: Caller) {
        self.wrong_keys.slow(self.site_of(caller)).await;
    }

    /// The same for a wrong join code.
    pub async fn wrong_code(&self, caller: Caller) {
        self.wrong_codes.slow(self.site_of(caller)).await;
    }

    fn site_of(&self, caller: Caller) -> Option<IpAddr> {
        caller.address.map(|address| self.site.site_of(address))
    }

    /// Counts a message on a WebSocket; `Some` is how long to read no other.
    pub fn message(&self, caller: Caller) -> Option<Duration> {
        let limits = self.limiters.as_ref()?;
        let connection = limits.key(caller.connection?);
        limits.connection_messages.check(connection).err()
    }
}

impl Limiters {
    fn new(rates: &Rates, clock: &Clock, metrics: Metrics) -> Self {
        let many = |rate| Limiter::new(rate, MANY, clock);
        let few = |rate| Limiter::new(rate, FEW, clock);
        let shared = |rate| Shared::new(rate, clock);
        Self {
            site: rates.site,
            seed: RandomState::new(),
            metrics,
            steady: many(rates.steady),
            node_reports: many(rates.node_reports),
            node_events: many(rates.node_events),
            node_membership: many(rates.node_membership),
            group_calls: shared(rates.group_calls),
            group_membership: shared(rates.group_membership),
            group_queries: shared(rates.group_queries),
            connection_own_calls: many(rates.connection_own_calls),
            connection_queries: many(rates.connection_queries),
            connection_groups: few(rates.connection_groups),
            connection_documents: few(rates.connection_documents),
            connection_own_documents: many(rates.connection_own_documents),
            connection_introspections: few(rates.connection_introspections),
            connection_messages: many(rates.connection_messages),
            address_calls: shared(rates.address_calls),
            address_groups: shared(rates.address_groups),
            address_documents: few(rates.address_documents),
            address_introspections: few(rates.address_introspections),
        }
    }

    /// What counts as one address: of IPv6 what a school or a household has as a whole, for it can
    /// send from any address in it.
    fn network(&self, caller: Caller) -> Option<IpAddr> {
        let address = caller.address?;
        Some(self.site.site_of(address))
    }

    fn key(&self, name: impl Hash) -> u64 {
        self.seed.hash_one(name)
    }

    fn node(
        &self,
        caller: Caller,
        group: &GroupKey,
        node: &NodeId,
        call: NodeCall,
    ) -> Result<(), ClientError> {
        let own = self.key((group, node, self.network(caller)));
        let steady = self.steady(caller, own);
        let (by_node, by_group) = match call {
            NodeCall::Report => (&self.node_reports, &self.group_calls),
            NodeCall::Events => (&self.node_events, &self.group_calls),
            NodeCall::Membership => (&self.node_membership, &self.group_membership),
        };
        // A flood under this node's id from elsewhere does not silence it.
        match by_node.check(self.key((group, node))) {
            Err(wait) if steady.is_none() => {
                return Err(self.refuse(Refusal::NodeRate, wait));
            }
            _ => {}
        }
        self.group(caller, by_group, group, steady)?;
        self.address(caller, &self.address_calls, steady)
    }

    fn query(&self, caller: Caller, group: Option<&GroupKey>) -> Result<(), ClientError> {
        self.connection(caller, &self.connection_queries)?;
        // Behind a proxy, a whole class polls on no connection of its own: only its address's second
        // share holds it back.
        let own = self.key((group, self.network(caller)));
        let steady = match caller.connection {
            Some(_) => self.steady(caller, own),
            None => Some(own),
        };
        if let Some(group) = group {
            self.group(caller, &self.group_queries, group, steady)?;
        }
        self.address(caller, &self.address_calls, steady)
    }

    fn new_group(&self, caller: Caller) -> Result<(), ClientError> {
        self.connection(caller, &self.connection_groups)?;
        let steady = self.steady(caller, self.key(self.network(caller)));
        self.address(caller, &self.address_groups, steady)?;
        self.address(caller, &self.address_calls, steady)
    }

    fn costly(&self, caller: Caller, one: &Limiter, all: &Limiter) -> Result<(), ClientError> {
        self.connection(caller, one)?;
        let checked = all.check(self.key(self.network(caller)));
        checked.map_err(|wait| self.refuse(Refusal::AddressRate, wait))
    }

    /// The key of a caller that is not in a hurry: its connection is not, or `own` where callers
    /// share connections behind a proxy.
    fn steady(&self, caller: Caller, own: u64) -> Option<u64> {
        let key = caller.connection.map_or(own, |number| self.key(number));
        self.steady.check(key).is_ok().then_some(key)
    }

    fn connection(&self, caller: Caller, limiter: &Limiter) -> Result<(), ClientError> {
        let Some(connection) = caller.connection else {
            return Ok(());
        };
        let checked = limiter.check(self.key(connection));
        checked.map_err(|wait| self.refuse(Refusal::ConnectionRate, wait))
    }

    fn group(
        &self,
        caller: Caller,
        shared: &Shared,
        group: &GroupKey,
        steady: Option<u64>,
    ) -> Result<(), ClientError> {
        let key = self.key(group);
        let reserve = self.key((key, self.network(caller)));
        match shared.check(key, reserve, steady.is_some()) {
            Err(_) if steady.is_some_and(|own| self.connection_own_calls.check(own).is_ok()) => {
                Ok(())
            }
            checked => checked.map_err(|wait| self.refuse(Refusal::GroupRate, wait)),
        }
    }

    fn address(
        &self,
        caller: Caller,
        shared: &Shared,
        steady: Option<u64>,
    ) -> Result<(), ClientError> {
        let key = self.key(self.network(caller));
        let checked = shared.check(key, key, steady.is_some());
        checked.map_err(|wait| self.refuse(Refusal::AddressRate, wait))
    }

    fn refuse(&self, limit: Refusal, wait: Duration) -> ClientError {
        self.metrics.refused(limit);
        let whose = match limit {
            Refusal::NodeRate => "by this node",
            Refusal::GroupRate => "in this group",
            Refusal::ConnectionRate => "on this connection",
            Refusal::AddressRate => "from this address",
        };
        ClientError::TooFast {
            whose,
            retry_after_ms: retry_after(wait),
        }
    }
}

/// The hint to a client, in milliseconds: tenths of a second, from one of them to ten seconds.
/// So it never has the digits that some clients take for a blocked network.
fn retry_after(wait: Duration) -> u16 {
    /// The unit of a hint.
    const TENTH: u128 = 100;
    let tenths = wait.as_millis().div_ceil(TENTH).clamp(1, 100);
    u16::try_from(tenths * TENTH).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;

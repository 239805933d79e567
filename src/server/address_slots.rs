//! Each address's share of the connections, so that no few addresses can take all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::domains::{SiteBits, is_trusted};
use crate::metrics::{ConnectionRefusal, Metrics};
use crate::model::quota::Quota;

/// Connections of a class of forty and some more: an address that comes late gets them from the
/// last fifth, unless that would be more than a quarter of all.
const CLASS: usize = 64;
/// How often a refusal is logged.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// The connections of each address: an IPv4 address, or an IPv6 site.
#[derive(Debug)]
pub struct AddressSlots {
    quota: Quota,
    site: SiteBits,
    metrics: Metrics,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by_site: HashMap<IpAddr, usize>,
    logged_at: Option<Instant>,
}

/// A connection that counts for its address until it is dropped.
#[derive(Debug)]
pub struct AddressSlot {
    slots: Arc<AddressSlots>,
    site: IpAddr,
}

impl AddressSlots {
    /// For `total` connections, of which an address may have `share`. The last fifth is for
    /// addresses with a hundredth of all, or on a small server with enough for a class.
    pub fn new(total: usize, share: usize, site: SiteBits, metrics: Metrics) -> Arc<Self> {
        let quota = Quota {
            limit: total,
            share,
            reserve: total / 5,
            small: (total / 100).max(CLASS.min(total / 4)).max(1),
        };
        Arc::new(Self {
            quota,
            site,
            metrics,
            held: Mutex::default(),
        })
    }

    /// Counts a connection from an address; `all` connections are open, it included. Trusted
    /// proxies, and this machine, have no share: behind them are many clients.
    pub fn acquire(
        self: &Arc<Self>,
        address: IpAddr,
        trusted: &[IpNet],
        all: usize,
    ) -> Result<Option<AddressSlot>, ConnectionRefusal> {
        if address.to_canonical().is_loopback() || is_trusted(address, trusted) {
            return Ok(None);
        }
        let site = self.site.site_of(address);
        let mut held = self.lock();
        let own = held.by_site.get(&site).map_or(1, |own| own + 1);
        if !self.quota.admits(all, own) {
            held.log_refusal();
            let refusal = if own > self.quota.share {
                ConnectionRefusal::AddressShare
            } else {
                ConnectionRefusal::Total
            };
            self.metrics.refused_connection(refusal);
            return Err(refusal);
        }
        held.by_site.insert(site, own);
        Ok(Some(AddressSlot {
            slots: Arc::clone(self),
            site,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn log_refusal(&mut self) {
        if self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.logged_at = Some(Instant::now());
            tracing::warn!(
                "an address has its share of the connections, and more are closed: if it is your \
                 proxy, set MESH_TRUSTED_PROXIES; else see MESH_MAX_CONNECTIONS_PER_ADDRESS"
            );
        }
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut held = self.slots.lock();
        if let Some(own) = held.by_site.get_mut(&self.site) {
            *own -= 1;
            if *own == 0 {
                held.by_site.remove(&self.site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(total: usize, share: usize) -> Arc<AddressSlots> {
        AddressSlots::new(total, share, SiteBits::default(), Metrics::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_a_share_and_others_find_some_left() {
        let slots = slots(1000, 600);
        let mut open = Vec::new();
        let mut fill = |address: &str| {
            let before = open.len();
            while let Ok(slot) = slots.acquire(ip(address), &[], open.len() + 1) {
                open.push(slot);
            }
            open.len() - before
        };
        assert_eq!(fill("203.0.113.1"), 600);
        assert_eq!(fill("2001:db8:1:2::1"), 200, "the rest is for small ones");
        assert_eq!(fill("2001:db8:1:3::1"), 0, "the same /48");
        assert_eq!(fill("203.0.113.2"), 64);
        assert_eq!(fill("::ffff:203.0.113.2"), 0);
        assert_eq!(fill("203.0.113.3"), 64);
        open.clear();
        assert!(slots.lock().by_site.is_empty());
    }

    #[test]
    fn a_class_that_comes_late_finds_connections_on_a_small_server() {
        for (total, late) in [(25_000, 250), (1000, 64), (300, 60), (100, 20), (8, 1)] {
            let slots = slots(total, total / 2);
            let mut open = Vec::new();
            for flood in 0..4 {
                let address = ip(&format!("203.0.113.{flood}"));
                while open.len() < total - total / 5
                    && let Ok(slot) = slots.acquire(address, &[], open.len() + 1)
                {
                    open.push(slot);
                }
            }
            let flooded = open.len();
            while let Ok(slot) = slots.acquire(ip("198.51.100.1"), &[], open.len() + 1) {
                open.push(slot);
            }
            assert_eq!(open.len() - flooded, late, "of {total}");
        }
    }

    #[test]
    fn trusted_proxies_and_this_machine_have_no_share() {
        let slots = slots(10, 1);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for address in ["10.1.1.1", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let slot = slots.acquire(ip(address), &trusted, 10);
            assert!(matches!(slot, Ok(None)), "{address}");
        }
    }
}

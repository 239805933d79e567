//! How many event streams there may be. Those of HTTP/1.1 have a connection each, but one of HTTP/2
//! may carry many.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::OwnedSemaphorePermit;

use crate::domains::SiteBits;
use crate::metrics::{ConnectionRefusal, Metrics};
use crate::realtime::ConnectionSlots;
use crate::server::address_slots::{AddressSlot, AddressSlots};

/// The slots for event streams, with a share for an address.
pub struct StreamSlots {
    all: ConnectionSlots,
    shares: Arc<AddressSlots>,
    metrics: Metrics,
}

/// An event stream's slot, until it is dropped.
pub struct StreamSlot {
    _place: OwnedSemaphorePermit,
    _share: Option<AddressSlot>,
}

impl StreamSlots {
    /// `total` free slots, of which an address may have `share`.
    pub fn new(total: usize, share: usize, site: SiteBits, metrics: Metrics) -> Self {
        Self {
            all: ConnectionSlots::new(total),
            shares: AddressSlots::new(total, share, site, metrics.clone()),
            metrics,
        }
    }

    /// A slot for a stream to this address.
    pub fn acquire(
        &self,
        address: Option<IpAddr>,
        trusted: &[IpNet],
    ) -> Result<StreamSlot, ConnectionRefusal> {
        let place = self.all.try_acquire().ok_or_else(|| {
            self.metrics.refused_connection(ConnectionRefusal::Total);
            ConnectionRefusal::Total
        })?;
        let taken = self.all.taken();
        let share = address.map(|address| self.shares.acquire(address, trusted, taken));
        Ok(StreamSlot {
            _place: place,
            _share: share.transpose()?.flatten(),
        })
    }
}

//! Shares of the groups that a server and a domain hold, so that no few addresses can take all
//! of them. Nothing here waits.

use crate::model::error::ClientError;
use crate::model::ids::Domain;
use crate::model::limits::Limits;
use crate::model::origin::Origin;
use crate::model::quota::Quota;

/// Groups that an address may have of the last part of a server's or a domain's.
const FEW_GROUPS: usize = 8;

/// Who asks for a group.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// For which domain.
    pub domain: &'a Domain,
    /// From where, if that is known.
    pub origin: Option<Origin>,
    /// Whether shares do not apply: only the limits do.
    pub is_exempt: bool,
}

/// The groups that exist.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupCounts {
    /// On the server.
    pub server: usize,
    /// Alive in the domain.
    pub domain: usize,
    /// From the address.
    pub address: usize,
}

impl Asking<'_> {
    /// Admits a new group.
    pub fn admit(self, counts: GroupCounts, limits: &Limits) -> Result<(), ClientError> {
        let quota = |limit| Quota {
            limit,
            share: limits.groups_per_address,
            reserve: limit / 5,
            small: FEW_GROUPS,
        };
        let (server, domain) = (quota(limits.groups), quota(limits.groups_per_domain));
        let full = |what, limit| Err(ClientError::Full { what, limit });
        if counts.server >= server.limit {
            return full("the server", server.limit);
        }
        if counts.domain >= domain.limit {
            return full("the domain", domain.limit);
        }
        let Some(origin) = self.origin.filter(|_| !self.is_exempt) else {
            return Ok(());
        };
        let own = counts.address + 1;
        if own > server.share {
            return full("your network's part of the server", server.share);
        }
        if !server.admits(counts.server + 1, own) {
            let what = "the part of the server for networks with many groups";
            return full(what, server.open());
        }
        let network = origin.network.to_string();
        if self.domain.as_str() == network || counts.domain < domain.open() {
            return Ok(());
        }
        // The rest of a network's own domain is for that network.
        if is_of_a_network(self.domain) || own > domain.small {
            let what = "the part of the domain for other networks";
            return full(what, domain.open());
        }
        Ok(())
    }
}

/// Whether a domain has the form of those that createDomain gives.
fn is_of_a_network(domain: &Domain) -> bool {
    let text = domain.as_str();
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::origin::Network;

    fn asks(domain: &str, network: u8, counts: [usize; 3]) -> Result<(), ClientError> {
        let limits = Limits {
            groups: 1000,
            groups_per_domain: 100,
            groups_per_address: 50,
            ..Limits::default()
        };
        let network = Network::new([network; 8]);
        let origin = Origin {
            network,
            site: network,
        };
        let asking = Asking {
            domain: &Domain::parse("domain", domain).unwrap(),
            origin: Some(origin),
            is_exempt: false,
        };
        let [server, domain, address] = counts;
        let counts = GroupCounts {
            server,
            domain,
            address,
        };
        asking.admit(counts, &limits)
    }

    #[test]
    fn an_address_has_a_share_and_few_are_left_for_others() {
        assert_eq!(asks("typed", 1, [49, 49, 49]), Ok(()));
        assert!(asks("typed", 1, [50, 50, 50]).is_err(), "its share");
        assert_eq!(asks("typed", 2, [799, 80, 7]), Ok(()));
        assert!(asks("typed", 2, [799, 80, 8]).is_err(), "the domain's rest");
        assert_eq!(asks("other", 2, [800, 0, 7]), Ok(()));
        assert!(asks("other", 2, [800, 0, 8]).is_err(), "the server's rest");
        assert!(asks("typed", 3, [100, 100, 0]).is_err(), "the domain");
    }

    #[test]
    fn the_rest_of_a_networks_own_domain_is_for_that_network() {
        let own = "0101010101010101";
        assert_eq!(asks(own, 1, [99, 99, 30]), Ok(()));
        assert_eq!(asks(own, 2, [79, 79, 0]), Ok(()));
        let error = asks(own, 2, [80, 80, 0]).unwrap_err();
        assert_eq!(error.kind(), "LimitExceeded");
    }
}

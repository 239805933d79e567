//! The domain of a client's address (decisions D1 and D2). Nothing here waits.

use std::net::{IpAddr, Ipv6Addr};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use ipnet::IpNet;
use sha2::Sha256;

use crate::model::origin::{Network, Origin};

/// What is hashed if the client's address is unknown.
const NO_ADDRESS: &str = "none";
/// The leading bits of an IPv6 address that classmates share.
const NETWORK_BITS: u32 = 64;
/// Bytes of the signature in a domain: 16 hex digits.
const DOMAIN_BYTES: usize = 8;
/// Bytes of a secret: 32 hex digits.
const SECRET_BYTES: usize = 16;

/// How many leading bits of an IPv6 address make a site, by which quotas, rates and connections
/// count; of IPv4, an address is a site.
///
/// A /48 by default: that is what registries have providers give a school or a firm (RFC 6177,
/// RIPE-690), and what anyone gets with a free tunnel, who would have 256 shares if a /56 were a
/// site. The households of one /48, where a provider gives each a /56, have one share together,
/// which is enough for a school.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteBits(u32);

impl SiteBits {
    /// A number of bits up to those of a network (decision D1).
    pub const fn new(bits: u32) -> Self {
        assert!(bits <= NETWORK_BITS);
        Self(bits)
    }

    /// The site of an address.
    pub fn site_of(self, address: IpAddr) -> IpAddr {
        prefix(address, self.0)
    }
}

impl Default for SiteBits {
    fn default() -> Self {
        Self::new(48)
    }
}

/// Derives domains from addresses; without the key they cannot be computed (D1).
#[derive(Clone)]
pub struct DomainKey {
    mac: Hmac<Sha256>,
    site: SiteBits,
}

impl DomainKey {
    /// A key from the server's secret.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            mac: Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"),
            site: SiteBits::default(),
        }
    }

    /// The same key, for sites of another size.
    #[must_use]
    pub fn with_site(self, site: SiteBits) -> Self {
        Self { site, ..self }
    }

    /// The domain of clients at `address`.
    pub fn domain_of(&self, address: Option<IpAddr>) -> String {
        let network = address.map(|address| prefix(address, NETWORK_BITS).to_string());
        let text = network.as_deref().unwrap_or(NO_ADDRESS);
        HEXLOWER.encode(&self.digest(text))
    }

    /// Where clients at `address` come from.
    pub fn origin_of(&self, address: IpAddr) -> Origin {
        let (network, site) = (prefix(address, NETWORK_BITS), self.site.site_of(address));
        let of_network = Network::new(self.digest(&network.to_string()));
        let of_site = match site {
            IpAddr::V4(_) => of_network,
            IpAddr::V6(site) => Network::new(self.digest(&format!("{site}/{}", self.site.0))),
        };
        Origin {
            network: of_network,
            site: of_site,
        }
    }

    /// A secret text of 32 hex digits for these parts, such as a node's token: without the key it
    /// cannot be computed, and it is the same after a restart.
    pub fn secret_of(&self, parts: &[&str]) -> String {
        let mut mac = self.mac.clone();
        // No address begins so.
        mac.update(b"secret");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let digest = mac.finalize().into_bytes();
        HEXLOWER.encode(&digest[..SECRET_BYTES])
    }

    fn digest(&self, text: &str) -> [u8; DOMAIN_BYTES] {
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        let digest = mac.finalize().into_bytes();
        std::array::from_fn(|at| digest[at])
    }
}

impl std::fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DomainKey(..)")
    }
}

/// The network of an address: an IPv4 address itself (an IPv4-mapped one becomes IPv4), and
/// of an IPv6 address the first `bits`. Classmates share a /64.
pub fn prefix(address: IpAddr, bits: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let rest = 128 - bits;
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> rest << rest))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether an address is that of a trusted proxy.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// Whether a domain has the form of those that are derived from addresses.
pub fn is_of_a_network(domain: &str) -> bool {
    domain.len() == 2 * DOMAIN_BYTES
        && domain
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The client's address (D2): the peer, or behind trusted proxies the rightmost address of
/// `X-Forwarded-For` that is not a trusted proxy. `None` if an entry up to there is malformed.
pub fn caller_address(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> Option<IpAddr> {
    if !is_trusted(peer, trusted) || forwarded.is_empty() {
        return Some(peer);
    }
    let entries = forwarded
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(','))
        .map(str::trim);
    for entry in entries {
        let address = address_in(entry)?;
        if !is_trusted(address, trusted) {
            return Some(address);
        }
    }
    None
}

/// How many addresses AWS appends to `X-Forwarded-For` after the client's, without a custom
/// domain: that of its edge.
pub const EDGE_HOPS: usize = 1;

/// The client's address in an AppSync event (D2): the last entry of AppSync's list
/// `identity.sourceIp`; a client can forge the entries before it. Without that list (a request
/// with an API key has no identity), the last `hops` entries of `X-Forwarded-For` are AWS's own and
/// the one before them the client; of fewer entries, the first is the client. `None` if that
/// entry is no address.
pub fn address_behind_appsync(source: &[&str], forwarded: &[&str], hops: usize) -> Option<IpAddr> {
    if let Some(connected) = source.last() {
        return address_in(connected.trim());
    }
    let entries = forwarded
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(','))
        .map(str::trim);
    address_in(entries.take(hops + 1).last()?)
}

/// Parses an entry, which may have a port: `203.0.113.1:4711`, `[2001:db8::1]:4711`.
fn address_in(entry: &str) -> Option<IpAddr> {
    entry
        .parse()
        .ok()
        .or_else(|| {
            entry
                .parse()
                .map(|socket: std::net::SocketAddr| socket.ip())
                .ok()
        })
        .or_else(|| entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn domain(secret: &str, address: &str) -> String {
        DomainKey::new(secret.as_bytes()).domain_of(Some(ip(address)))
    }

    #[test]
    fn a_domain_is_sixteen_hex_digits_of_the_addresss_hmac() {
        let domain = domain("test-secret-key", "192.168.1.1");
        assert_eq!(domain, "8d229e05b0da0593");
        assert_eq!(DomainKey::new(b"test-secret-key").domain_of(None).len(), 16);
    }

    #[test]
    fn one_domain_does_not_reveal_another() {
        // CRC-32 is linear: crc(a) ^ crc(b) is the same under every key. A keyed hash is not.
        let apart = |secret: &str| {
            let number = |address| u64::from_str_radix(&domain(secret, address), 16).unwrap();
            number("203.0.113.1") ^ number("203.0.113.2")
        };
        assert_ne!(apart("one"), apart("two"));
    }

    #[test]
    fn classmates_share_a_slash_64_and_mapped_ipv4_is_ipv4() {
        assert_eq!(
            domain("k", "2001:db8:1:2::1"),
            domain("k", "2001:db8:1:2:ffff::9")
        );
        assert_ne!(
            domain("k", "2001:db8:1:2::1"),
            domain("k", "2001:db8:1:3::1")
        );
        assert_eq!(
            domain("k", "::ffff:203.0.113.1"),
            domain("k", "203.0.113.1")
        );
    }

    #[test]
    fn an_origin_has_the_domain_and_the_slash_48_of_an_address() {
        let key = DomainKey::new(b"k");
        let origin = |address| key.origin_of(ip(address));
        let (one, two) = (origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_eq!(one.network.to_string(), domain("k", "2001:db8:1:2::1"));
        assert_ne!(one.network, two.network);
        assert_eq!(one.site, two.site);
        assert_ne!(one.site, origin("2001:db8:2::").site);
        // A /64 whose text is that of its /48 is not the same network.
        assert_ne!(origin("2001:db8::").site, origin("2001:db8::").network);
        let v4 = origin("203.0.113.1");
        assert_eq!(v4.site, v4.network);
        assert_eq!(v4, origin("::ffff:203.0.113.1"));
    }

    #[test]
    fn a_site_has_as_many_bits_as_the_settings_say() {
        let key = DomainKey::new(b"k");
        let households = ["2001:db8:1:100::1", "2001:db8:1:200::1"].map(ip);
        let sites = |bits| {
            let key = key.clone().with_site(SiteBits::new(bits));
            households.map(|address| key.origin_of(address).site)
        };
        let [one, other] = sites(48);
        assert_eq!(one, other);
        let [one, other] = sites(56);
        assert_ne!(one, other);
        let classmates = ["2001:db8:1:2::1", "2001:db8:1:2::2"].map(ip);
        let [one, other] = classmates.map(|address| SiteBits::new(64).site_of(address));
        assert_eq!(one, other);
    }

    #[test]
    fn the_header_is_used_only_from_a_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let of = |peer, header: &[&str]| caller_address(ip(peer), header, &trusted);
        assert_eq!(
            of("203.0.113.9", &["198.51.100.1"]),
            Some(ip("203.0.113.9"))
        );
        assert_eq!(
            of("10.1.1.1", &["198.51.100.1, 203.0.113.7, 10.2.2.2"]),
            Some(ip("203.0.113.7"))
        );
        assert_eq!(
            of("10.1.1.1", &["198.51.100.1", "203.0.113.7:4711"]),
            Some(ip("203.0.113.7"))
        );
        assert_eq!(
            of("::ffff:10.1.1.1", &["[2001:db8::1]:80"]),
            Some(ip("2001:db8::1"))
        );
        assert_eq!(of("10.1.1.1", &[]), Some(ip("10.1.1.1")));
    }

    #[test]
    fn an_empty_or_malformed_header_is_no_address() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for header in ["", ",", " , ", "unknown", "10.0.0.2", "203.0.113.7, bogus"] {
            assert_eq!(
                caller_address(ip("10.1.1.1"), &[header], &trusted),
                None,
                "{header:?}"
            );
        }
    }
}

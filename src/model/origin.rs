//! Where a group or a member came from. Only keyed digests are kept, never an address.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Hex digits of a digest.
const DIGITS: usize = 16;

/// A keyed digest of a network (`domains::DomainKey`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(u64);

impl Network {
    /// The network with this digest.
    pub fn new(digest: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(digest))
    }

    /// Its digest.
    pub fn digest(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl TryFrom<&str> for Network {
    type Error = InvalidOrigin;

    fn try_from(hex: &str) -> Result<Self, InvalidOrigin> {
        let is_digest = hex.len() == DIGITS && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let digest = is_digest.then(|| u64::from_str_radix(hex, 16));
        match digest {
            Some(Ok(digest)) => Ok(Self(digest)),
            _ => Err(InvalidOrigin),
        }
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidOrigin;

    fn try_from(hex: String) -> Result<Self, InvalidOrigin> {
        hex.as_str().try_into()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// As in the domain of the network.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The networks of a caller's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    /// The IPv4 address or the IPv6 /64, whose digest is its domain (decision D1).
    pub network: Network,
    /// The IPv4 address or the IPv6 site (a /48, `MESH_IPV6_SITE_BITS`), by which quotas count: the
    /// owner of a /48 has 65,536 networks.
    pub site: Network,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        if self.site == self.network {
            Ok(())
        } else {
            write!(f, "{}", self.site)
        }
    }
}

/// A text is not that of an origin or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is 16 or 32 hex digits, a network 16")]
pub struct InvalidOrigin;

impl TryFrom<&str> for Origin {
    type Error = InvalidOrigin;

    fn try_from(text: &str) -> Result<Self, InvalidOrigin> {
        let (network, site) = text.split_at_checked(DIGITS).ok_or(InvalidOrigin)?;
        let network = network.try_into()?;
        let site = if site.is_empty() {
            network
        } else {
            site.try_into()?
        };
        Ok(Self { network, site })
    }
}

impl TryFrom<String> for Origin {
    type Error = InvalidOrigin;

    fn try_from(text: String) -> Result<Self, InvalidOrigin> {
        text.as_str().try_into()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_a_round_trip_as_text() {
        for text in ["0000000000000001", "8d229e05b0da0593ffffffffffffffff"] {
            let origin = Origin::try_from(text).unwrap();
            assert_eq!(origin.to_string(), text);
            let json = serde_json::to_string(&origin).unwrap();
            assert_eq!(serde_json::from_str::<Origin>(&json).unwrap(), origin);
        }
        for text in [
            "",
            "あ",
            "8d229e05b0da059",
            "8d229e05b0da0593+",
            "8d229e05b0da059あ",
        ] {
            assert_eq!(Origin::try_from(text), Err(InvalidOrigin), "{text}");
        }
    }
}

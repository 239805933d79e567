//! The addresses at which other machines of the network reach a listener.

use std::net::{IpAddr, SocketAddr};

/// Those of a listener, IPv4 first: its own one, or one for each interface if it listens on all.
/// None if only this machine reaches it.
pub fn of_listener(listener: SocketAddr) -> Vec<SocketAddr> {
    let ip = listener.ip();
    if ip.is_loopback() {
        return Vec::new();
    }
    if !ip.is_unspecified() {
        return vec![listener];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let addresses = interfaces.iter().map(if_addrs::Interface::ip);
    reachable(ip, addresses)
        .into_iter()
        .map(|ip| (ip, listener.port()).into())
        .collect()
}

/// The interfaces' addresses that a browser elsewhere can open.
fn reachable(listener: IpAddr, interfaces: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = interfaces
        .filter(|ip| match ip {
            IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
            IpAddr::V6(ip) => {
                listener.is_ipv6() && !ip.is_loopback() && !ip.is_unicast_link_local()
            }
        })
        .collect();
    // Ordered, so that two runs print the same.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_class_cannot_open_is_left_out() {
        let interfaces = [
            "::1",
            "fe80::1",
            "2001:db8::5",
            "127.0.0.1",
            "169.254.7.7",
            "192.168.1.5",
            "10.0.0.7",
        ];
        let found = |listener: &str| {
            let interfaces = interfaces.iter().map(|ip| ip.parse().unwrap());
            let found = reachable(listener.parse().unwrap(), interfaces);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found("0.0.0.0"), ["10.0.0.7", "192.168.1.5"]);
        assert_eq!(found("::"), ["10.0.0.7", "192.168.1.5", "2001:db8::5"]);
    }

    #[test]
    fn a_listener_of_one_address_has_that_one() {
        let own: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        assert_eq!(of_listener(own), [own]);
        assert_eq!(of_listener("127.0.0.1:4000".parse().unwrap()), []);
    }
}

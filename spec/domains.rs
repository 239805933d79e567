//! Domains: where a caller's classmates are found (decisions D1 and D2).

use serde_json::json;

use crate::support::json::text;
use crate::support::mesh::SECRET;
use crate::support::{Reply, Setup, TestMesh};

#[apply(case!)]
async fn d1_a_domain_is_sixteen_hex_digits_that_depend_on_the_key() {
    let mesh = TestMesh::own(|_: &mut Setup| {}).await;
    let domain = text(&mesh.calls("createDomain", json!({})).await.value());
    assert_eq!(domain.len(), 16);
    assert!(
        domain
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "{domain}"
    );
    let address = "127.0.0.1".parse().ok();
    assert_eq!(
        domain,
        mesh_v2::domains::DomainKey::new(SECRET).domain_of(address)
    );
    let other = mesh_v2::domains::DomainKey::new(b"another secret").domain_of(address);
    assert_ne!(
        domain, other,
        "the domain does not depend on the address alone"
    );
    assert_eq!(
        mesh.calls("createDomain", json!({})).await.value(),
        domain.as_str()
    );
}

#[apply(case!)]
async fn d1_one_domain_does_not_reveal_that_of_another_address() {
    // With the CRC-32 of AppSync Mesh v2 the exclusive or of two domains depends on the addresses only:
    // one known pair allows to compute any other. Here it depends on the key.
    let difference = |secret: &[u8]| {
        let key = mesh_v2::domains::DomainKey::new(secret);
        let domain = |ip: &str| u64::from_str_radix(&key.domain_of(ip.parse().ok()), 16);
        domain("203.0.113.1").expect("hex") ^ domain("203.0.113.2").expect("hex")
    };
    assert_ne!(
        difference(b"one secret of ours"),
        difference(b"two secret of ours")
    );
}

/// What createDomain answers to a caller behind a proxy on this machine.
async fn domain_behind_a_proxy(mesh: &TestMesh, forwarded: &str) -> String {
    let request = mesh
        .http()
        .post(&mesh.endpoint)
        .header("x-api-key", &mesh.key);
    let request = request.header("x-forwarded-for", forwarded);
    let request = request.json(&json!({"query": "mutation { createDomain }"}));
    text(&Reply::to(request).await.value())
}

#[apply(case!)]
async fn d1_classmates_of_one_ipv6_network_share_a_domain() {
    let trusting = |setup: &mut Setup| setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let mesh = TestMesh::own(trusting).await;
    let of = async |address: &str| domain_behind_a_proxy(&mesh, address).await;
    assert_eq!(
        of("2001:db8:1:2::1").await,
        of("2001:db8:1:2:ffff::9").await
    );
    assert_ne!(of("2001:db8:1:2::1").await, of("2001:db8:1:3::1").await);
    assert_eq!(of("::ffff:203.0.113.1").await, of("203.0.113.1").await);
}

#[apply(case!)]
async fn d2_only_a_trusted_proxys_header_is_used() {
    let alone = TestMesh::own(|_| {}).await;
    let own = text(&alone.calls("createDomain", json!({})).await.value());
    assert_eq!(domain_behind_a_proxy(&alone, "203.0.113.9").await, own);

    let trusting = |setup: &mut Setup| setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let mesh = TestMesh::own(trusting).await;
    let of = async |address: &str| domain_behind_a_proxy(&mesh, address).await;
    let real = of("203.0.113.9").await;
    assert_ne!(real, own);
    assert_eq!(
        of("198.51.100.1, 203.0.113.9").await,
        real,
        "what a client adds is not used"
    );
    let none = of("").await;
    for malformed in [",", "nonsense", "203.0.113.9, nonsense"] {
        assert_eq!(of(malformed).await, none, "{malformed}");
    }
    assert_eq!(
        none,
        mesh_v2::domains::DomainKey::new(SECRET).domain_of(None)
    );
}

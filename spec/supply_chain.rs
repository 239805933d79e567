//! What the program is built of: the lists that `deny.toml` and the page's licences have. The
//! whole check, with every crate's licence, is `.ci/nightly supply`.

use std::collections::BTreeMap;

use serde_json::Value;

fn read(path: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!("{root}/{path}")).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The values of `name = "…"` in a TOML file, wherever they stand.
fn values<'a>(toml: &'a str, name: &'a str) -> Vec<&'a str> {
    let begin = format!("{name} = \"");
    let parts = toml.match_indices(&begin).filter_map(|(at, _)| {
        let value = toml[at + begin.len()..].split('"').next()?;
        (at == 0 || !toml[..at].ends_with(char::is_alphanumeric)).then_some(value)
    });
    parts.collect()
}

#[apply(case!)]
fn no_crate_is_banned_and_all_come_from_crates_io() {
    let (lock, deny) = (read("Cargo.lock"), read("deny.toml"));
    let crates = values(&lock, "name");
    let banned = values(&deny, "crate");
    assert!(
        crates.len() > 300 && banned.contains(&"openssl-sys"),
        "{banned:?}"
    );
    for name in banned {
        assert!(!crates.contains(&name), "{name} is banned, see deny.toml");
    }
    for source in values(&lock, "source") {
        assert_eq!(
            source,
            "registry+https://github.com/rust-lang/crates.io-index"
        );
    }
}

#[apply(case!)]
fn the_pages_licences_name_the_versions_that_are_bundled() {
    let lock: Value = serde_json::from_str(&read("web/package-lock.json")).expect("JSON");
    let packages = lock["packages"].as_object().expect("packages");
    let installed: BTreeMap<_, _> = packages
        .iter()
        .filter_map(|(path, package)| {
            let (_, name) = path.rsplit_once("node_modules/")?;
            Some((name, package["version"].as_str()?))
        })
        .collect();
    let licences =
        ["graphiql", "pages"].map(|page| read(&format!("src/server/{page}/LICENSES.txt")));
    let licences = licences.concat();
    let named: BTreeMap<_, _> = licences
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, version)| installed.get(name) == Some(version))
        .collect();
    let direct = lock["packages"][""]["dependencies"]
        .as_object()
        .expect("dependencies");
    for name in direct.keys() {
        assert!(
            named.contains_key(name.as_str()),
            "{name} has no licence there: npm run build"
        );
    }
    // The rest is what those bring. `spec/clients/run.sh` builds the page anew and compares.
    assert!(named.len() > 50, "{} packages: npm run build", named.len());
}

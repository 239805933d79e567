//! The teacher's key of a server for development: who starts the program on a laptop can open a
//! lesson without writing a key file. A server with keys of its own has the teachers of its file.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::auth::{ApiKeys, KeyFileRules, parse_key_file};
use crate::config::{ServeArgs, StoreKind};
use crate::server::ServerSettings;

/// Where the key is kept in the data folder: a lesson obeys the key with which it was made, also
/// after a restart.
const FILE: &str = "teacher.key";
/// As in a key file.
const NAME_AND_ROLE: &str = "teacher teacher";

/// Accepts a teacher's key beside the development key and returns it; nothing with other keys.
pub fn accept(args: &ServeArgs, server: &ServerSettings) -> anyhow::Result<Option<String>> {
    let Some(public) = server.development_key.filter(|_| server.pages) else {
        return Ok(None);
    };
    let key = match file(args) {
        Some(file) => kept(&file)?,
        None => random(),
    };
    let rules = KeyFileRules {
        shortest: None,
        keys: 1,
    };
    let named = parse_key_file(&format!("{NAME_AND_ROLE} {key}\n"), rules)
        .map_err(|_| anyhow::anyhow!("{FILE} in the data folder has no key: remove it"))?;
    let keys = ApiKeys::new([public]).with(named);
    server.authenticator.replace_keys(keys);
    Ok(Some(key))
}

/// Where the key is kept; nowhere without a data folder.
pub fn file(args: &ServeArgs) -> Option<PathBuf> {
    (args.store.store == StoreKind::Embedded).then(|| args.store.data.join(FILE))
}

/// The key of the file, which is made if it is missing.
fn kept(file: &Path) -> anyhow::Result<String> {
    let at = || format!("the teacher's key {}", file.display());
    match fs::read_to_string(file) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(at),
    }
    let key = random();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file).with_context(at)?;
    writeln!(file, "{key}").with_context(at)?;
    Ok(key)
}

fn random() -> String {
    format!("da2-{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::auth::{Credential, Role};
    use crate::config::{Cli, StageSettings};
    use crate::model::time::Timestamp;

    fn accepted(folder: &Path, flags: &[&str]) -> Option<(String, Role)> {
        let data = format!("--data={}", folder.display());
        let cli = Cli::try_parse_from(["mesh-v2", &data].iter().chain(flags)).unwrap();
        let server = StageSettings::new(&cli.serve).unwrap().server;
        let key = accept(&cli.serve, &server).unwrap()?;
        let now = Timestamp::from_seconds(0);
        let grant = server
            .authenticator
            .check(Some(&Credential::key(&key)), now);
        Some((key, grant.unwrap().role))
    }

    #[test]
    fn a_server_for_development_has_one_key_for_its_teacher() {
        let folder = tempfile::tempdir().unwrap();
        let (key, role) = accepted(folder.path(), &[]).unwrap();
        assert_eq!(role, Role::Teacher);
        let again = accepted(folder.path(), &[]).unwrap();
        assert_eq!(again.0, key, "a restart changes nothing");
        let other = accepted(folder.path(), &["--store=memory"]).unwrap();
        assert_ne!(other.0, key);
    }

    #[test]
    fn with_keys_of_its_own_or_without_pages_a_server_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        for flags in [["--api-keys=da2-of-our-own"], ["--pages=false"]] {
            assert_eq!(accepted(folder.path(), &flags), None);
        }
        assert!(!folder.path().join(FILE).exists());
    }
}

//! The API keys of the settings: those of `MESH_API_KEYS`, and the named ones of a file, which may be
//! read again while the server runs, or of `MESH_NAMED_KEYS`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::auth::{ApiKeys, KeyFileRules, parse_key_file};
use crate::config::stage::{DEVELOPMENT_KEY, KEY_BYTES};
use crate::config::{ServeArgs, Stage};

/// The largest key file, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;

/// Where the keys come from.
#[derive(Clone, Debug)]
pub struct KeySource {
    /// Those of `MESH_API_KEYS`.
    unnamed: ApiKeys,
    /// The file of named keys.
    pub file: Option<PathBuf>,
    /// The lines of such a file, without one.
    lines: Option<String>,
    rules: KeyFileRules,
}

impl KeySource {
    /// The keys of these settings.
    pub fn new(args: &ServeArgs) -> Self {
        let unnamed = args.access.api_keys.iter().map(String::as_str);
        Self {
            unnamed: ApiKeys::new(unnamed),
            file: args.access.keys.clone(),
            lines: args.access.named_keys.clone(),
            rules: KeyFileRules {
                shortest: (args.stage == Stage::Prod).then_some(KEY_BYTES),
                keys: args.bounds.max_api_keys as usize,
            },
        }
    }

    /// All keys, as they are now. What is wrong with the file is said with its line.
    pub fn read(&self) -> Result<ApiKeys, String> {
        let (text, place) = match (&self.file, &self.lines) {
            (Some(path), _) => (text_of(path)?, format!("the key file {}", path.display())),
            (None, Some(lines)) => (lines.clone(), "MESH_NAMED_KEYS".to_owned()),
            (None, None) => return Ok(self.unnamed.clone()),
        };
        let named =
            parse_key_file(&text, self.rules).map_err(|error| format!("{place}, {error}"))?;
        let keys = self.unnamed.clone().with(named);
        if self.rules.shortest.is_some() && keys.contains(DEVELOPMENT_KEY) {
            return Err(format!("{place} has the development key, which is public"));
        }
        Ok(keys)
    }
}

/// The text of a key file.
fn text_of(path: &Path) -> Result<String, String> {
    let file = path.display();
    let mut text = String::new();
    let opened = File::open(path).map(|file| file.take(FILE_BYTES + 1));
    opened
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| format!("cannot read the key file {file}: {error}"))?;
    if text.len() as u64 > FILE_BYTES {
        return Err(format!("the key file {file} is larger than 1 MiB"));
    }
    Ok(text)
}

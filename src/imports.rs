//! Checks every `use` of this crate against the two tables in `lib.rs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folder of the sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The tables of `lib.rs`.
struct Rules {
    /// The layer of each module; a higher one may import from a lower one.
    layers: HashMap<String, usize>,
    /// Crates, with the modules or folders that may import them.
    crates: Vec<(String, Vec<String>)>,
}

/// A source file without comments and unit tests.
struct Source {
    /// Its path below `src`, without `.rs`.
    path: String,
    /// Each line of code.
    lines: Vec<String>,
}

impl Rules {
    fn read() -> Self {
        let text = std::fs::read_to_string(Path::new(SOURCES).join("lib.rs")).unwrap();
        let mut tables = text.split("//! ```text\n").skip(1);
        let mut rows = || {
            let table = tables.next().unwrap().split("//! ```").next().unwrap();
            let rows = table.lines().map(|line| {
                let row = line.trim_start_matches("//! ");
                row.split_once("  ").expect("two columns")
            });
            rows.collect::<Vec<_>>()
        };
        let names = |text: &str| -> Vec<String> {
            let names = text.split([',', '|']).map(str::trim);
            names.map(str::to_owned).collect()
        };
        let modules = rows().into_iter().rev().enumerate();
        let layers = modules.flat_map(|(layer, (modules, _))| {
            names(modules).into_iter().map(move |name| (name, layer))
        });
        let layers = layers.collect();
        let crates = rows().into_iter().flat_map(|(crates, modules)| {
            let modules = names(modules);
            names(crates)
                .into_iter()
                .map(move |name| (name, modules.clone()))
        });
        Self {
            layers,
            crates: crates.collect(),
        }
    }

    /// Whether the file must not import `module` of this crate.
    fn forbids_module(&self, file: &Source, module: &str) -> bool {
        let own = file.module();
        let layer = |name| self.layers.get(name).copied();
        let (Some(from), Some(to)) = (layer(own), layer(module)) else {
            return true;
        };
        let is_allowed = own == module || from > to;
        !is_allowed || (own == "realtime" && module == "store")
    }

    /// Whether the file must not import the crate `name`.
    fn forbids_crate(&self, file: &Source, name: &str) -> bool {
        let row = self.crates.iter().find(|(listed, _)| {
            let prefix = listed.strip_suffix('*');
            prefix.map_or(name == listed, |prefix| name.starts_with(prefix))
        });
        row.is_some_and(|(_, places)| !places.iter().any(|place| file.is_in(place)))
    }
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().map(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.to_owned()
        });
        let path = path.strip_prefix(SOURCES).unwrap().with_extension("");
        Self {
            path: path.to_str().unwrap().to_owned(),
            lines: lines.collect(),
        }
    }

    /// The top-level module.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    fn is_in(&self, place: &str) -> bool {
        let rest = self.path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The imports that the rules forbid.
    fn forbidden(&self, rules: &Rules) -> Vec<String> {
        let mut forbidden = Vec::new();
        for line in &self.lines {
            for (root, next) in paths(line) {
                let is_forbidden = match root {
                    "crate" | "mesh_v2" => rules.forbids_module(self, next),
                    name => rules.forbids_crate(self, name),
                };
                if is_forbidden {
                    forbidden.push(format!("src/{}.rs: {}", self.path, line.trim()));
                }
            }
        }
        forbidden
    }
}

/// The name before and the name after each `::` in a line of code.
fn paths(line: &str) -> Vec<(&str, &str)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let separators = line.match_indices("::").map(|(at, _)| at);
    let pairs = separators.map(|at| {
        let (before, after) = (&line[..at], &line[at + 2..]);
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        (&before[start..], &after[..end])
    });
    pairs.collect()
}

/// The source files, without tests.
fn sources() -> Vec<Source> {
    let (mut folders, mut files) = (vec![PathBuf::from(SOURCES)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if ["tests", "suite", "imports", "property", "fuzz"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push(Source::read(&path));
            }
        }
    }
    files
}

#[test]
fn no_import_is_forbidden_by_the_tables_in_lib_rs() {
    let rules = Rules::read();
    let sources = sources();
    assert!(sources.len() > 100, "only {} files", sources.len());
    let forbidden: Vec<_> = sources
        .iter()
        .flat_map(|source| source.forbidden(&rules))
        .collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn every_module_is_in_the_table() {
    let rules = Rules::read();
    for source in sources().iter().filter(|source| source.path != "lib") {
        let module = source.module();
        assert!(rules.layers.contains_key(module), "{module} is missing");
    }
}

#[test]
fn forbidden_imports_are_found() {
    let rules = Rules::read();
    for (path, line, is_forbidden) in [
        ("model/group", "use crate::memory::Memory;", true),
        ("hub/mod", "use crate::store::Store;", true),
        ("store/mod", "use crate::hub::Hub;", true),
        ("store/mod", "use crate::heartbeat::clock::Clock;", true),
        ("realtime/socket", "use crate::store::Store;", true),
        ("resolvers/mod", "use crate::config::Config;", true),
        ("resolvers/mod", "use axum::Router;", true),
        (
            "resolvers/mod",
            "use tokio_tungstenite::WebSocketStream;",
            true,
        ),
        ("store/embedded/log", "use aws_sdk_dynamodb::Client;", true),
        ("stage", "let client: aws_config::SdkConfig = load();", true),
        ("mesh", "use crate::{hub::Hub, store::Store};", true),
        (
            "store/dynamodb/client",
            "use aws_sdk_dynamodb::Client;",
            false,
        ),
        ("heartbeat/reaper", "use crate::store::Store;", false),
        ("resolvers/group", "use crate::store::CreateGroup;", false),
        ("main", "use mesh_v2::stage;", false),
    ] {
        let source = Source {
            path: path.to_owned(),
            lines: vec![line.to_owned()],
        };
        let found = !source.forbidden(&rules).is_empty();
        assert_eq!(found, is_forbidden, "{path}: {line}");
    }
}

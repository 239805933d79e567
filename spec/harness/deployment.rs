//! The deployments that cases run on.

use super::case::Case;

/// What a deployment consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server with a store in memory.
    Memory,
    /// The server with its store in a folder.
    Embedded,
    /// The server with a `DynamoDB` table.
    DynamoDb,
    /// The AppSync stand-in, with the Lambda function over a `DynamoDB` table.
    AppSync,
}

/// A deployment that cases run on.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The first part of the cases' names; empty for cases that run once.
    pub name: &'static str,
    pub kind: Kind,
    /// A server that runs already; without one, each case starts its own.
    pub outside: Option<Outside>,
}

/// A server that runs already.
#[derive(Clone, Debug)]
pub struct Outside {
    pub endpoint: String,
    pub key: String,
}

impl Deployment {
    /// One whose servers the cases start.
    pub fn new(kind: Kind) -> Self {
        let name = match kind {
            Kind::Memory => "in_memory",
            Kind::Embedded => "embedded",
            Kind::DynamoDb => "dynamodb",
            Kind::AppSync => "appsync",
        };
        Self {
            name,
            kind,
            outside: None,
        }
    }

    /// Where cases run that are not about a deployment.
    pub fn once() -> Self {
        Self {
            name: "",
            ..Self::new(Kind::Embedded)
        }
    }

    /// All that a whole run covers.
    pub fn all() -> Vec<Self> {
        let kinds = [
            Kind::Embedded,
            #[cfg(feature = "dynamodb")]
            Kind::DynamoDb,
            #[cfg(feature = "lambda")]
            Kind::AppSync,
        ];
        kinds.map(Self::new).into()
    }

    /// The one that the environment chooses, if it does: `APPSYNC_ENDPOINT` and
    /// `APPSYNC_API_KEY` name a server, `MESH_SPEC_STORE` the store of servers that cases start.
    pub fn chosen() -> Option<Self> {
        let kind = std::env::var("MESH_SPEC_STORE").ok();
        let kind = kind.map(|name| Kind::named(&name));
        let endpoint = std::env::var("APPSYNC_ENDPOINT").ok();
        let key = std::env::var("APPSYNC_API_KEY").ok();
        if let (Some(endpoint), Some(key)) = (endpoint, key) {
            return Some(Self {
                name: "outside",
                kind: kind.unwrap_or(Kind::Embedded),
                outside: Some(Outside { endpoint, key }),
            });
        }
        assert!(
            std::env::var_os("APPSYNC_ENDPOINT").is_none(),
            "APPSYNC_ENDPOINT needs APPSYNC_API_KEY beside it"
        );
        kind.map(Self::new)
    }

    /// The name of a case's trial.
    pub fn name_of(&self, case: &Case) -> String {
        if self.name.is_empty() {
            case.name().to_owned()
        } else {
            format!("{}::{}", self.name, case.name())
        }
    }

    pub fn is_appsync(&self) -> bool {
        self.kind == Kind::AppSync
    }

    /// Whether servers stand on a table, where every call is several requests.
    pub fn is_on_a_table(&self) -> bool {
        !matches!(self.kind, Kind::Memory | Kind::Embedded)
    }
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "memory" => Self::Memory,
            "embedded" => Self::Embedded,
            "dynamodb" if cfg!(feature = "dynamodb") => Self::DynamoDb,
            "appsync" if cfg!(feature = "lambda") => Self::AppSync,
            other => panic!(
                "MESH_SPEC_STORE is memory, embedded, dynamodb or appsync \
                 (the last two in builds with these features), not {other}"
            ),
        }
    }
}

//! The knobs of the DynamoDB store, and the commands for its table.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::Stage;
use crate::store::dynamodb::client::{Settings, table_of};

/// How a DynamoDB table is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "DynamoDB (AWS's own variables give region and credentials)")]
pub struct DynamoDbArgs {
    /// The table's name; `DYNAMODB_TABLE_NAME` is understood as well.
    #[arg(
        long,
        env = "TABLE_NAME",
        value_name = "NAME",
        help = "The table, also DYNAMODB_TABLE_NAME [default: MeshV2Table-<stage>, MeshV2Table in prod]"
    )]
    pub table: Option<String>,

    /// Another address than AWS's.
    #[arg(
        long,
        env = "DYNAMODB_ENDPOINT",
        value_name = "URL",
        help = "Another address than AWS's, such as http://127.0.0.1:8000 for DynamoDB Local"
    )]
    pub dynamodb_endpoint: Option<String>,

    /// How often a request is sent before it counts as failed
    #[arg(
        long,
        env = "MESH_DYNAMODB_ATTEMPTS",
        default_value = "4",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=20)
    )]
    pub dynamodb_attempts: u32,

    /// Milliseconds that a connection may take
    #[arg(
        long,
        env = "MESH_DYNAMODB_CONNECT_MS",
        default_value = "1000",
        value_name = "MS",
        hide_short_help = true
    )]
    pub dynamodb_connect_ms: u32,

    /// Milliseconds that one attempt may take
    #[arg(
        long,
        env = "MESH_DYNAMODB_ATTEMPT_MS",
        default_value = "3000",
        value_name = "MS",
        hide_short_help = true
    )]
    pub dynamodb_attempt_ms: u32,

    /// Milliseconds that a request may take with all its attempts
    #[arg(
        long,
        env = "MESH_DYNAMODB_REQUEST_MS",
        default_value = "8000",
        value_name = "MS",
        hide_short_help = true
    )]
    pub dynamodb_request_ms: u32,

    /// Requests under way at once, and so connections; more wait
    #[arg(
        long,
        env = "MESH_DYNAMODB_CONNECTIONS",
        default_value = "128",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub dynamodb_connections: u32,

    /// How often a call starts over when others get ahead of it
    #[arg(
        long,
        env = "MESH_DYNAMODB_RACES",
        default_value = "24",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub dynamodb_races: u32,

    /// Milliseconds for which a group's record is remembered; 0 reads it anew each time
    #[arg(
        long,
        env = "MESH_DYNAMODB_REMEMBER_MS",
        default_value = "5000",
        value_name = "MS",
        hide_short_help = true
    )]
    pub dynamodb_remember_ms: u32,

    /// Bytes of nodes' records that are remembered as this server wrote them last, so that a
    /// node's next report needs no read, and a tenth of --max-memory at most; 0 where a balancer
    /// spreads a node's calls over several servers. Behind AppSync always 0
    #[arg(
        long,
        env = "MESH_DYNAMODB_REMEMBER_NODE_BYTES",
        default_value = "16777216",
        value_name = "BYTES",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(0..=1_073_741_824)
    )]
    pub dynamodb_remember_node_bytes: u32,

    /// Calls of a group that wait at this server to be numbered in its event log
    #[arg(
        long,
        env = "MESH_DYNAMODB_LOG_QUEUE",
        default_value = "2000",
        value_name = "N",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub dynamodb_log_queue: u32,

    /// Milliseconds that a poll waits for events that another server is writing, before it goes on
    /// without them; that server then writes them again, after those that were read
    #[arg(
        long,
        env = "MESH_DYNAMODB_GAP_WAIT_MS",
        default_value = "100",
        value_name = "MS",
        hide_short_help = true,
        value_parser = clap::value_parser!(u32).range(10..=2_000)
    )]
    pub dynamodb_gap_wait_ms: u32,
}

impl DynamoDbArgs {
    /// The store's settings for an environment.
    pub fn settings(&self, stage: Stage) -> Settings {
        let named = || std::env::var("DYNAMODB_TABLE_NAME").ok();
        let named = self.table.clone().or_else(named);
        let table = named.filter(|name| !name.is_empty());
        let millis = |ms: u32| Duration::from_millis(ms.into());
        Settings {
            endpoint: self
                .dynamodb_endpoint
                .clone()
                .filter(|endpoint| !endpoint.is_empty()),
            attempts: self.dynamodb_attempts,
            connect_timeout: millis(self.dynamodb_connect_ms),
            attempt_timeout: millis(self.dynamodb_attempt_ms),
            request_timeout: millis(self.dynamodb_request_ms),
            connections: self.dynamodb_connections as usize,
            conflict_attempts: self.dynamodb_races,
            cache_ttl: millis(self.dynamodb_remember_ms),
            cached_node_bytes: self.dynamodb_remember_node_bytes as usize,
            log_queue: self.dynamodb_log_queue as usize,
            gap_wait: millis(self.dynamodb_gap_wait_ms),
            ..Settings::new(table.unwrap_or_else(|| table_of(stage.name())))
        }
    }
}

/// Which environment's table.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// Read settings from this file instead of .env
    #[arg(long, env = "MESH_ENV_FILE", value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// The environment: stg, stg2 or prod
    #[arg(long, env = "STAGE", default_value = "stg", value_name = "STAGE")]
    pub stage: Stage,

    /// How to reach it.
    #[command(flatten)]
    pub dynamodb: DynamoDbArgs,
}

/// What to do with the table.
#[derive(Debug, Subcommand)]
pub enum TableCommand {
    /// Make the table: on-demand billing, TTL, both indexes, tags.
    Create {
        /// The tag Service.
        #[arg(long, default_value = "mesh-v2", value_name = "NAME")]
        service: String,
        /// Which.
        #[command(flatten)]
        table: TableArgs,
    },
    /// Show the table.
    Show {
        /// Which.
        #[command(flatten)]
        table: TableArgs,
    },
    /// Delete the table with all that is in it.
    Delete {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Which.
        #[command(flatten)]
        table: TableArgs,
    },
}

/// What to do with a group.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Find a group on the environment's DynamoDB table by its id alone.
    Show {
        /// The group's id, without its domain.
        id: String,
        /// Where.
        #[command(flatten)]
        table: TableArgs,
    },
}

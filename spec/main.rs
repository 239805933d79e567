//! The product's behaviour, tested through its network interfaces.
//!
//! A whole run covers three deployments: the server with its embedded store, the server on a
//! `DynamoDB` table, and the AppSync stand-in with the Lambda function. A case's name begins
//! with the deployment: `cargo test --test spec appsync::groups`. Cases that start the program
//! by themselves run once, and `harness::differences` names those that fail on AppSync.
//!
//! With `APPSYNC_ENDPOINT` and `APPSYNC_API_KEY` set, the cases run against that server (with
//! the times of stg); time that a case moves is then waited for, and cases that need
//! settings of their own print so and start their own server. `MESH_SPEC_STORE` (`memory`,
//! `embedded`, `dynamodb` or `appsync`) chooses one deployment, or which one the server outside
//! is. `MESH_TEST_CA` names certificates to trust.

#[macro_use(apply)]
extern crate macro_rules_attribute;

#[macro_use]
mod harness;

mod answers;
#[cfg(feature = "lambda")]
mod appsync_only;
mod authority;
mod bad_frames;
mod bad_input;
#[cfg(feature = "bench")]
mod bench;
mod browsers;
mod check;
mod cloud;
mod command_line;
#[cfg(feature = "costs")]
mod costs;
mod dissolving;
mod docs;
#[cfg(feature = "doctor")]
mod doctor;
mod domains;
mod durability;
mod editor_polls;
mod errors;
mod event_log;
mod events;
mod groups;
mod http;
mod idiom;
mod installed;
#[cfg(feature = "lambda")]
mod instances;
mod join_codes;
mod keys;
#[cfg(feature = "lambda")]
mod lambda;
mod lesson_control;
mod logs;
#[cfg(all(feature = "bench", feature = "lambda"))]
mod matrix;
mod memory;
mod metrics;
mod nodes;
mod order;
mod origins;
mod pages;
mod policy;
mod polling;
mod privacy;
mod public_files;
mod quotas;
mod rate_limits;
mod realtime_appsync;
mod realtime_credentials;
mod realtime_legacy;
mod realtime_transport;
mod restarts;
mod resume;
mod schema;
mod settings;
mod slow_readers;
mod sse;
mod statuses;
mod subscription;
mod supply_chain;
mod support;
mod time;
#[cfg(feature = "oidc")]
mod tokens;
mod unread_answers;
mod upgrades;

fn main() -> std::process::ExitCode {
    harness::run()
}

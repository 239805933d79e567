//! What an operator does with the DynamoDB table of an environment.

use std::io::{BufRead as _, Write as _, stdout};
use std::sync::Arc;

use anyhow::Context as _;

use crate::config::dynamodb::{GroupCommand, TableArgs, TableCommand};
use crate::config::{ServeArgs, StageSettings};
use crate::model::ids::GroupId;
use crate::model::limits::Limits;
use crate::model::rules::{Rules, Timings};
use crate::store::Publisher;
use crate::store::dynamodb::client::{self, Client, Settings};
use crate::store::dynamodb::{DynamoDb, table};

/// The store, on a table that is there and fit for use.
pub async fn store(
    args: &ServeArgs,
    settings: &StageSettings,
    publisher: Arc<dyn Publisher>,
) -> anyhow::Result<DynamoDb> {
    let reach = args.dynamodb.settings(args.stage);
    let client = client::client(&reach).await;
    let usable = table::check(&client, &reach.table).await;
    usable.map_err(with_hint)?;
    let store = DynamoDb::with_client(client, reach, settings.rules, settings.limits);
    Ok(store.within(&settings.memory).publishing_to(publisher))
}

/// Reads what a start would read of the table.
pub fn check(args: &ServeArgs) -> anyhow::Result<()> {
    run(async {
        let reach = args.dynamodb.settings(args.stage);
        let client = client::client(&reach).await;
        let usable = table::check(&client, &reach.table).await;
        usable.map_err(with_hint)
    })
}

/// The error, with what to do when the table cannot be read.
fn with_hint(error: table::Error) -> anyhow::Error {
    let unreachable = matches!(error, table::Error::Failed(_));
    let error = anyhow::Error::new(error);
    if unreachable {
        error.context(
            "cannot use DynamoDB: look at --dynamodb-endpoint, AWS_REGION and the AWS \
             credentials, which need dynamodb:DescribeTable",
        )
    } else {
        error
    }
}

/// `mesh-v2 table …`.
pub fn table(command: &TableCommand) -> anyhow::Result<()> {
    run(async {
        match command {
            TableCommand::Create {
                service,
                table: args,
            } => {
                let (settings, client) = reach(args).await;
                table::create(&client, &settings.table, args.stage.name(), service).await?;
                writeln!(stdout(), "made the table {}", settings.table)?;
            }
            TableCommand::Show { table: args } => {
                let (settings, client) = reach(args).await;
                show(&table::show(&client, &settings.table).await?)?;
            }
            TableCommand::Delete { yes, table: args } => {
                let (settings, client) = reach(args).await;
                let shown = table::show(&client, &settings.table).await?;
                if !yes && !agreed(&shown.name)? {
                    anyhow::bail!("the table {} stays", shown.name);
                }
                table::delete(&client, &shown.name).await?;
                writeln!(stdout(), "deleted the table {}", shown.name)?;
            }
        }
        Ok(())
    })
}

/// `mesh-v2 group …`.
pub fn group(command: &GroupCommand) -> anyhow::Result<()> {
    let GroupCommand::Show { id, table: args } = command;
    run(async {
        let (settings, client) = reach(args).await;
        table::check(&client, &settings.table).await?;
        let id = GroupId::parse("groupId", id)?;
        // No liveness rule: the group is shown as it is stored.
        let rules = Rules::new(Timings::STG)?;
        let store = DynamoDb::with_client(client, settings, rules, Limits::default());
        let groups = store.groups_by_id(&id).await?;
        anyhow::ensure!(!groups.is_empty(), "there is no group {id} on this table");
        for group in groups {
            writeln!(stdout(), "group      {}", group.key)?;
            writeln!(stdout(), "name       {}", group.name)?;
            writeln!(stdout(), "host       {}", group.host)?;
            writeln!(stdout(), "made       {}", group.created_at)?;
            writeln!(stdout(), "heartbeat  {}", group.heartbeat_at)?;
            writeln!(stdout(), "ends       {}", group.expires_at)?;
            writeln!(stdout(), "WebSocket  {}", group.delivery.uses_websocket())?;
        }
        Ok(())
    })
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(work)
}

async fn reach(args: &TableArgs) -> (Settings, Client) {
    let settings = args.dynamodb.settings(args.stage);
    let client = client::client(&settings).await;
    (settings, client)
}

fn show(shown: &table::Description) -> std::io::Result<()> {
    writeln!(stdout(), "table    {}", shown.name)?;
    writeln!(stdout(), "arn      {}", shown.arn)?;
    writeln!(stdout(), "status   {}", shown.status)?;
    writeln!(stdout(), "records  about {}", shown.records)?;
    writeln!(stdout(), "indexes  {}", shown.indexes.join(", "))?;
    writeln!(
        stdout(),
        "ttl      {}",
        shown.ttl.as_deref().unwrap_or("off")
    )?;
    Ok(())
}

/// Asks for a confirmation before the table is deleted.
fn agreed(table: &str) -> anyhow::Result<bool> {
    print!("Everything in {table} will be lost. Type its name to delete it: ");
    std::io::stdout().flush()?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    Ok(typed.trim() == table)
}

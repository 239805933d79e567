//! `mesh-v2 store`: backup, restore and repair of the embedded store's data.

use std::io::Write as _;

use crate::config::data::StoreCommand;
use crate::store::embedded::offline;

/// Runs a command and prints what it did.
pub fn run(command: &StoreCommand) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match command {
        StoreCommand::Backup { file, data } => {
            let copied = offline::backup(&data.data, file)?;
            let (records, file) = (copied.records, file.display());
            writeln!(out, "{records} records are in {file}")?;
        }
        StoreCommand::Restore { file, data } => {
            let copied = offline::restore(file, &data.data)?;
            let (records, data) = (copied.records, data.data.display());
            writeln!(out, "{records} records are in {data}; start the server now")?;
        }
        StoreCommand::Repair { data } => {
            let (copied, damaged) = offline::repair(&data.data)?;
            let offline::Copied {
                records,
                lost,
                lost_bytes,
            } = copied;
            writeln!(
                out,
                "kept {records} records, lost {lost} lines of {lost_bytes} bytes\n\
                 the damaged file is {}; it holds pupils' data: delete it when you need it no more",
                damaged.display()
            )?;
        }
    }
    Ok(())
}

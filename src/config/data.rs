//! The commands for a data folder.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with the embedded store's data.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy the data to a new file; the server may be running.
    ///
    /// Everything that was answered before is in the copy. The file holds pupils' names and
    /// values, and only its owner can read it; delete it when it is no longer needed.
    Backup {
        /// The file to make
        file: PathBuf,
        /// The folder.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Make a backup the data of a folder that has none.
    Restore {
        /// The backup
        file: PathBuf,
        /// The folder.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Keep what is intact of damaged data, and say what is lost.
    ///
    /// The damaged file stays beside it under another name.
    Repair {
        /// The folder.
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Where the data is.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// The embedded store's folder
    #[arg(long, env = "MESH_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
}

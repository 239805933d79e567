//! The examples of the docs are what a server answers. With `MESH_BLESS=1` the answers in
//! the files are written anew instead of compared.

mod api;
mod events;
mod links;
mod page;
mod protocols;
mod shown;

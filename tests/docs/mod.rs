//! The documents.

mod commands;
mod defaults;
mod documents;
mod pages;
mod style;
mod supply;

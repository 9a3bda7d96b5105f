//! The documents.

mod commands;
mod documents;
mod pages;
mod style;

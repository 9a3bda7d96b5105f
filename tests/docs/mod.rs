//! The documents.

mod documents;
mod style;

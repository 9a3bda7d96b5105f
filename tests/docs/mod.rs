//! The documents.

mod documents;

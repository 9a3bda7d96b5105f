//! What `crates/model` judges and orders, on a store in memory.

mod alerts;
mod audit;
mod drive;
mod fuzz_corpus;
mod interleavings;
mod old_records;
mod reconcile;
mod report;
mod verify;

//! The judgements and orders of `crates/model`, on a store in memory.

mod alerts;
mod audit;
mod engine;
mod fuzz_corpus;
mod interleavings;
mod old_records;
mod real_records;
mod reconcile;
mod report;
mod verify;

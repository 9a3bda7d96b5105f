//! All tests that need more than one crate, in one binary: one link, one list.

mod actions;
mod alarms;
mod alerts;
mod audit;
mod bench;
mod command;
mod deployed;
mod documents;
mod drive;
mod fuzz_corpus;
mod groups;
mod instances;
mod interleavings;
mod old_records;
mod properties;
mod reconcile;
mod regions;
mod report;
mod restrictions;
mod size;
mod story;
mod sweep;
mod toy;
mod worked_example;
mod world;
mod world_tests;

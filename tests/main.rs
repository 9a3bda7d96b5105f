//! All tests that need more than one crate, in one binary: one link, one list.

mod actions;
mod alerts;
mod bench;
mod command;
mod deployed;
mod documents;
mod drive;
mod groups;
mod instances;
mod interleavings;
mod properties;
mod regions;
mod report;
mod size;
mod story;
mod sweep;
mod toy;
mod worked_example;
mod world;
mod world_tests;

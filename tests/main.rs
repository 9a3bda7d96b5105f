//! All tests that need more than one crate, in one binary: one link, one list.

mod actions;
mod deployed;
mod command;
mod alerts;
mod bench;
mod drive;
mod sweep;
mod toy;
mod world;
mod worked_example;

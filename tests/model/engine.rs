//! The promises of the sequencer and of the life of runs, each promise a story: lamps, alerts, people, rollbacks.

mod abandon;
mod again;
mod approvals;
mod approved;
mod behind;
mod doubts;
mod drift;
mod holds;
mod ledger;
mod meanwhile;
mod rescan;
mod rescans;
mod rest;
mod runs;
mod steps;
mod story;
mod units;

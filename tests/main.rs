//! All tests that need more than one crate, in one binary: one link, one list. Each folder is named after what it proves.

mod account;
mod actions;
mod cli;
mod deployed;
mod docs;
mod model;
mod testkit;

use guardrails_testkit::{bench, toy};
use guardrails_world::{self as world, story};

//! All tests that need more than one crate, in one binary: one link, one list. Each folder has the name of its subject.

mod account;
mod actions;
mod cli;
mod deployed;
mod docs;
mod model;
mod testkit;

use guardrails_testkit::{fake_action, harness};
use guardrails_world::{self as world, story};

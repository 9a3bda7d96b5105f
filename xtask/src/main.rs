//! The tasks that are done to this project rather than with it: `cargo xtask <command>`, with nothing to install first.

mod advisories;
mod bench;
mod demo;
mod explore;
mod flaky;
mod functions;
mod fuzz;
mod generate;
mod peers;
mod rights;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks that are done to this project rather than with it.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Holds the dependencies against the advisories of `RustSec`. Needs cargo-deny and GitHub.
    Advisories,
    /// Measures how the product fares with size, and writes docs/benchmarks.md.
    Bench(bench::Args),
    /// Shows on a local AWS how a guardrail is enforced and rolled back. Also `cargo demo`.
    Demo(demo::Args),
    /// Goes through every interleaving of runs over one facet, up to a bound.
    Explore(explore::Args),
    /// Runs the deployed tests many times, alone and under load, to find those that fail at times.
    Flaky(flaky::Args),
    /// Fuzzes the readers of alerts, of guardrails.yaml, of the ledger and of the wire. Needs cargo-fuzz.
    Fuzz(fuzz::Args),
    /// Builds the functions' program as Lambda starts it, into target/functions.
    Functions(functions::Args),
    /// Writes the files that follow from the code: policies, the schema, the reference pages.
    Generate(generate::Args),
    /// Stops and starts the same resources with Cloud Custodian and with this product, and writes docs/peers.md.
    Peers(peers::Args),
    /// Builds the functions twice, in two folders, and says whether they are the same.
    Reproduce(functions::Args),
    /// Holds the calls that the deployed functions make against their grants. Needs Node.js.
    Rights(rights::Args),
    /// Tries the deployed stack with faults between the functions and AWS, scenario by scenario, each from a seed.
    Soak(soak::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Xtask::parse().command {
        Command::Advisories => advisories::run(&root()),
        Command::Bench(args) => Box::pin(bench::run(&root(), &args)).await,
        Command::Demo(args) => Box::pin(demo::run(&args)).await,
        Command::Explore(args) => explore::run(&args),
        Command::Flaky(args) => flaky::run(&root(), &args),
        Command::Functions(args) => functions::run(&root(), &args),
        Command::Fuzz(args) => fuzz::run(&root(), &args),
        Command::Generate(args) => generate::run(&root(), &args),
        Command::Peers(args) => Box::pin(peers::run(&root(), &args)).await,
        Command::Reproduce(args) => functions::reproduce(&root(), &args),
        Command::Rights(args) => rights::run(&root(), &args),
        Command::Soak(args) => Box::pin(soak::run(&args)).await,
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The workspace's folder.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

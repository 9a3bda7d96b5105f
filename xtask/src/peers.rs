//! `cargo xtask peers`: Cloud Custodian and this product stop the same resources and bring them back, each on a local AWS of its own.
//! It writes the states that each left behind to docs/peers.md. A program and no test: it takes a package index.

mod custodian;
mod page;
mod product;
mod world;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use guardrails_local_aws::{LocalAws, Options, programs};

use custodian::Custodian;
use product::Product;
use world::{States, World};

/// The options of the comparison.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the page, and write nothing.
    #[arg(long)]
    print: bool,
}

/// The state machine's waits are seconds; here they are tenths.
const WAIT_SCALE: f64 = 0.05;

/// The states of all resources at the three moments of one program, and its output.
pub struct Outcome {
    before: States,
    stopped: States,
    back: States,
    output: String,
}

/// Runs both, and writes the page.
///
/// # Errors
/// When something cannot be installed, built or started, or a program fails.
pub async fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    let folder = root.join("xtask/src/peers");
    let scratch = tempfile::tempdir().context("making a scratch folder")?;
    eprintln!("installing Cloud Custodian, and building the functions and the command");
    let custodian = Custodian::install(root, scratch.path())?;
    let guardrails = tokio::task::spawn_blocking(programs::build).await??;

    eprintln!("Cloud Custodian stops and starts");
    let local = start().await?;
    let world = World::seed(&local, custodian.python(), &folder)?;
    let before = world.states(&local)?;
    let mut output = custodian.run(&local, &folder.join("stop.yml"))?;
    let stopped = world.states(&local)?;
    output += &custodian.run(&local, &folder.join("start.yml"))?;
    let theirs = Outcome { before, stopped, back: world.states(&local)?, output };

    eprintln!("the product stops and rolls back");
    let local = start().await?;
    let product = Product::deploy(&local, guardrails, &folder.join("guardrails.yaml"))?;
    let world = World::seed(&local, custodian.python(), &folder)?;
    let before = world.states(&local)?;
    let output = product.stop(&local)?;
    let stopped = world.states(&local)?;
    product.roll_back(&local)?;
    let ours = Outcome { before, stopped, back: world.states(&local)?, output };

    ensure!(theirs.before == ours.before, "the two began with different resources");
    let page = page::write(custodian.version(), &theirs, &ours)?;
    if args.print {
        println!("{page}");
    } else {
        let path = root.join("docs/peers.md");
        std::fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn start() -> Result<LocalAws> {
    Ok(LocalAws::start(Options { wait_scale: WAIT_SCALE, ..Options::default() }).await?)
}

/// The output of a command that has to succeed, stderr after stdout.
fn said(command: &mut std::process::Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?} ended with {}:\n{out}{err}", output.status);
    Ok(format!("{out}{err}"))
}

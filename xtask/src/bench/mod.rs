//! `cargo xtask bench`: how the product fares with size, measured on a local AWS and written to docs/benchmarks.md. A program and
//! no test: its figures depend on the machine.

mod builds;
mod calls;
mod functions;
mod runtime_api;
mod sdk_crates;
mod stack;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use guardrails_local_aws::programs;

/// The options of the bench.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Args {
    /// Numbers of instances; the ratios are to the first.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 100, 1_000, 4_000])]
    sizes: Vec<usize>,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// How often each function is started.
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// Only the functions: how large their program is, how fast they start, and how much memory they take. Nothing is written.
    #[arg(long)]
    functions_only: bool,
    /// With `--functions-only`: the folder with the functions' program, such as `target/functions/x86_64`; built when left out.
    #[arg(long, requires = "functions_only")]
    functions: Option<PathBuf>,
    /// With `--functions-only`: a folder with another version's programs, which are measured side by side.
    #[arg(long, requires = "functions_only")]
    against: Option<PathBuf>,
    /// Only how long the functions of these checkouts take to build, one after the other. Nothing is written.
    #[arg(long, value_name = "CHECKOUT")]
    builds: Vec<PathBuf>,
    /// With `--builds`: how large the folder of a debug build of everything becomes, too.
    #[arg(long, requires = "builds")]
    debug_folder: bool,
    /// Only the weight of each crate of the AWS SDK, in one debug build from nothing. Nothing is written.
    #[arg(long)]
    sdk_crates: bool,
    /// Measure debug builds, to try the bench itself: nothing is written.
    #[arg(long)]
    debug_builds: bool,
}

/// Runs all measurements, and writes the page.
///
/// # Errors
/// When something cannot be built or started, or a run does not end as it should.
pub async fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(!args.sizes.is_empty() && args.repetitions > 0 && args.starts > 0, "nothing to measure");
    let mut page = header(args)?;
    if args.sdk_crates {
        sdk_crates::measure(root, &mut page)?;
        println!("{page}");
        return Ok(ExitCode::SUCCESS);
    }
    if !args.builds.is_empty() {
        builds::measure(&args.builds, args.debug_folder, &mut page)?;
        println!("{page}");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = &args.functions {
        functions::measure(folder, args.against.as_deref(), args.starts, &mut page).await?;
        println!("{page}");
        return Ok(ExitCode::SUCCESS);
    }
    let command = build(args).await?;
    let folder = command.parent().context("the command is in no folder")?;
    functions::measure(folder, args.against.as_deref(), args.starts, &mut page).await?;
    if !args.functions_only {
        calls::measure(root, &mut page).await?;
        stack::measure(&command, &args.sizes, args.repetitions, &mut page).await?;
    }
    if args.debug_builds || args.functions_only {
        println!("{page}");
    } else {
        let path = root.join("docs/benchmarks.md");
        std::fs::create_dir_all(root.join("docs")).and_then(|()| std::fs::write(&path, page)).context("writing the page")?;
        eprintln!("wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn build(args: &Args) -> Result<PathBuf> {
    eprintln!("building the functions and the command");
    let mut cargo = programs::cargo();
    if !args.debug_builds && cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo.stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || cargo.output()).await?.context("running cargo")?;
    Ok(programs::guardrails(&output)?)
}

fn header(args: &Args) -> Result<String> {
    let memory = std::fs::read_to_string("/proc/meminfo").context("reading how much memory there is")?;
    let kilobytes = memory.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).context("no MemTotal")?;
    let cores = std::thread::available_parallelism()?;
    let builds = if args.debug_builds { "debug" } else { "release" };
    let mut page = String::new();
    writeln!(
        page,
        "# Benchmarks\n\nWritten by `cargo xtask bench`: {builds} builds, on a machine of {cores} cores and {} GiB.",
        kilobytes >> 20
    )?;
    writeln!(
        page,
        "What a step costs of the ledger, and how long EC2's limits make a run of 10,000, is not measured but tested:"
    )?;
    writeln!(page, "[tests/actions/size.rs](../tests/actions/size.rs).")?;
    Ok(page)
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

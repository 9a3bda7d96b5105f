//! The functions' program: how many bytes are uploaded, how soon each function asks for its first invocation, and how much memory
//! it takes. With another version's programs beside it, in one run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use guardrails_template::artifacts::{PROGRAM, SMALLEST, functions, zip};

use super::median;
use super::runtime_api::{Start, start};

/// The medians of one function.
struct Medians {
    /// In milliseconds.
    asked: f64,
    /// In MiB.
    idle: f64,
    peak: f64,
}

/// Measures each function of the programs in `folder`, and of those in `against`.
///
/// # Errors
/// When a program is not there, or does not do as a function does.
pub async fn measure(folder: &Path, against: Option<&Path>, starts: usize, page: &mut String) -> Result<()> {
    writeln!(
        page,
        "\n## Functions\n\nFrom the start of the process to its first question to the Runtime API, and its peak memory until then and until\n\
         its first invocation was answered, of which a stand-in of AWS refused the first call. Medians of {starts} starts.\n"
    )?;
    uploads(folder, against, page)?;
    let others = against.map_or("", |_| " other: starts in | ratio | memory | ratio | after one invocation | ratio |");
    writeln!(page, "| function | starts in | memory | after one invocation |{others}")?;
    writeln!(page, "| --- | ---: | ---: | ---: |{}", against.map_or(String::new(), |_| " ---: |".repeat(6)))?;
    for function in functions() {
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for _ in 0..starts {
            // One after the other, so that other work of the machine meets both.
            ours.push(start(&program(folder, function), function).await?);
            if let Some(against) = against {
                others.push(start(&program(against, function), function).await?);
            }
        }
        let ours = medians(&ours);
        write!(page, "| `{function}` | {:.1} ms | {:.1} MiB | {:.1} MiB |", ours.asked, ours.idle, ours.peak)?;
        if against.is_some() {
            let other = medians(&others);
            for (ours, other, unit) in
                [(ours.asked, other.asked, "ms"), (ours.idle, other.idle, "MiB"), (ours.peak, other.peak, "MiB")]
            {
                write!(page, " {other:.1} {unit} | {:.2} |", ours / other)?;
            }
        }
        writeln!(page)?;
    }
    Ok(())
}

/// The program of a function: its own where there is one, as versions before the one program had it.
fn program(folder: &Path, function: &str) -> PathBuf {
    let own = folder.join(function);
    if own.is_file() { own } else { folder.join(PROGRAM) }
}

/// The bytes of all zips together, as packed for Lambda.
fn uploads(folder: &Path, against: Option<&Path>, page: &mut String) -> Result<()> {
    let mut sums = Vec::new();
    for folder in [Some(folder), against].into_iter().flatten() {
        let mut programs: Vec<PathBuf> = functions().into_iter().map(|function| program(folder, function)).collect();
        programs.sort();
        programs.dedup();
        let mut sum = 0;
        for path in &programs {
            let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            sum += zip(&bytes, SMALLEST)?.len();
        }
        sums.push((programs.len(), sum));
    }
    for ((programs, sum), whose) in sums.iter().zip(["To upload", "Of the other version"]) {
        writeln!(page, "{whose}: {sum} bytes ({programs} zip{}).", if *programs == 1 { "" } else { "s" })?;
    }
    writeln!(page)?;
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "thousands of KiB")]
fn medians(starts: &[Start]) -> Medians {
    let of = |value: fn(&Start) -> f64| median(starts.iter().map(value).collect());
    Medians {
        asked: of(|start| start.asked.as_secs_f64() * 1000.0),
        idle: of(|start| start.idle as f64 / 1024.0),
        peak: of(|start| start.peak as f64 / 1024.0),
    }
}

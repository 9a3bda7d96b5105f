//! The weight of each crate of the AWS SDK: the time that it takes to compile, and the bytes that it adds to the functions' program.
//! Both are of one debug build from nothing. CPU time is measured, so that other work on the machine hardly matters.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use guardrails_local_aws::programs;

/// A crate's seconds and bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Weight {
    seconds: f64,
    bytes: u64,
}

/// Builds the functions in a folder of their own, and measures.
///
/// # Errors
/// When they cannot be built, or the linker writes no map.
pub fn measure(root: &Path, page: &mut String) -> Result<()> {
    let folder = root.join("target/bench-sdk");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    programs::forget_caller(&mut cargo);
    cargo.args(["build", "--package", "guardrails-lambdas", "--target-dir"]).arg(folder.join("build"));
    cargo.env("RUSTC_WRAPPER", root.join("xtask/src/bench/rustc.sh")).env("GUARDRAILS_WEIGHTS", &folder);
    let status = cargo.current_dir(root).stdin(Stdio::null()).status().context("running cargo")?;
    ensure!(status.success(), "{cargo:?} ended with {status}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("reading the build's {name}"));
    section(page, &weights(&read("times")?, &read("map")?))?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

/// Each crate's, from lines of `rustc.sh` and the linker's map.
fn weights(times: &str, map: &str) -> BTreeMap<String, Weight> {
    let mut weights = BTreeMap::<String, Weight>::new();
    for line in times.lines() {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        weights.entry(name.to_owned()).or_default().seconds += words.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>();
    }
    for (name, bytes) in map.lines().filter_map(part) {
        weights.entry(name.to_owned()).or_default().bytes += bytes;
    }
    weights
}

/// A line of lld's map about a part of an input: the addresses, the size in hexadecimal, the alignment, and
/// `libNAME-HASH.rlib(OBJECT):(SECTION)`.
fn part(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split_whitespace();
    let size = u64::from_str_radix(words.nth(2)?, 16).ok()?;
    let (archive, section) = words.nth(1)?.split_once(".rlib(")?;
    let in_memory = section.split_once(":(").is_some_and(|(_, section)| !section.starts_with(".debug"));
    let name = archive.rsplit('/').next()?.strip_prefix("lib")?;
    in_memory.then_some((name.rsplit_once('-').map_or(name, |(name, _)| name), size))
}

fn section(page: &mut String, weights: &BTreeMap<String, Weight>) -> Result<()> {
    writeln!(
        page,
        "\n## SDK crates\n\n\
         `cargo xtask bench --sdk-crates` measures one debug build of the functions from nothing. Seconds are CPU time of the compiler.\n\
         Bytes are the parts of the program that the linker takes from the crate. Generic code counts for the crate that uses it.\n"
    )?;
    writeln!(page, "| crate | compiles in | adds to the program |\n| --- | ---: | ---: |")?;
    let mut sdk: Vec<_> = weights.iter().filter(|(name, _)| name.starts_with("aws_sdk_")).collect();
    sdk.sort_by(|(_, one), (_, other)| other.seconds.total_cmp(&one.seconds));
    for (name, weight) in sdk {
        row(page, &format!("`{}`", name.replace('_', "-")), *weight)?;
    }
    let all = weights
        .values()
        .fold(Weight::default(), |all, one| Weight { seconds: all.seconds + one.seconds, bytes: all.bytes + one.bytes });
    row(page, "all crates of the build", all)
}

fn row(page: &mut String, name: &str, weight: Weight) -> Result<()> {
    writeln!(page, "| {name} | {:.1} s | {} KiB |", weight.seconds, weight.bytes >> 10).context("writing the table")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
             VMA              LMA     Size Align Out     In      Symbol
          2a7000           2a7000   40 16         /b/deps/libaws_sdk_rds-0a1b.rlib(aws_sdk_rds.c-cgu.0.rcgu.o):(.text.one)
          2a7000           2a7000   40  1                 one
          2a7040           2a7040   10 16         /b/deps/libaws_sdk_rds-0a1b.rlib(aws_sdk_rds.c-cgu.0.rcgu.o):(.rodata.two)
               0                0  999  1         /b/deps/libaws_sdk_rds-0a1b.rlib(aws_sdk_rds.c-cgu.0.rcgu.o):(.debug_line)
          2a7050           2a7050    8  1         /b/deps/guardrails_functions.main.o:(.text.main)
";

    #[test]
    fn times_and_parts_of_a_crate_are_summed() {
        let weights = weights("aws_sdk_rds 1.5 0.25\nserde 2.0 0\naws_sdk_rds 1.0 0.25\n", MAP);
        assert_eq!(weights["aws_sdk_rds"], Weight { seconds: 3.0, bytes: 0x50 });
        assert_eq!(weights["serde"], Weight { seconds: 2.0, bytes: 0 });
        assert_eq!(weights.len(), 2);
    }
}

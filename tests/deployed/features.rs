//! Cargo builds the product once: with the tests and without them, each dependency has the same features.

use std::collections::BTreeSet;
use std::process::Command;

use guardrails_local_aws::programs;

use super::lab::text;

/// The packages, each with its features, that cargo builds for these arguments.
fn packages(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--prefix", "none", "--format", "{p} {f}"]).args(arguments);
    programs::forget_caller(&mut cargo);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| line.trim_end_matches(" (*)").replace("(proc-macro) ", "")).collect()
}

#[test]
fn product_has_the_same_features_with_and_without_the_tests() {
    let mut product = vec!["--edges", "normal,build"];
    product.extend(programs::PACKAGES.into_iter().flat_map(|package| ["--package", package]));
    let product = packages(&product);
    let all = packages(&["--workspace", "--edges", "normal,build,dev"]);
    let twice: Vec<&String> = product.difference(&all).collect();
    assert!(product.len() > 100 && twice.is_empty(), "these are compiled twice: {twice:#?}; see the end of xtask/Cargo.toml");
}

//! The packages of others that build or judge the product: each is pinned, with the hash of its files.

use std::fs;
use std::path::{Path, PathBuf};

use super::documents::root;

/// The files with pins of Python packages.
const PYTHON: [&str; 3] = [".ci/requirements", "verification/local-aws/launcher", "xtask"];

fn requirements() -> Vec<PathBuf> {
    let files = PYTHON.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap()).map(|file| file.unwrap().path());
    let is_pins = |path: &PathBuf| {
        let folder = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "requirements");
        path.extension().is_some_and(|end| end == "txt") && (folder || path.to_string_lossy().contains("requirements"))
    };
    files.filter(is_pins).collect()
}

/// The packages in `pins` that have no hash, or no exact version.
fn unhashed(pins: &str) -> Vec<String> {
    let joined = pins.replace("\\\n", " ");
    let packages = joined.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    packages.filter(|line| !line.contains("==") || !line.contains("--hash=sha256:")).map(str::to_owned).collect()
}

#[test]
fn every_python_package_is_pinned_with_its_hash() {
    let files = requirements();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        assert_eq!(unhashed(&fs::read_to_string(&file).unwrap()), Vec::<String>::new(), "{}", file.display());
    }
    assert_eq!(unhashed("six==1.17.0\nattrs \\\n    --hash=sha256:00\n").len(), 2, "a control");
}

#[test]
fn every_npm_package_is_pinned_with_its_hash() {
    for lock in [".ci/npm/package-lock.json", "xtask/rights/package-lock.json"] {
        let text = fs::read_to_string(root().join(lock)).unwrap();
        let lock: serde_json::Value = serde_json::from_str(&text).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")), "{name}");
            assert!(package["resolved"].is_null(), "{name} names a registry: it comes from the one that npm is set to");
        }
        assert!(packages.len() > 2);
    }
}

/// Without it cargo resolves anew, past Cargo.lock, for a program that works with a deployer's rights.
#[test]
fn every_shown_installation_by_cargo_is_locked() {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|page| page.unwrap().path());
    let pages = pages.chain(["README.md", "CONTRIBUTING.md"].map(|page| root().join(page)));
    let mut shown = 0;
    for page in pages.filter(|page| page.extension().is_some_and(|end| end == "md")) {
        for line in fs::read_to_string(&page).unwrap().lines().filter(|line| line.contains("cargo install ")) {
            shown += 1;
            assert!(line.contains("--locked"), "{}: {line}", page.display());
        }
    }
    assert!(shown >= 2);
}

//! The results: a JSON object a line, one for each round that came to its end.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The load that a round runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Load {
    /// Nothing beside it.
    Alone,
    /// Cargo builds beside it.
    BesideBuild,
    /// It has one core.
    OneCore,
}

impl Load {
    pub(super) const ALL: [Self; 3] = [Self::Alone, Self::BesideBuild, Self::OneCore];
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alone => "alone",
            Self::BesideBuild => "beside-build",
            Self::OneCore => "one-core",
        })
    }
}

/// A round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Round {
    /// The digest of the programs that ran.
    pub(super) program: String,
    /// The part of the names by which the tests were chosen.
    pub(super) filter: String,
    pub(super) load: Load,
    /// The number of the round among those of its load. The order of its tests follows from it.
    pub(super) seed: u32,
    /// The time at which it began.
    pub(super) at: String,
    pub(super) seconds: f64,
    /// How many tests passed.
    pub(super) passed: usize,
    /// The tests that failed, or were under way when the tests' program died.
    pub(super) failed: Vec<String>,
    /// How the tests' program ended.
    pub(super) ended: String,
    /// The seconds that each test took.
    pub(super) times: BTreeMap<String, f64>,
    /// The output of the tests.
    pub(super) log: PathBuf,
}

impl Round {
    /// Did tests run, and did all of them pass?
    pub(super) fn is_passed(&self) -> bool {
        self.passed > 0 && self.failed.is_empty() && self.ended == PASSED
    }
}

/// How the tests' program ends when all tests passed.
pub(super) const PASSED: &str = "exit status: 0";

/// The rounds of one set of programs and one filter, and the file with these and others.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) rounds: Vec<Round>,
    file: File,
}

impl Results {
    /// Reads the file, where there is one. A last line that was cut off counts as a round that did not come to its end.
    pub(super) fn open(path: &Path, program: &str, filter: &str) -> Result<Self> {
        let context = || format!("opening {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).with_context(context)?;
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.with_context(context)?,
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path).with_context(context)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").with_context(context)?;
        }
        let rounds = text.lines().filter_map(|line| serde_json::from_str::<Round>(line).ok());
        let rounds = rounds.filter(|round| round.program == program && round.filter == filter).collect();
        Ok(Self { rounds, file })
    }

    /// Was this round run before?
    pub(super) fn has(&self, load: Load, seed: u32) -> bool {
        self.rounds.iter().any(|round| round.load == load && round.seed == seed)
    }

    /// Writes a round down.
    pub(super) fn add(&mut self, round: Round) -> Result<()> {
        let line = format!("{}\n", serde_json::to_string(&round)?);
        self.file.write_all(line.as_bytes()).context("writing the results")?;
        self.rounds.push(round);
        Ok(())
    }
}

/// A digest of these files: other programs begin anew.
pub(super) fn digest(files: &[PathBuf]) -> Result<String> {
    let mut digest = Sha256::new();
    for file in files {
        let mut file = File::open(file).with_context(|| format!("reading {}", file.display()))?;
        io::copy(&mut file, &mut digest)?;
    }
    Ok(format!("{:x}", digest.finalize())[..12].to_owned())
}

/// The files of a folder and of those in it, in a fixed order.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(load: Load, seed: u32) -> Round {
        Round {
            program: "p".to_owned(),
            filter: "f".to_owned(),
            load,
            seed,
            at: String::new(),
            seconds: 1.0,
            passed: 1,
            failed: Vec::new(),
            ended: PASSED.to_owned(),
            times: BTreeMap::new(),
            log: PathBuf::new(),
        }
    }

    #[test]
    fn rounds_that_were_run_are_known_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flaky/results.jsonl");
        Results::open(&path, "p", "f").unwrap().add(round(Load::Alone, 1)).unwrap();
        let again = Results::open(&path, "p", "f").unwrap();
        assert!(again.has(Load::Alone, 1) && !again.has(Load::Alone, 2) && !again.has(Load::OneCore, 1));
        for (program, filter) in [("other", "f"), ("p", "other")] {
            assert!(!Results::open(&path, program, filter).unwrap().has(Load::Alone, 1), "{program} {filter}");
        }
    }

    #[test]
    fn changed_file_of_the_launcher_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("services/ec2.py");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let digest_with = |text: &str| {
            fs::write(&file, text).unwrap();
            digest(&files(folder.path()).unwrap()).unwrap()
        };
        assert_eq!(digest_with("one"), digest_with("one"));
        assert_ne!(digest_with("one"), digest_with("other"));
    }

    #[test]
    fn half_written_line_costs_only_its_own_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        fs::write(&path, format!("{}\n{{\"program\": \"p", serde_json::to_string(&round(Load::Alone, 1)).unwrap())).unwrap();
        Results::open(&path, "p", "f").unwrap().add(round(Load::Alone, 2)).unwrap();
        let again = Results::open(&path, "p", "f").unwrap();
        assert!(again.has(Load::Alone, 1) && again.has(Load::Alone, 2));
    }

    #[test]
    fn round_without_tests_or_with_a_bad_end_is_not_passed() {
        let good = round(Load::Alone, 1);
        assert!(good.is_passed());
        assert!(!Round { passed: 0, ..good.clone() }.is_passed());
        assert!(!Round { failed: vec!["t".to_owned()], ..good.clone() }.is_passed());
        assert!(!Round { ended: "signal: 9 (SIGKILL)".to_owned(), ..good }.is_passed());
    }
}

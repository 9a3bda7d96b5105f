//! The project's own Python virtual environments, such as that of the local AWS. Each is made once for its set of pins and each
//! Python, under cargo's target folder, so that nothing is installed outside of the checkout.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::Error;

/// How much of a failed command's output is shown: its end says why.
const OUTPUT_LINES: usize = 20;

/// A virtual environment.
#[derive(Debug)]
pub struct Venv {
    /// The file with its pins.
    requirements: PathBuf,
    /// The packages that can be imported in it once it is whole.
    imports: &'static str,
}

/// The launcher's.
pub(crate) fn local_aws() -> Venv {
    Venv::of(launcher().join("requirements.txt"), "httptools, ministack, uvicorn, yaml")
}

/// That of the fleets' own AWS.
pub(crate) fn fleets() -> Venv {
    Venv::of(launcher().join("requirements-fleets.txt"), "flask, flask_cors, moto")
}

/// Where the launcher and its pins are.
pub(crate) fn launcher() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("launcher")
}

impl Venv {
    /// One with the pins of `requirements`, in which `imports` can be imported.
    #[must_use]
    pub fn of(requirements: PathBuf, imports: &'static str) -> Self {
        Self { requirements, imports }
    }

    /// Its Python, if there is a whole one.
    pub(crate) fn find(&self) -> Result<Option<PathBuf>, Error> {
        let place = self.place()?;
        Ok(self.is_whole(&place).then(|| python_in(&place)))
    }

    /// Its Python; makes the virtual environment where there is none, or a broken one. It is looked at once in a process.
    ///
    /// # Errors
    /// When there is no Python that can, or no package index.
    pub fn ensure(&self) -> Result<PathBuf, Error> {
        static WHOLE: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());
        let mut whole = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(python) = whole.get(&self.requirements) {
            return Ok(python.clone());
        }
        let python = self.look_and_make()?;
        whole.insert(self.requirements.clone(), python.clone());
        Ok(python)
    }

    fn look_and_make(&self) -> Result<PathBuf, Error> {
        let place = self.place()?;
        if self.is_whole(&place) {
            return Ok(python_in(&place));
        }
        let folder = folder();
        fs::create_dir_all(&folder).map_err(Error::path("making", &folder))?;
        // Two processes may come here at once: the second waits, and finds the first one's.
        let lock = folder.join("lock");
        let lock = File::create(&lock).map_err(Error::path("writing", &lock))?;
        lock.lock().map_err(Error::path("locking", &folder))?;
        if !self.is_whole(&place) {
            self.make(&place)?;
        }
        Ok(python_in(&place))
    }

    /// Made beside its place and renamed, so that one that is there is whole.
    fn make(&self, place: &Path) -> Result<(), Error> {
        let beside = place.with_extension("new");
        remove(&beside)?;
        run(python3().args(["-m", "venv"]).arg(&beside)).map_err(|failed| match failed {
            Failed::Io(error) => Error::NoPython(error),
            Failed::Said(output) => Error::NoVenv { output },
        })?;
        let mut pip = Command::new(python_in(&beside));
        pip.args(["-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(&self.requirements)).map_err(|failed| match failed {
            Failed::Io(error) => Error::io("running pip")(error),
            Failed::Said(output) => Error::Pip { output },
        })?;
        remove(place)?;
        fs::rename(&beside, place).map_err(Error::path("moving the virtual environment to", place))
    }

    /// Whether it can be imported. A Python that was removed meanwhile, or a folder half deleted, is not whole.
    fn is_whole(&self, place: &Path) -> bool {
        let mut imports = Command::new(python_in(place));
        run(imports.args(["-I", "-c", &format!("import {}", self.imports)])).is_ok()
    }

    /// Another Python or other pins get another place.
    fn place(&self) -> Result<PathBuf, Error> {
        let python = python_identity()?;
        let pins = fs::read(&self.requirements).map_err(Error::path("reading", &self.requirements))?;
        let mut digest = Sha256::new();
        digest.update(&pins);
        digest.update(python);
        let digest = format!("{:x}", digest.finalize());
        Ok(folder().join(format!("venv-{}", &digest[..12])))
    }
}

/// Version and installation of the `python3` on the PATH, once it is new enough.
fn python_identity() -> Result<String, Error> {
    let ask =
        "import sys; print('.'.join(map(str, sys.version_info[:3])), sys.base_prefix); sys.exit(sys.version_info < (3, 10))";
    let mut identity = python3();
    identity.args(["-I", "-c", ask]);
    match run(&mut identity) {
        Ok(identity) => Ok(identity),
        Err(Failed::Io(error)) => Err(Error::NoPython(error)),
        Err(Failed::Said(found)) => Err(Error::OldPython { found: found.trim().to_owned() }),
    }
}

fn python3() -> Command {
    Command::new("python3")
}

fn python_in(venv: &Path) -> PathBuf {
    venv.join("bin/python")
}

/// Under cargo's target folder, wherever that is.
pub(crate) fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let workspace = workspace.canonicalize().unwrap_or(workspace);
    workspace.join(target).join("local-aws")
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::path("removing", folder)(error)),
        _ => Ok(()),
    }
}

enum Failed {
    Io(std::io::Error),
    Said(String),
}

/// The command's output on stdout; when it failed, the end of its whole output.
fn run(command: &mut Command) -> Result<String, Failed> {
    let output = command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").output().map_err(Failed::Io)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(said.into_owned());
    }
    let said = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    Err(Failed::Said(lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")))
}

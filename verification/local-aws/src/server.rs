//! One local AWS: a process that the fork server starts in a clean environment, and ends with all that it started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use tempfile::TempDir;

use crate::fork_server::{Event, ForkServer, Process};
use crate::{Error, Fleets, Kept, Options, venv};

/// The first one waits for all of AWS to be imported, which takes a second, and more on a machine that compiles at the same time.
const READY_LIMIT: Duration = Duration::from_mins(1);
const END_LIMIT: Duration = Duration::from_secs(5);
/// The folder with the state to begin with.
const SAVED: &str = "GUARDRAILS_SAVED";
/// The folder to which the launcher writes which calls roles made.
const CALLS: &str = "GUARDRAILS_CALLS";
const TAIL_LINES: usize = 30;

#[derive(Debug)]
pub(crate) struct Server {
    /// None once it was ended or kept.
    process: Option<Process>,
    pid: u32,
    endpoint: String,
    /// Where EC2, Auto Scaling and load balancers are.
    fleet_endpoint: String,
    log: PathBuf,
    scratch: Option<TempDir>,
}

impl Server {
    pub(crate) fn start(options: &Options) -> Result<Self, Error> {
        let python = &venv::local_aws().ensure()?;
        let fleets = match options.fleets {
            Fleets::MiniStack => None,
            Fleets::Moto => Some(venv::fleets().ensure()?),
        };
        let scratch = tempfile::Builder::new().prefix("guardrails-local-aws-").tempdir();
        let scratch = scratch.map_err(Error::io("making a scratch folder"))?;
        let log = scratch.path().join("log");
        File::create(&log).map_err(Error::path("writing", &log))?;
        let mut environment = environment(scratch.path(), options);
        environment.extend(fleets.map(|python| ("GUARDRAILS_FLEETS_PYTHON", python.display().to_string())));
        let forks = ForkServer::running(python)?;
        let process = forks.start(&environment.into_iter().collect(), &log);
        // From here on dropping it ends it.
        let (endpoint, fleet_endpoint) = (String::new(), String::new());
        let mut server = Self { process: Some(process), pid: 0, endpoint, fleet_endpoint, log, scratch: Some(scratch) };
        server.wait_until_ready(&forks)?;
        Ok(server)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn fleet_endpoint(&self) -> &str {
        &self.fleet_endpoint
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn keep(mut self) -> Kept {
        self.process = None;
        let scratch = self.scratch.take().map(TempDir::keep).unwrap_or_default();
        Kept { pid: self.pid, scratch, log: self.log.clone() }
    }

    fn wait_until_ready(&mut self, forks: &Arc<ForkServer>) -> Result<(), Error> {
        let event = self.process.as_ref().map(|process| process.next(READY_LIMIT));
        let why = match event {
            Some(Ok(Event::Ready { pid, endpoint, fleet_endpoint })) => {
                (self.pid, self.endpoint, self.fleet_endpoint) = (pid, endpoint, fleet_endpoint);
                return Ok(());
            }
            Some(Err(RecvTimeoutError::Timeout)) => format!("it said nothing within {} s", READY_LIMIT.as_secs()),
            _ => "it ended".to_owned(),
        };
        // Where the import failed, the log of the one that imports says why.
        let tail = Some(tail(&self.log)).filter(|tail| !tail.is_empty()).unwrap_or_else(|| last_lines(&forks.log()));
        Err(Error::NotReady { why, tail })
    }
}

impl Drop for Server {
    /// On SIGTERM the launcher ends its functions, then itself. One that does not is killed with all that it started.
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.end();
            if process.next(END_LIMIT) == Err(RecvTimeoutError::Timeout) {
                process.kill();
                let _ = process.next(END_LIMIT);
            }
        }
    }
}

/// Nothing of the caller's own environment: neither a developer's credentials nor proxies may reach it or its functions.
fn environment(scratch: &Path, options: &Options) -> Vec<(&'static str, String)> {
    let folder = scratch.display().to_string();
    let mut environment = vec![
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", folder.clone()),
        ("TMPDIR", folder),
        ("LANG", "C.UTF-8".to_owned()),
        ("GATEWAY_PORT", "0".to_owned()),
        ("SFN_WAIT_SCALE", options.wait_scale.to_string()),
        ("EC2_TRANSITION_SECONDS", options.transition_seconds.to_string()),
    ];
    environment.extend(options.functions_endpoint.clone().map(|url| ("AWS_ENDPOINT_URL", url)));
    // Where the calls of the stack's roles are written down, for `cargo xtask rights`.
    environment.extend(std::env::var(CALLS).ok().map(|folder| (CALLS, folder)));
    environment.extend(options.saved.iter().map(|saved| (SAVED, saved.folder().display().to_string())));
    environment.extend(options.keep.then(|| ("GUARDRAILS_KEEP", "1".to_owned())));
    environment
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    last_lines(&String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

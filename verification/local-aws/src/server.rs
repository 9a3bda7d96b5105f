//! The launcher as a process of ours: started in a clean environment, waited for, and ended with all that it started.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::{Error, Fleets, Kept, Options, venv};

/// Importing all of AWS takes a second, and more on a machine that compiles at the same time.
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
    child: Option<Child>,
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
        let log_file = File::create(&log).map_err(Error::path("writing", &log))?;
        let child = Command::new(python)
            // No bytecode beside the sources.
            .arg("-B")
            .arg(venv::launcher())
            .env_clear()
            .envs(environment(scratch.path(), options))
            .envs(fleets.map(|python| ("GUARDRAILS_FLEETS_PYTHON", python)))
            // The terminal's Ctrl-C is not for the launcher: who started it ends it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .map_err(Error::path("starting", python))?;
        // From here on dropping it ends it.
        let (endpoint, fleet_endpoint) = (String::new(), String::new());
        let mut server = Self { child: Some(child), endpoint, fleet_endpoint, log, scratch: Some(scratch) };
        (server.endpoint, server.fleet_endpoint) = server.wait_until_ready()?;
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
        let pid = self.child.take().map(|child| child.id()).unwrap_or_default();
        let scratch = self.scratch.take().map(TempDir::keep).unwrap_or_default();
        Kept { pid, scratch, log: self.log.clone() }
    }

    /// The launcher's only line on stdout is its URL and that of the fleets. A thread reads it, since reading has no time limit
    /// of its own; the thread ends with the launcher at the latest.
    fn wait_until_ready(&mut self) -> Result<(String, String), Error> {
        let stdout = self.child.as_mut().and_then(|child| child.stdout.take());
        let (sender, line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            if let Some(stdout) = stdout
                && BufReader::new(stdout).read_line(&mut line).is_ok()
            {
                let _ = sender.send(line.trim().to_owned());
            }
        });
        let why = match line.recv_timeout(READY_LIMIT) {
            Ok(line) if line.is_empty() => "it ended".to_owned(),
            Ok(line) => match line.split_once(' ') {
                Some((endpoint, fleets)) if endpoint.starts_with("http://") => {
                    return Ok((endpoint.to_owned(), fleets.to_owned()));
                }
                _ => format!("it said `{line}`"),
            },
            Err(error) => format!("it said nothing within {} s ({error})", READY_LIMIT.as_secs()),
        };
        Err(Error::NotReady { why, tail: tail(&self.log) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            end(child);
        }
    }
}

/// Nothing of the caller's own environment: neither a developer's credentials nor proxies may reach it or its functions.
fn environment(scratch: &Path, options: &Options) -> Vec<(&'static str, String)> {
    let folder = scratch.display().to_string();
    let mut environment = vec![
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", folder.clone()),
        ("STATE_DIR", folder.clone()),
        ("TMPDIR", folder),
        ("LANG", "C.UTF-8".to_owned()),
        ("GATEWAY_PORT", "0".to_owned()),
        ("BIND_HOST", "127.0.0.1".to_owned()),
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

/// On SIGTERM the launcher ends its functions, then itself. One that does not is killed with its whole process group.
fn end(mut child: Child) {
    let pid = Pid::from_child(&child);
    let _ = kill_process(pid, Signal::TERM);
    let deadline = Instant::now() + END_LIMIT;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = child.wait();
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

//! A build beside a round: it compiles the product from nothing, again and again, until it is stopped.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use guardrails_local_aws::programs;
use rustix::process::{Pid, Signal, kill_process_group};

/// Between two looks at whether the build has ended.
const POLL: Duration = Duration::from_millis(200);

/// A build that goes on.
#[derive(Debug)]
pub(super) struct Build {
    /// Its end stops the build.
    stop: Sender<()>,
    thread: JoinHandle<Result<()>>,
}

impl Build {
    /// Builds in `folder`, with what the workspace `root` has.
    pub(super) fn start(root: &Path, folder: &Path) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (root, folder): (PathBuf, PathBuf) = (root.into(), folder.into());
        let thread = std::thread::spawn(move || {
            loop {
                remove(&folder)?;
                let mut child = start(&root, &folder)?;
                loop {
                    if stopped.recv_timeout(POLL) != Err(RecvTimeoutError::Timeout) {
                        // Its own process group, so that the compilers end too.
                        kill_process_group(Pid::from_child(&child), Signal::TERM).context("ending the build")?;
                        child.wait().context("waiting for the build")?;
                        return remove(&folder);
                    }
                    if let Some(status) = child.try_wait().context("looking at the build")? {
                        ensure!(status.success(), "the build beside the tests ended with {status}");
                        break;
                    }
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends it. A build that could not be started, or failed, was no load: that is an error.
    pub(super) fn stop(self) -> Result<()> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow!("the build beside the tests panicked"))?
    }
}

fn start(root: &Path, folder: &Path) -> Result<Child> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "guardrails-cli", "--target-dir"]).arg(folder);
    programs::forget_caller(&mut cargo);
    cargo.current_dir(root).stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    cargo.spawn().context("starting cargo")
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("removing the folder of the build"),
        _ => Ok(()),
    }
}

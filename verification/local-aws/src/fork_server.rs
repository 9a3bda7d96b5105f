//! The process that imports all of `MiniStack` once, and starts each local AWS of this program by a fork of itself:
//! `launcher/harness/fork_server.py` has the protocol.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::{Error, venv};

/// The fork server. It ends with this program, since its stdin does.
#[derive(Debug)]
pub(crate) struct ForkServer {
    requests: Mutex<ChildStdin>,
    /// None once it has ended.
    callers: Mutex<Option<Callers>>,
    /// Without a name, so that nothing is left of it.
    log: File,
}

/// Those that were started and have not ended, by their number.
#[derive(Debug, Default)]
struct Callers {
    last: u64,
    events: BTreeMap<u64, Sender<Event>>,
}

/// An event of a process that was started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It accepts connections.
    Ready { pid: u32, endpoint: String, fleet_endpoint: String },
    /// It is not there any more.
    Ended,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Process {
    forks: Arc<ForkServer>,
    number: u64,
    events: Mutex<Receiver<Event>>,
}

impl ForkServer {
    /// The one of this program. It is started if there is none, or none any more.
    pub(crate) fn running(python: &Path) -> Result<Arc<Self>, Error> {
        static RUNNING: Mutex<Option<Arc<ForkServer>>> = Mutex::new(None);
        let mut running = lock(&RUNNING);
        if let Some(forks) = running.as_ref().filter(|forks| lock(&forks.callers).is_some()) {
            return Ok(Arc::clone(forks));
        }
        let forks = Self::spawn(python)?;
        *running = Some(Arc::clone(&forks));
        Ok(forks)
    }

    fn spawn(python: &Path) -> Result<Arc<Self>, Error> {
        let starting = || Error::path("starting", python);
        let log = tempfile::tempfile().map_err(Error::io("making a log"))?;
        let mut child = Command::new(python)
            // No bytecode beside the sources.
            .arg("-B")
            .arg(venv::launcher())
            .arg("--fork-server")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            // The terminal's Ctrl-C is not for the launcher: who started it ends it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().map_err(Error::io("making a log"))?)
            .spawn()
            .map_err(starting())?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(starting()(std::io::Error::other("it has no pipes")));
        };
        let callers = Mutex::new(Some(Callers::default()));
        let forks = Arc::new(Self { requests: Mutex::new(requests), callers, log });
        let reader = Arc::clone(&forks);
        std::thread::spawn(move || {
            reader.read(answers);
            let _ = child.wait();
        });
        Ok(forks)
    }

    /// Hands each answer to its caller, until there are no more.
    fn read(&self, answers: ChildStdout) {
        for line in BufReader::new(answers).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let mut callers = lock(&self.callers);
            let Some(callers) = callers.as_mut() else { break };
            match words.as_slice() {
                ["ready", number, pid, endpoint, fleets] => {
                    let sender = number.parse().ok().and_then(|number: u64| callers.events.get(&number));
                    let (pid, endpoint, fleet_endpoint) =
                        (pid.parse().unwrap_or_default(), (*endpoint).to_owned(), (*fleets).to_owned());
                    // The caller may have given up.
                    let _ = sender.map(|sender| sender.send(Event::Ready { pid, endpoint, fleet_endpoint }));
                }
                ["ended", number] => {
                    let sender = number.parse().ok().and_then(|number: u64| callers.events.remove(&number));
                    let _ = sender.map(|sender| sender.send(Event::Ended));
                }
                _ => {}
            }
        }
        // All callers learn that nothing more comes.
        *lock(&self.callers) = None;
    }

    /// Starts a local AWS with this environment and no other, which writes to `log`.
    pub(crate) fn start(self: &Arc<Self>, environment: &BTreeMap<&'static str, String>, log: &Path) -> Process {
        let (sender, events) = mpsc::channel();
        let number = lock(&self.callers).as_mut().map_or(0, |callers| {
            callers.last += 1;
            callers.events.insert(callers.last, sender);
            callers.last
        });
        // A fork server that has ended does not read it. Its callers see no event, and that none can come.
        self.ask(&json!({"start": number, "environment": environment, "log": log}));
        Process { forks: Arc::clone(self), number, events: Mutex::new(events) }
    }

    fn ask(&self, request: &Json) {
        let _ = lock(&self.requests).write_all(format!("{request}\n").as_bytes());
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        let length = self.log.metadata().map_or(0, |metadata| metadata.len());
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        // It goes on writing at its own place in the file.
        let _ = self.log.read_exact_at(&mut text, 0);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Process {
    /// Waits for the next event. Nothing comes from a fork server that has ended, and its processes end with it.
    pub(crate) fn next(&self, limit: Duration) -> Result<Event, RecvTimeoutError> {
        lock(&self.events).recv_timeout(limit)
    }

    /// Sends it SIGTERM.
    pub(crate) fn end(&self) {
        self.forks.ask(&json!({"end": self.number}));
    }

    /// Kills it, and all that it started.
    pub(crate) fn kill(&self) {
        self.forks.ask(&json!({"kill": self.number}));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Watches every instance all the while: that a bystander ends as it began does not show that nobody touched it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use guardrails_local_aws::Error;
use guardrails_local_aws::walkthrough::Walkthrough;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far shorter than an instance takes to change.
const POLL: Duration = Duration::from_millis(100);

/// The states that each instance was seen in, in order.
pub type Seen = BTreeMap<String, Vec<String>>;

/// A watch under way. Dropping it ends it.
pub struct Watch {
    end: oneshot::Sender<()>,
    watching: JoinHandle<Result<Seen, Error>>,
}

impl Watch {
    /// Starts to watch.
    pub fn start(world: Walkthrough) -> Self {
        let (end, ended) = oneshot::channel();
        Self { end, watching: tokio::spawn(watch(world, ended)) }
    }

    /// Looks a last time, and says what was seen.
    pub async fn end(self) -> Result<Seen> {
        drop(self.end);
        self.watching.await.context("watching the instances")?.context("watching the instances")
    }
}

async fn watch(world: Walkthrough, mut ended: oneshot::Receiver<()>) -> Result<Seen, Error> {
    let mut seen = Seen::new();
    loop {
        let over = tokio::select! {
            _ = &mut ended => true,
            () = tokio::time::sleep(POLL) => false,
        };
        for (id, state) in world.states().await? {
            let states = seen.entry(id).or_default();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        if over {
            return Ok(seen);
        }
    }
}

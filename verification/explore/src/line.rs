//! The surroundings of the product's code while it is explored: a ledger's store, an account with one lamp in it, the state
//! machine and the clock, all on one line. Each call waits there until the explorer answers it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Change, ChangeOutcome, DriftPolicy, Patience, Planned, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::direction::Direction;
use guardrails_model::ids::{FacetId, Nonce, RunId, Value};
use guardrails_model::ledger::{Item, Key, LedgerError, Page, Store, Write};
use guardrails_model::runs::{Started, Woken, Workflow, WorkflowError, WorkflowInput};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::lamp::{OFF, PATIENCE, facet};

/// A call that the product's code makes. Parts without any influence on its next step are left out: the writer of an item, and
/// records that are only kept for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Get(Vec<Key>),
    List {
        pk: String,
        prefix: String,
        after: Option<String>,
        limit: Option<usize>,
    },
    Commit(Vec<Put>),
    /// Observes the lamp.
    Look,
    /// Turns it.
    Turn {
        way: Direction,
        to: String,
    },
    /// Starts an execution.
    Start {
        run: RunId,
        way: Direction,
        attempt: u32,
        try_number: u32,
    },
}

/// One item of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Put {
    pub(crate) key: Key,
    pub(crate) expect: u64,
    pub(crate) doc: String,
}

/// The reply to a call.
pub(crate) enum Reply {
    Items(Vec<Option<Item>>),
    Listed(Vec<Item>),
    Written,
    Conflict,
    /// Whether it was done, nobody knows.
    Lost,
    Seen(Seen),
    Turned,
    Started(Started),
}

/// The line of one invocation.
pub(crate) struct Line {
    state: Mutex<Talk>,
    /// The name by which leases call this invocation. Its own word for itself is random.
    name: String,
    drift: DriftPolicy,
}

struct Talk {
    now: Timestamp,
    call: Option<Call>,
    reply: Option<Reply>,
    /// The invocation's own word for itself, once it has said it.
    word: Option<String>,
}

impl Line {
    pub(crate) fn new(owner: u8, drift: DriftPolicy, now: Timestamp) -> Self {
        Self { state: Mutex::new(Talk { now, call: None, reply: None, word: None }), name: owner_name(owner), drift }
    }

    /// The call that waits for its answer.
    pub(crate) fn waiting(&self) -> Option<Call> {
        self.talk().call.clone()
    }

    /// Answers the call that waits, at the moment `now`.
    pub(crate) fn answer(&self, reply: Reply, now: Timestamp) {
        let mut talk = self.talk();
        assert!(talk.call.take().is_some(), "an answer, and nobody asked");
        (talk.reply, talk.now) = (Some(reply), now);
    }

    async fn ask(&self, call: Call) -> Reply {
        {
            let mut talk = self.talk();
            assert!(
                talk.call.is_none(),
                "the explorer follows one call at a time, and here are two: {:?} and {call:?}",
                talk.call
            );
            talk.call = Some(call);
        }
        poll_fn(|_| self.talk().reply.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, write: &Write) -> Put {
        let mut doc = write.doc.clone();
        if let Some(owner) = doc.pointer_mut("/lease/owner")
            && let Some(word) = owner.as_str().filter(|word| !word.starts_with(OWNER))
        {
            self.talk().word = Some(word.to_owned());
            *owner = json!(self.name);
        }
        forget(&mut doc);
        Put { key: write.key.clone(), expect: write.expect, doc: doc.to_string() }
    }

    /// An item as this invocation would have read it: with its own word for itself.
    fn own(&self, mut item: Item) -> Item {
        if let Some(owner) = item.doc.pointer_mut("/lease/owner")
            && owner.as_str() == Some(&self.name)
            && let Some(word) = &self.talk().word
        {
            *owner = json!(word);
        }
        item
    }
}

const OWNER: &str = "invocation-";

/// The name by which leases call an invocation.
pub(crate) fn owner_name(owner: u8) -> String {
    format!("{OWNER}{owner}")
}

/// Leaves out the parts that no decision is made from: else every history would be a state of its own.
pub(crate) fn forget(doc: &mut Json) {
    if let Some(events) = doc.get_mut("events") {
        *events = json!([]);
    }
    for holder in doc.get_mut("holders").and_then(Json::as_object_mut).into_iter().flat_map(|holders| holders.values_mut()) {
        holder["since"] = json!(Timestamp::UNIX_EPOCH);
    }
}

fn unavailable() -> LedgerError {
    LedgerError::Unavailable("the answer was lost".into())
}

fn unexpected<T>(call: &str) -> T {
    unreachable!("the explorer answers {call} as what it is")
}

impl Clock for Line {
    fn now(&self) -> Timestamp {
        self.talk().now
    }
}

#[async_trait]
impl Store for Line {
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, LedgerError> {
        match self.ask(Call::Get(keys.to_vec())).await {
            Reply::Items(items) => Ok(items.into_iter().map(|item| item.map(|item| self.own(item))).collect()),
            _ => unexpected("a get"),
        }
    }

    async fn list(&self, page: &Page) -> Result<Vec<Item>, LedgerError> {
        assert!(!page.newest_first, "nothing that is explored reads backwards");
        let Page { pk, prefix, after, limit, .. } = page.clone();
        match self.ask(Call::List { pk, prefix, after, limit }).await {
            Reply::Listed(items) => Ok(items.into_iter().map(|item| self.own(item)).collect()),
            _ => unexpected("a list"),
        }
    }

    async fn commit(&self, _: &Nonce, writes: &[Write]) -> Result<(), LedgerError> {
        match self.ask(Call::Commit(writes.iter().map(|write| self.put(write)).collect())).await {
            Reply::Written => Ok(()),
            Reply::Conflict => Err(LedgerError::Conflict),
            Reply::Lost => Err(unavailable()),
            _ => unexpected("a commit"),
        }
    }
}

#[async_trait]
impl Workflow for Line {
    async fn start(&self, _: &str, input: &WorkflowInput) -> Result<Started, WorkflowError> {
        let (run, way) = (input.run.clone(), input.direction);
        match self.ask(Call::Start { run, way, attempt: input.attempt, try_number: input.try_number }).await {
            Reply::Started(started) => Ok(started),
            Reply::Lost => {
                Err(WorkflowError { doing: "starting".to_owned(), retryable: true, source: "the answer was lost".into() })
            }
            _ => unexpected("a start"),
        }
    }

    async fn is_running(&self, name: &str) -> Result<bool, WorkflowError> {
        unreachable!("nothing that is explored asks whether `{name}` runs")
    }

    async fn wake(&self, _: &str) -> Result<Woken, WorkflowError> {
        unreachable!("nothing that is explored waits for a person")
    }
}

#[async_trait]
impl Action for Line {
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let present = match self.look().await? {
            Seen::Is(value)
            | Seen::Moving(value)
            | Seen::FellBack(value, _)
            | Seen::Behind(value, _)
            | Seen::NoRoom(value, _) => value,
            Seen::Gone(why) | Seen::OutOfReach(why) | Seen::Unseen(why) => unreachable!("the lamp does not go: {why}"),
        };
        Ok(vec![Planned::new(facet(), "a", present, Value::new(OFF))])
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let seen = self.look().await?;
        Ok(facets.iter().map(|facet| (facet.clone(), seen.clone())).collect())
    }

    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn(Direction::Apply, changes).await
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn(Direction::Rollback, changes).await
    }

    fn batch(&self) -> usize {
        1
    }

    fn patience(&self) -> Patience {
        PATIENCE
    }

    fn drift_policy(&self, _: &FacetId) -> DriftPolicy {
        self.drift
    }
}

impl Line {
    async fn look(&self) -> Result<Seen, ActionError> {
        match self.ask(Call::Look).await {
            Reply::Seen(seen) => Ok(seen),
            Reply::Lost => Err(ActionError::Retryable("the answer was lost".to_owned())),
            _ => unexpected("a look"),
        }
    }

    async fn turn(&self, way: Direction, changes: &[Change]) -> Vec<ChangeOutcome> {
        let mut answers = Vec::new();
        for change in changes {
            answers.push(match self.ask(Call::Turn { way, to: change.to.to_string() }).await {
                Reply::Turned => ChangeOutcome::Accepted,
                Reply::Lost => ChangeOutcome::Unknown("the answer was lost".to_owned()),
                _ => unexpected("a turn"),
            });
        }
        answers
    }
}

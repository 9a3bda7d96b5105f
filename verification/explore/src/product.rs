//! The product's own code as a function: from an invocation's order and the answers it got, to its next call. An invocation keeps
//! nothing else in mind, so two with the same answers are the same, and are computed once.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use guardrails_model::action::Seen;
use guardrails_model::clock::Clock;
use guardrails_model::direction::Direction;
use guardrails_model::engine::{Cursor, Executor, Progress};
use guardrails_model::ids::{Nonce, Value};
use guardrails_model::ledger::{Item, Key, Ledger};
use guardrails_model::record::RollbackRequest;
use guardrails_model::runs::{Ended, Grounds, RunError, Runs, Started};
use jiff::SignedDuration;

use crate::known::Known;
use crate::lamp::{LIFE, moment};
use crate::line::{Call, Line, Reply};
use crate::round;

/// The order to an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Job {
    /// An action's function: take a run on, from that cursor.
    Work { run: u8, way: Direction, cursor: u32 },
    /// The same function, before that: plan a run that may look again.
    Plan { run: u8 },
    /// master: judge the run at the end of an execution.
    Close { run: u8, way: Direction, try_number: u32 },
    /// A person's command: put the run back.
    RollBack { run: u8 },
    /// master: the alert again.
    Alert { run: u8 },
    /// The reconciler comes upon a run.
    Round { run: u8 },
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Root {
    pub(crate) job: Job,
    pub(crate) owner: u8,
    pub(crate) began: i64,
}

/// An item in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: u32,
    pub(crate) rev: u64,
    pub(crate) doc: u32,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Items(Vec<Option<Entry>>),
    Listed(Vec<Entry>),
    Written,
    Conflict,
    Lost,
    Is(&'static str),
    Becomes(&'static str),
    Turned,
    Started(bool),
}

/// The next step of an invocation.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// It makes this call.
    Asks(u32),
    /// It is over.
    Ends(End),
}

/// How an invocation ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    Done,
    /// To be called again in so many seconds, from that cursor.
    Settling(i64, u32),
    /// To be tried again as it is.
    Retry,
    /// It cannot go on.
    Broken(String),
}

/// An invocation with all the answers that it has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Task(u32);

struct Past {
    root: u32,
    /// The task before, the last answer, and when it came.
    last: Option<(Task, u32, i64)>,
    next: Option<Next>,
}

/// The product, as far as it was computed.
pub(crate) struct Product {
    pub(crate) known: Known,
    pub(crate) keys: Table<Key>,
    pub(crate) docs: Table<String>,
    pub(crate) calls: Table<Call>,
    cursors: Table<String>,
    roots: Table<Root>,
    answers: Table<Answer>,
    pasts: Vec<Past>,
    beginnings: HashMap<u32, Task>,
    futures: HashMap<(Task, u32, i64), Task>,
}

impl Product {
    pub(crate) fn new(known: Known) -> Self {
        Self {
            known,
            keys: Table::default(),
            docs: Table::default(),
            calls: Table::default(),
            cursors: Table::default(),
            roots: Table::default(),
            answers: Table::default(),
            pasts: Vec::new(),
            beginnings: HashMap::new(),
            futures: HashMap::new(),
        }
    }

    /// An invocation that begins.
    pub(crate) fn begin(&mut self, root: Root) -> Task {
        let root = self.roots.id(root);
        *self.beginnings.entry(root).or_insert_with(|| {
            self.pasts.push(Past { root, last: None, next: None });
            Task(index(self.pasts.len() - 1))
        })
    }

    /// The cursor of an execution that begins.
    pub(crate) fn no_cursor(&mut self) -> u32 {
        self.cursors.id(serde_json::to_string(&Cursor::default()).expect("a cursor"))
    }

    /// The order to an invocation, and its beginning.
    pub(crate) fn root(&self, task: Task) -> Rc<Root> {
        self.roots.get(self.pasts[task.0 as usize].root)
    }

    /// An invocation after one more answer.
    pub(crate) fn told(&mut self, task: Task, answer: Answer, now: i64) -> Task {
        let answer = self.answers.id(answer);
        let root = self.pasts[task.0 as usize].root;
        *self.futures.entry((task, answer, now)).or_insert_with(|| {
            self.pasts.push(Past { root, last: Some((task, answer, now)), next: None });
            Task(index(self.pasts.len() - 1))
        })
    }

    /// The next step of an invocation. One that was not seen before runs again from its beginning, with the answers it has had.
    pub(crate) fn next(&mut self, task: Task) -> Next {
        if let Some(next) = &self.pasts[task.0 as usize].next {
            return next.clone();
        }
        let root = self.root(task);
        let mut answers = Vec::new();
        let mut at = task;
        while let Some((before, answer, now)) = self.pasts[at.0 as usize].last {
            answers.push((self.answers.get(answer), now));
            at = before;
        }
        let line = Arc::new(Line::new(root.owner, self.known.drift, moment(root.began)));
        let cursor = match root.job {
            Job::Work { cursor, .. } => self.cursors.get(cursor).as_str().to_owned(),
            _ => String::new(),
        };
        let mut future = self.known.start(&root, cursor, &line);
        let mut poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let mut polled = poll();
        for (answer, now) in answers.into_iter().rev() {
            line.answer(self.reply(&answer), moment(now));
            polled = poll();
        }
        let next = match polled {
            Poll::Ready(Over::Ended(end)) => Next::Ends(end),
            Poll::Ready(Over::Settling(seconds, cursor)) => Next::Ends(End::Settling(seconds, self.cursors.id(cursor))),
            Poll::Pending => Next::Asks(self.calls.id(line.waiting().expect("who waits has asked"))),
        };
        self.pasts[task.0 as usize].next = Some(next.clone());
        next
    }

    fn reply(&self, answer: &Answer) -> Reply {
        match answer {
            Answer::Items(entries) => Reply::Items(entries.iter().map(|entry| entry.map(|entry| self.item(entry))).collect()),
            Answer::Listed(entries) => Reply::Listed(entries.iter().map(|entry| self.item(*entry)).collect()),
            Answer::Written => Reply::Written,
            Answer::Conflict => Reply::Conflict,
            Answer::Lost => Reply::Lost,
            Answer::Is(value) => Reply::Seen(Seen::Is(Value::new(*value))),
            Answer::Becomes(value) => Reply::Seen(Seen::Moving(Value::new(*value))),
            Answer::Turned => Reply::Turned,
            Answer::Started(true) => Reply::Started(Started::Running),
            Answer::Started(false) => Reply::Started(Started::NameTaken),
        }
    }

    fn item(&self, entry: Entry) -> Item {
        let doc = serde_json::from_str(&self.docs.get(entry.doc)).expect("it was written as JSON");
        Item { key: (*self.keys.get(entry.key)).clone(), rev: entry.rev, nonce: Nonce::from(String::new()), doc }
    }
}

impl Known {
    /// The product's code, begun.
    fn start(&self, root: &Root, cursor: String, line: &Arc<Line>) -> Pin<Box<dyn Future<Output = Over>>> {
        let (root, line) = (root.clone(), Arc::clone(line));
        let runs: Vec<_> = self.runs.clone();
        Box::pin(async move {
            let ledger = Ledger::new(Arc::clone(&line) as _);
            let hands = Runs { ledger: &ledger, workflow: &*line, clock: &*line, by: "explorer".to_owned() };
            let executor =
                Executor::new(&ledger, &*line, moment(root.began) + SignedDuration::from_secs(LIFE), "explorer".to_owned());
            match root.job {
                Job::Work { run, way, .. } => {
                    let cursor: Cursor = serde_json::from_str(&cursor).expect("a cursor");
                    match executor.advance(way, &runs[usize::from(run)].id, 0, cursor, &*line).await {
                        Ok(Progress::Done { .. } | Progress::Superseded) => Over::Ended(End::Done),
                        Ok(Progress::Settling { seconds, cursor, .. }) => {
                            Over::Settling(seconds, serde_json::to_string(&cursor).expect("a cursor"))
                        }
                        Err(error) if error.is_retryable() => Over::Ended(End::Retry),
                        Err(error) => Over::Ended(End::Broken(format!("{error:?}"))),
                    }
                }
                Job::Plan { run } => match round::plan(&executor, &ledger, &runs[usize::from(run)].id, &*line).await {
                    Ok(()) => Over::Ended(End::Done),
                    Err(error) if error.is_retryable() => Over::Ended(End::Retry),
                    Err(error) => Over::Ended(End::Broken(format!("{error:?}"))),
                },
                Job::Close { run, way, try_number } => {
                    let ended =
                        Ended { direction: way, try_number: Some(try_number), failures: Vec::new(), unfinished: Vec::new() };
                    end(hands.close(&runs[usize::from(run)].id, &ended).await)
                }
                Job::RollBack { run } => {
                    let (by, why) = ("arn:aws:iam::123456789012:user/ann".to_owned(), "because".to_owned());
                    let request = RollbackRequest::whole(by, line.now(), why);
                    end(hands.roll_back(&runs[usize::from(run)].id, &request).await)
                }
                Job::Alert { run } => {
                    let run = &runs[usize::from(run)];
                    end(hands.begin(&run.target, &run.config, &run.guardrail, "digest", &Grounds::default()).await)
                }
                Job::Round { run } => match round::round(&hands, &runs[usize::from(run)]).await {
                    // It stands in the round's record, and the next round tries again.
                    Err(error) if error.is_retryable() => Over::Ended(End::Done),
                    other => end(other),
                },
            }
        })
    }
}

fn end<T>(result: Result<T, RunError>) -> Over {
    Over::Ended(match result {
        Ok(_) => End::Done,
        Err(error) if error.is_retryable() => End::Retry,
        Err(error) => End::Broken(format!("{error:?}")),
    })
}

/// How the product's code ended, with a cursor as text.
enum Over {
    Ended(End),
    Settling(i64, String),
}

/// Things by number, each once.
pub(crate) struct Table<T> {
    numbers: HashMap<Rc<T>, u32>,
    things: Vec<Rc<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), things: Vec::new() }
    }
}

impl<T: Hash + Eq> Table<T> {
    pub(crate) fn id(&mut self, thing: T) -> u32 {
        if let Some(number) = self.numbers.get(&thing) {
            return *number;
        }
        let (number, thing) = (index(self.things.len()), Rc::new(thing));
        self.things.push(Rc::clone(&thing));
        self.numbers.insert(thing, number);
        number
    }

    pub(crate) fn known(&self, thing: &T) -> Option<u32> {
        self.numbers.get(thing).copied()
    }

    pub(crate) fn get(&self, number: u32) -> Rc<T> {
        Rc::clone(&self.things[number as usize])
    }
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32 of anything")
}

//! The explorer: a scenario, its results so far, and how a history is told.

use guardrails_model::ledger::Key;

use crate::beginning::{Beginning, begin};
use crate::known::KnownRun;
use crate::lamp::facet;
use crate::line::Call;
use crate::product::{Entry, Job, Next, Product, Root, Task};
use crate::sabotage::Sabotage;
use crate::scenario::{At, Bound, Event, Scenario};
use crate::state::{Came, Execution, Lamp, Left, Move, People, Stands, State, Who, number};
use crate::views::Views;

/// A scenario, and its results so far.
pub(crate) struct Explorer {
    pub(crate) scenario: &'static Scenario,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) product: Product,
    pub(crate) views: Views,
    pub(crate) facet_key: u32,
    pub(crate) run_keys: Vec<u32>,
    pub(crate) step_keys: Vec<u32>,
}

impl Explorer {
    pub(crate) fn new(scenario: &'static Scenario, bound: Bound, sabotage: Option<Sabotage>) -> (Self, State) {
        let Beginning { known, items, lamp } = begin(scenario);
        let mut product = Product::new(known);
        let facet = Key { pk: format!("FACET#{}", facet()), sk: "FACET".to_owned() };
        let mut keys: Vec<Key> = items.iter().map(|item| item.key.clone()).chain([facet.clone()]).collect();
        keys.sort();
        keys.dedup();
        let numbers: Vec<u32> = keys.iter().map(|key| product.keys.id(key.clone())).collect();
        let step_keys = keys.iter().zip(&numbers).filter(|(key, _)| key.pk.starts_with("STEP#")).map(|(_, number)| *number);
        let step_keys = step_keys.collect();
        let run_key = |run: &KnownRun| Key { pk: "RUN".to_owned(), sk: run.id.to_string() };
        let run_keys = product.known.runs.iter().map(|run| product.keys.known(&run_key(run)).expect("a run")).collect();
        let books = items.into_iter().map(|item| Entry {
            key: product.keys.id(item.key),
            rev: item.rev,
            doc: product.docs.id(item.doc.to_string()),
        });
        let books: Vec<Entry> = books.collect();
        let facet_key = product.keys.id(facet);
        let mut explorer = Self { scenario, sabotage, product, views: Views::default(), facet_key, run_keys, step_keys };
        let mut state = State {
            now: 0,
            lamp: Lamp { is: lamp, becomes: None },
            books,
            executions: Vec::new(),
            others: Vec::new(),
            late: Vec::new(),
            left: Left { faults: bound.faults, stalls: bound.stalls, slow: 2 },
            events: scenario.events.to_vec(),
            people: People { gave: vec![scenario.lamp], last: None, told: None, acted: false, latest: false, seen_for: 0 },
        };
        for (run, (_, at)) in scenario.runs.iter().enumerate() {
            explorer.execute(&mut state, number(run), *at);
        }
        state.sort();
        (explorer, state)
    }

    /// The execution that a run has at the beginning.
    fn execute(&mut self, state: &mut State, run: u8, at: At) {
        let cursor = self.product.no_cursor();
        let job = Job::Work { run, way: guardrails_model::direction::Direction::Apply, cursor };
        let stands = match at {
            At::Open => Stands::Works(self.product.begin(Root { job, owner: run, began: 0 }), cursor),
            At::Enforced => Stands::Ended,
        };
        state.executions.push(Execution { run, back: false, attempt: 1, try_number: 1, stands });
    }

    /// The way to a state, and one move more, told for people.
    pub(crate) fn story(&mut self, first: &State, came: &Came, to: u128, last: Option<Move>) -> Vec<String> {
        let mut moves: Vec<Move> = last.into_iter().collect();
        let mut at = to;
        while let Some(Some((before, made))) = came.get(&at) {
            moves.push(*made);
            at = *before;
        }
        let (mut state, mut story) = (first.clone(), Vec::new());
        for made in moves.into_iter().rev() {
            story.push(format!(
                "{:>4} s, {}: {}",
                state.now,
                state.lamp.becomes.unwrap_or(state.lamp.is),
                self.words(&state, made)
            ));
            match self.make(&state, made) {
                Ok(after) => state = after,
                Err(_) => break,
            }
        }
        story
    }

    fn words(&mut self, state: &State, made: Move) -> String {
        let mut of = |who: Who| {
            let task = state.task(who).expect("somebody");
            (self.asked(task), self.doing(task))
        };
        match made {
            Move::Step(who) => {
                let (who, what) = of(who);
                format!("{who} {what}")
            }
            Move::Die(who) => {
                let (who, what) = of(who);
                format!("{who} dies as it {what}, and begins again")
            }
            Move::Lose(who) => {
                let (who, what) = of(who);
                format!("{who} {what}, and the answer is lost")
            }
            Move::Twin(index) => format!("{} is invoked once more beside itself", of(Who::Execution(index)).0),
            Move::End(index) => format!("the execution of {} dies, and that goes on", of(Who::Execution(index)).0),
            Move::Land(index) => {
                let call = state.late[usize::from(index)].call;
                format!("it comes through late: {}", self.call(call))
            }
            Move::Arrive => "the lamp has turned".to_owned(),
            Move::Tick => "time passes".to_owned(),
            Move::Happens(Event::Person(value)) => format!("a person makes it {value}"),
            Move::Happens(Event::RollBack(run)) => format!("a person asks for {} to be put back", self.name(run)),
            Move::Happens(Event::Alert(run)) => format!("the alert of {} comes again", self.name(run)),
            Move::Happens(Event::Round(run)) => format!("a round comes upon {}", self.name(run)),
            Move::TakeUp(run) => format!("all is quiet, and a round comes upon {}", self.name(run)),
        }
    }

    fn asked(&self, task: Task) -> String {
        let root = self.product.root(task);
        match &root.job {
            Job::Work { run, way, .. } => format!("{} of {} (invocation {})", way.as_str(), self.name(*run), root.owner),
            Job::Plan { run } => format!("the plan of {}", self.name(*run)),
            Job::Close { run, way, .. } => format!("the end of {} of {}", way.as_str(), self.name(*run)),
            Job::RollBack { run } => format!("the command for {}", self.name(*run)),
            Job::Alert { run } => format!("the alert of {}", self.name(*run)),
            Job::Round { run } => format!("the round at {}", self.name(*run)),
        }
    }

    fn doing(&mut self, task: Task) -> String {
        match self.product.next(task) {
            Next::Asks(call) => self.call(call),
            Next::Ends(end) => format!("{end:?}"),
        }
    }

    fn call(&self, call: u32) -> String {
        match &*self.product.calls.get(call) {
            Call::Get(keys) => format!("reads {}", keys.iter().map(kind).collect::<Vec<_>>().join(", ")),
            Call::List { pk, .. } => format!("lists {}", pk.split('#').next().unwrap_or_default()),
            Call::Commit(puts) => {
                let put = |put: &crate::line::Put| {
                    let doc: serde_json::Value = serde_json::from_str(&put.doc).unwrap_or_default();
                    let say = |name: &str| doc.get(name).and_then(|value| value.as_str()).map(str::to_owned);
                    let word = say("phase").or_else(|| say("state")).or_else(|| Some(doc.get("lease")?.to_string()));
                    format!("{} {}", kind(&put.key), word.unwrap_or_default())
                };
                format!("writes {}", puts.iter().map(put).collect::<Vec<_>>().join(", "))
            }
            Call::Look => "looks at the lamp".to_owned(),
            Call::Turn { to, .. } => format!("turns the lamp {to}"),
            Call::Start { way, attempt, .. } => format!("starts {} {attempt}", way.as_str()),
        }
    }

    fn name(&self, run: u8) -> &'static str {
        self.scenario.runs[usize::from(run)].0
    }
}

fn kind(key: &Key) -> String {
    key.pk.split('#').next().unwrap_or_default().to_lowercase()
}

//! The search: every state that can be reached, nearest first, so that an error is told in as few moves as it takes.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::explorer::Explorer;
use crate::sabotage::Sabotage;
use crate::scenario::{Bound, Scenario};
use crate::state::{Came, State};

/// The result of an exploration.
#[derive(Debug, Clone)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Moves between them.
    pub moves: usize,
    /// States in which all was quiet.
    pub quiet: usize,
    /// The most moves that it takes to get to a state.
    pub depth: usize,
    /// The error, and how it came about.
    pub wrong: Option<Wrong>,
}

/// An error.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// In words.
    pub what: String,
    /// The events, in order.
    pub story: Vec<String>,
}

/// Goes through every history of a scenario.
#[must_use]
pub fn explore(scenario: &'static Scenario, bound: Bound, sabotage: Option<Sabotage>) -> Explored {
    let (mut explorer, first) = Explorer::new(scenario, bound, sabotage);
    let mut found = Explored { states: 0, moves: 0, quiet: 0, depth: 0, wrong: None };
    let mut came: Came = HashMap::from([(fingerprint(&first), None)]);
    let mut next = VecDeque::from([(first.clone(), 0)]);
    while let Some((state, depth)) = next.pop_front() {
        found.states += 1;
        found.depth = depth;
        let here = fingerprint(&state);
        let moves = explorer.moves(&state);
        let quiet = state.everybody().is_empty() && state.late.is_empty() && !crate::moves::waits(&state);
        found.quiet += usize::from(quiet);
        let checked = if quiet { explorer.check_quiet(&state) } else { Ok(()) };
        if let Err(what) = checked.and_then(|()| explorer.check(&state)) {
            found.wrong = Some(Wrong { what, story: explorer.story(&first, &came, here, None) });
            return found;
        }
        if moves.is_empty() && !quiet {
            let what = "somebody waits for ever".to_owned();
            found.wrong = Some(Wrong { what, story: explorer.story(&first, &came, here, None) });
            return found;
        }
        for made in moves {
            found.moves += 1;
            match explorer.make(&state, made) {
                Ok(after) => {
                    came.entry(fingerprint(&after)).or_insert_with(|| {
                        next.push_back((after, depth + 1));
                        Some((here, made))
                    });
                }
                Err(what) => {
                    found.wrong = Some(Wrong { what, story: explorer.story(&first, &came, here, Some(made)) });
                    return found;
                }
            }
        }
    }
    found
}

/// A state's fingerprint: 128 bits, so that two of some millions are not taken for one.
fn fingerprint(state: &State) -> u128 {
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        state.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

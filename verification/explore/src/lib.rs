//! Every interleaving of a few invocations over one facet, by the product's own code. Nothing is modelled anew: [`product`] runs
//! `Executor`, `Runs` and all that they call, and answers each of their calls. [`moves`] tries, in every order, the effects of
//! the account, the ledger and the state machine between the calls, and the deaths of callers. [`rules`] says which rules must
//! hold.
//!
//! An invocation does nothing but go from one answer to the next call, so its answers so far are all of its state. That makes
//! a state a plain value: it is compared, kept and gone on from, where a half-run future could not be.

mod beginning;
mod explorer;
mod known;
mod lamp;
mod line;
mod moves;
mod people;
mod product;
mod round;
mod rules;
mod sabotage;
mod scenario;
mod search;
mod state;
mod views;

pub use sabotage::Sabotage;
pub use scenario::{At, Bound, Event, LARGER, SCENARIOS, Scenario, scenario};
pub use search::{Explored, Wrong, explore};

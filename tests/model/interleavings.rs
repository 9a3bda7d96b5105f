//! Every interleaving of two runs, a rollback and a reconciler over one facet, with callers that die and calls that land late.
//! [`guardrails_explore`] runs the product's own code through all of them. Each scenario has a bound of its own here. `cargo
//! xtask explore` goes further.

mod controls;
mod histories;

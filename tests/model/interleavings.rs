//! Every interleaving of two runs, a rollback and a reconciler over one facet, with callers that die and calls that take effect
//! after that: [`guardrails_explore`] runs the product's own code through all of them. How far each goes here, its scenario
//! says; `cargo xtask explore` goes further.

mod controls;
mod histories;

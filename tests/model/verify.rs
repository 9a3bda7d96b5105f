//! Who can still launch: what trust policies and IAM's answers come to, and how IAM is asked.

mod asking;
mod change;
mod judged;
mod large;
mod trust;
mod without;

//! The right to launch after a stage: the meaning of trust policies and of IAM's answers, and how IAM is asked.

mod asking;
mod change;
mod judged;
mod large;
mod trust;
mod without;

//! What a round of the reconciler finds and does, told over lamps.

mod lab;
mod periods;
mod raised;
mod rounds;

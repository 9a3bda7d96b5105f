//! What a round of the reconciler finds and does, told over lamps.

mod deleted;
mod file;
mod lab;
mod periods;
mod raised;
mod rehearsals;
mod rounds;
mod running;

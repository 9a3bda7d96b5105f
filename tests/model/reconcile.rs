//! The findings and measures of a round of the reconciler, told over lamps.

mod deleted;
mod file;
mod lab;
mod periods;
mod raised;
mod rehearsals;
mod rounds;
mod running;

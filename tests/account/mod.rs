//! The contents of an account by `crates/template`: the template, its roles, alarms and topics, and the functions' zips.

mod alarms;
mod boundaries;
mod budgets;
mod closing;
mod order;
mod packages;
mod people;
mod rendered;
mod rights;
mod room;
mod stop_all;
mod template;
mod topics;
mod wakes;

//! The rules that must hold for any input at all. Each function takes an input as it comes, does the product's work with it, and
//! panics where a rule does not hold. The fuzzer calls them with inputs that it invents (`../targets`), and the tests with those
//! that were kept (`../corpus`).

pub mod alert;
mod carried;
pub mod config;
mod fake_catalog;
pub mod ledger;
pub mod mutate;
pub mod wire;

pub use fake_catalog::FakeCatalog;

/// A check by the name of its target.
pub type Check = fn(&str);

/// Every target, with its check. The rest of its result is for tests that ask how far an input got.
pub const TARGETS: [(&str, Check); 4] = [
    ("alert", |input| drop(alert::check(input))),
    ("config", |input| drop(config::check::<FakeCatalog>(input))),
    ("ledger", |input| drop(ledger::check(input))),
    ("wire", |input| drop(wire::check(input))),
];

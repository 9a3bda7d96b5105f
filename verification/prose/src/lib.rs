//! Measures the prose of this repository against STYLE.md: pages, Rust doc comments and test names.
//!
//! [`markdown`] cuts a text into sentences. [`headless`] finds clauses that stand for a noun. [`survey`] measures a whole checkout.
//! [`debt`] is the list of the texts that do not keep STYLE.md yet. [`page`] reads a page's code, links and anchors.

pub mod debt;
pub mod headless;
pub mod markdown;
pub mod page;
pub mod survey;

//! The ledger's records, read.

use std::collections::HashMap;
use std::rc::Rc;

use guardrails_model::record::{Facet, Run, Step};
use serde::de::DeserializeOwned;

use crate::product::Product;

/// Records, read once each.
#[derive(Default)]
pub(crate) struct Views {
    facets: HashMap<u32, Rc<Facet>>,
    steps: HashMap<u32, Rc<Step>>,
    runs: HashMap<u32, Rc<Run>>,
}

impl Views {
    pub(crate) fn facet(&mut self, product: &Product, doc: u32) -> Rc<Facet> {
        Rc::clone(self.facets.entry(doc).or_insert_with(|| read(product, doc)))
    }

    pub(crate) fn step(&mut self, product: &Product, doc: u32) -> Rc<Step> {
        Rc::clone(self.steps.entry(doc).or_insert_with(|| read(product, doc)))
    }

    pub(crate) fn run(&mut self, product: &Product, doc: u32) -> Rc<Run> {
        Rc::clone(self.runs.entry(doc).or_insert_with(|| read(product, doc)))
    }
}

fn read<T: DeserializeOwned>(product: &Product, doc: u32) -> Rc<T> {
    Rc::new(serde_json::from_str(&product.docs.get(doc)).expect("a record as the product writes it"))
}

//! Savings: the targets of a plan that stop costing money.

use std::collections::BTreeMap;

use guardrails_aws::catalog::Catalog;
use guardrails_aws::declared::{Noun, Priced};
use guardrails_model::prices::PriceList;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::Serialize;

use super::made::{Made, PartMade};
use super::words::Counts;

/// The sum that is saved, and the targets whose savings are not known.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Savings {
    /// US dollars an hour.
    hourly: Decimal,
    /// Of so many targets, such as instances.
    instances: usize,
    /// Targets that the price list does not have, by type and Region.
    not_counted: BTreeMap<String, usize>,
    /// Other changes that may save money, such as of groups' sizes.
    no_instances: usize,
    /// The same three counts by noun, for people.
    #[serde(skip)]
    by_noun: [BTreeMap<Noun, usize>; 2],
    #[serde(skip)]
    unknown: BTreeMap<(&'static str, Noun, &'static str), usize>,
}

impl Savings {
    pub(super) fn of(made: &Made, prices: &PriceList) -> Self {
        let mut savings = Self::default();
        made.parts.iter().for_each(|part| savings.add(made.catalog, part, prices));
        savings
    }

    fn add(&mut self, catalog: &Catalog, made: &PartMade, prices: &PriceList) {
        let region = made.part.place.as_ref();
        for step in Counts::of(made.steps()).changes {
            let Some(counted) = catalog.counted(&step.facet) else { continue };
            match counted.price {
                Priced::Free => continue,
                Priced::Unknown(before, after) => {
                    self.no_instances += 1;
                    *self.unknown.entry((before, counted.noun, after)).or_default() += 1;
                    continue;
                }
                Priced::ByKind => {}
            }
            let kind = step.kind.as_deref().unwrap_or("of no known type");
            if let Some(price) = prices.of(region, kind) {
                self.hourly = self.hourly.saturating_add(price);
                self.instances += 1;
                *self.by_noun[0].entry(counted.noun).or_default() += 1;
            } else {
                let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
                *self.not_counted.entry(format!("{kind}{place}")).or_default() += 1;
                *self.by_noun[1].entry(counted.noun).or_default() += 1;
            }
        }
    }

    pub(super) fn words(&self) -> String {
        let mut words = format!(
            "stops costing ${} an hour on demand, for {} that the price list has; what volumes cost goes on",
            self.hourly.round_dp(4).normalize(),
            counts(&self.by_noun[0])
        );
        if !self.not_counted.is_empty() {
            let kinds: Vec<String> = self.not_counted.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            words = format!(
                "{words}\nNOT COUNTED, as the price list does not have them: {}: {}",
                counts(&self.by_noun[1]),
                kinds.join(", ")
            );
        }
        for ((before, noun, after), number) in &self.unknown {
            words = format!("{words}\nNOT COUNTED: {before} {} {after}", noun.count(*number));
        }
        words
    }
}

fn counts(by_noun: &BTreeMap<Noun, usize>) -> String {
    let counts: Vec<String> = by_noun.iter().map(|(noun, number)| noun.count(*number)).collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(" and ") }
}

#[cfg(test)]
mod tests {
    use guardrails_model::prices::parse;

    use super::super::words::tests::{made, step};
    use super::*;

    #[test]
    fn stopped_targets_are_counted_and_unpriced_ones_are_said() {
        let prices = parse("prices", "eu-west-1: {t3.micro: 0.0114, m5.large: 0.107}").unwrap();
        let kind = |id: &str, kind: &str| guardrails_model::record::Step { kind: Some(kind.to_owned()), ..step(id) };
        let stopped =
            guardrails_model::record::Step { present: guardrails_model::ids::Value::new("stopped"), ..kind("i-4", "m5.large") };
        let there = vec![kind("i-1", "t3.micro"), kind("i-2", "t3.micro"), kind("i-3", "m5.large Windows"), stopped];
        let made = made(&[("eu-west-1", there), ("us-east-1", vec![kind("i-5", "t3.micro")])]);
        let savings = Savings::of(&made, &prices);
        assert_eq!((savings.hourly, savings.instances), ("0.0228".parse().unwrap(), 2));
        let words = savings.words();
        assert!(words.contains("stops costing $0.0228 an hour on demand, for 2 instances that the price list has"), "{words}");
        assert!(words.contains("2 instances: 1 m5.large Windows in eu-west-1, 1 t3.micro in us-east-1"), "{words}");
    }
}

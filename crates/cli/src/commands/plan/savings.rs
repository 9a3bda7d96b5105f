//! What stops costing money when the instances of a plan stop.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use super::words::Tally;
use super::{Made, PartMade};
use crate::estimate::is_instance;
use crate::output::count;
use crate::prices::Prices;

/// What is saved, and of what that is not known.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Savings {
    /// US dollars an hour.
    hourly: Decimal,
    /// Of so many instances.
    instances: usize,
    /// Instances that the price list does not have, by type and Region.
    not_counted: BTreeMap<String, usize>,
    /// Other changes that may save money, such as of groups' sizes.
    no_instances: usize,
}

impl Savings {
    pub(super) fn of(made: &Made, prices: &Prices) -> Self {
        let mut savings = Self::default();
        made.parts.iter().for_each(|made| savings.add(made, prices));
        savings
    }

    fn add(&mut self, made: &PartMade, prices: &Prices) {
        let region = made.part.place.as_ref();
        let sizes = |facet: &str| facet.starts_with("group-size/");
        for step in Tally::of(made.steps()).changes {
            self.no_instances += usize::from(sizes(step.facet.as_str()));
            if !is_instance(&step.facet) {
                continue;
            }
            let kind = step.kind.as_deref().unwrap_or("of no known type");
            if let Some(price) = prices.of(region, kind) {
                self.hourly += price;
                self.instances += 1;
            } else {
                let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
                *self.not_counted.entry(format!("{kind}{place}")).or_default() += 1;
            }
        }
    }

    pub(super) fn words(&self) -> String {
        let mut words = format!(
            "stops costing ${} an hour on demand, for {} that the price list has; what volumes cost goes on",
            self.hourly.round_dp(4).normalize(),
            count(self.instances, "instance")
        );
        if !self.not_counted.is_empty() {
            let all: usize = self.not_counted.values().sum();
            let kinds: Vec<String> = self.not_counted.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            words = format!(
                "{words}\nNOT COUNTED, as the price list does not have them: {}: {}",
                count(all, "instance"),
                kinds.join(", ")
            );
        }
        if self.no_instances > 0 {
            words = format!("{words}\nNOT COUNTED: the members of {} that would go to zero", count(self.no_instances, "group"));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::{made, step};
    use super::*;
    use crate::prices::parse;

    #[test]
    fn what_stops_is_counted_and_what_the_list_does_not_have_is_said() {
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

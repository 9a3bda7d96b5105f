//! Price lists: the cost an hour of instances, by Region and kind. AWS changes prices, and contracts differ, so a list has a date.

mod file;

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::Place;

pub use file::parse;

/// A list that is older than so many days is told of.
pub const OLD_AFTER: i32 = 90;
/// The most bytes of a list in a template. A custom resource's request holds the old list and the new one, and Lambda takes 256 KB of
/// both: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. Not tried on AWS.
pub const MOST_BYTES: usize = 100_000;

/// US dollars an hour, by an instance's type, its platform unless it is Linux, and `dedicated` where it is: `m5.large`,
/// `m5.large Windows`, `m5.large dedicated`.
pub type OfKinds = BTreeMap<String, Decimal>;

/// A price list: either for every Region, or for each its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PriceList {
    /// The day on which the prices were read. Lists that people write may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Where they are from, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Prices that hold in every Region.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub everywhere: OfKinds,
    /// Prices by Region.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<Place, OfKinds>,
}

impl PriceList {
    /// Dollars an hour of an instance of a kind in a Region; nothing when the list does not say.
    #[must_use]
    pub fn of(&self, region: Option<&Place>, kind: &str) -> Option<Decimal> {
        let there = region.and_then(|region| self.regions.get(region)).and_then(|of_kinds| of_kinds.get(kind));
        there.or_else(|| self.everywhere.get(kind)).copied()
    }

    /// That the list is older than [`OLD_AFTER`] days, in words; nothing where it is not, or has no date.
    #[must_use]
    pub fn age(&self, today: Date) -> Option<String> {
        let date = self.date?;
        let days = today.since((jiff::Unit::Day, date)).ok()?.get_days();
        (days > OLD_AFTER).then(|| format!("the price list is of {date}, {days} days ago"))
    }

    /// The list as it travels with the stack.
    ///
    /// # Errors
    /// When it is longer than [`MOST_BYTES`]; in words.
    pub fn deployable(&self) -> Result<String, String> {
        let text = serde_json::to_string(self).map_err(|error| format!("writing the price list as JSON: {error}"))?;
        if text.len() <= MOST_BYTES {
            return Ok(text);
        }
        let prices = self.everywhere.len() + self.regions.values().map(BTreeMap::len).sum::<usize>();
        Err(format!(
            "the price list has {prices} prices and {} bytes as it is deployed, and a stack takes {MOST_BYTES}: leave out types and \
             Regions that nobody uses",
            text.len()
        ))
    }
}

/// The cost an hour of things that run, as far as a list has prices for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hourly {
    /// Dollars an hour of those that the list has.
    pub dollars: Decimal,
    /// How many those are.
    pub priced: usize,
    /// How many of each kind, with its Region, the list does not have.
    pub unpriced: BTreeMap<String, usize>,
}

impl Hourly {
    /// Takes in `count` things of a kind in a Region.
    pub fn add(&mut self, prices: &PriceList, region: Option<&Place>, kind: &str, count: usize) {
        if count == 0 {
            return;
        }
        if let Some(price) = prices.of(region, kind) {
            self.dollars = self.dollars.saturating_add(price.saturating_mul(Decimal::from(count)));
            self.priced += count;
        } else {
            let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
            *self.unpriced.entry(format!("{kind}{place}")).or_default() += count;
        }
    }

    /// Dollars an hour, where they are evidence: nothing runs, or something of it has a price.
    #[must_use]
    pub fn known(&self) -> Option<Decimal> {
        (self.priced > 0 || self.unpriced.is_empty()).then_some(self.dollars)
    }

    /// In words, such as `$12.40 an hour`, with the number of those without a price.
    #[must_use]
    pub fn words(&self) -> String {
        let unpriced: usize = self.unpriced.values().sum();
        let dollars = if self.dollars < Decimal::ONE {
            self.dollars.round_dp(4).normalize().to_string()
        } else {
            format!("{:.2}", self.dollars.round_dp(2))
        };
        match (self.priced, unpriced) {
            (0, 1..) => "no price is known".to_owned(),
            (_, 0) => format!("${dollars} an hour"),
            (_, many) => format!("${dollars} an hour and {many} without a price"),
        }
    }

    /// The kinds without a price, such as `2 m5.large Windows in eu-west-1`; nothing when there are none.
    #[must_use]
    pub fn without_price(&self) -> Option<String> {
        let kinds: Vec<String> = self.unpriced.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        (!kinds.is_empty()).then(|| kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(digits: &str) -> Decimal {
        digits.parse().unwrap()
    }

    #[test]
    fn list_is_old_after_ninety_days() {
        let list = |date: Option<&str>| PriceList { date: date.map(|date| date.parse().unwrap()), ..PriceList::default() };
        let today: Date = "2026-11-30".parse().unwrap();
        assert_eq!(list(Some("2026-09-01")).age(today), None, "90 days");
        let old = list(Some("2026-08-31")).age(today).unwrap();
        assert!(old.contains("of 2026-08-31, 91 days ago"), "{old}");
        assert_eq!((list(None).age(today), list(Some("2027-01-01")).age(today)), (None, None));
    }

    #[test]
    fn list_too_long_for_a_stack_is_refused_with_the_limit() {
        let of_kinds: OfKinds = (0..4_000).map(|number| (format!("m5.{number}xlarge Windows"), Decimal::ONE)).collect();
        let mut list = PriceList { regions: BTreeMap::from([("us-east-1".parse().unwrap(), of_kinds)]), ..PriceList::default() };
        let why = list.deployable().unwrap_err();
        assert!(why.contains("4000 prices") && why.contains("a stack takes 100000"), "{why}");
        list.regions.values_mut().for_each(|of_kinds| of_kinds.retain(|kind, _| kind.len() < 20));
        let text = list.deployable().unwrap();
        assert_eq!(serde_json::from_str::<PriceList>(&text).unwrap(), list);
    }

    #[test]
    fn unpriced_kinds_are_named_and_are_no_evidence_alone() {
        let list = parse("prices", "us-east-1: { m5.large: 0.096 }\n").unwrap();
        let region: Place = "us-east-1".parse().unwrap();
        let mut hourly = Hourly::default();
        assert_eq!(hourly.known(), Some(Decimal::ZERO), "nothing runs");
        hourly.add(&list, Some(&region), "p5.48xlarge", 2);
        assert_eq!((hourly.known(), hourly.without_price().as_deref()), (None, Some("2 p5.48xlarge in us-east-1")));
        assert_eq!(hourly.words(), "no price is known");
        hourly.add(&list, Some(&region), "m5.large", 10);
        assert_eq!((hourly.known(), hourly.words().as_str()), (Some(dollars("0.96")), "$0.96 an hour and 2 without a price"));
        let mut priced = Hourly::default();
        priced.add(&list, Some(&region), "m5.large", 125);
        assert_eq!((priced.words().as_str(), priced.without_price()), ("$12.00 an hour", None));
    }
}

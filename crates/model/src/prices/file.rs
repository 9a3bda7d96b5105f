//! Reads a price list that people bring, or that `guardrails prices fetch` wrote: YAML with US dollars an hour.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{OfKinds, PriceList};
use crate::config::file::{problem::Problem, wording};
use crate::ids::Place;

/// The keys of a list that are no Region and no type.
const DATE: &str = "date";
const SOURCE: &str = "source";

/// US dollars an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Price(Decimal);

/// Reads the price list `name` that holds `text`.
///
/// # Errors
/// When it is not as expected; in words, with the place.
pub fn parse(name: &str, text: &str) -> Result<PriceList, String> {
    let entries: BTreeMap<String, Spanned<Entry>> = serde_saphyr::from_str(text).map_err(|error| {
        let (at, what) = wording::words(&error);
        Problem { at, what }.render(name, text)
    })?;
    let wrong = |at: Location, what: &str| Problem::at(at, what.to_owned()).render(name, text);
    let (mut list, mut price_at) = (PriceList::default(), None);
    for (key, Spanned { value, referenced: at, .. }) in entries {
        match (key.as_str(), value) {
            (SOURCE, Entry::Text(words)) => list.source = Some(words),
            (DATE, Entry::Text(words)) => list.date = Some(date(&words).map_err(|what| wrong(at, &what))?),
            (DATE | SOURCE, _) => {
                return Err(wrong(at, &format!("`{key}` is no text: expected `date: 2026-11-30` or `source: ...`")));
            }
            (_, Entry::Text(words)) => return Err(wrong(at, &format!("`{words}` is not {A_PRICE_OR_REGION}"))),
            (_, Entry::Price(price)) => {
                list.everywhere.insert(key, price.0);
                price_at = price_at.or(Some(at));
            }
            (_, Entry::Region(of_kinds)) => {
                let region = key.parse::<Place>().map_err(|error| wrong(at, &error.to_string()))?;
                list.regions.insert(region, of_kinds);
            }
        }
    }
    match price_at {
        Some(at) if !list.regions.is_empty() => {
            Err(wrong(at, "prices for every Region and for single Regions in one list: give each Region its own, or none"))
        }
        None if list.regions.is_empty() => Err(format!(
            "error: {name}: the price list is empty: expected `t3.micro: 0.0104` for every Region, or \
             `us-east-1: {{t3.micro: 0.0104}}` for each"
        )),
        _ => Ok(list),
    }
}

fn date(words: &str) -> Result<Date, String> {
    words.parse().map_err(|_| format!("`{words}` is not a date: expected one such as 2026-11-30"))
}

/// A price, or a Region's prices.
enum Entry {
    Price(Price),
    Region(OfKinds),
    /// Of the list itself, such as its date.
    Text(String),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor { regions: true })
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(EntryVisitor { regions: false })? {
            Entry::Price(price) => Ok(price),
            Entry::Region(_) => Err(D::Error::custom("a Region's prices have no Regions in them")),
            Entry::Text(words) => Err(D::Error::custom(format!("`{words}` is not {A_PRICE}"))),
        }
    }
}

const A_PRICE: &str = "a price in US dollars an hour, such as 0.0104";
const A_PRICE_OR_REGION: &str = "a price in US dollars an hour, such as 0.0104, or a Region's prices";

struct EntryVisitor {
    regions: bool,
}

impl EntryVisitor {
    /// From the digits as they are printed: no binary fraction gets into the sum.
    fn price<E: Error>(&self, digits: &str) -> Result<Entry, E> {
        let price = digits.parse::<Decimal>().ok().filter(|price| !price.is_sign_negative() || price.is_zero());
        price.map(|price| Entry::Price(Price(price))).ok_or_else(|| E::custom(format!("`{digits}` is not {}", self.expected())))
    }

    fn expected(&self) -> &'static str {
        if self.regions { A_PRICE_OR_REGION } else { A_PRICE }
    }
}

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Entry, E> {
        self.price(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Entry, E> {
        self.price(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Entry, E> {
        self.price(&number.to_string())
    }

    fn visit_str<E: Error>(self, words: &str) -> Result<Entry, E> {
        Ok(Entry::Text(words.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entry, M::Error> {
        let mut of_kinds = OfKinds::new();
        while let Some((kind, price)) = map.next_entry::<String, Price>()? {
            of_kinds.insert(kind, price.0);
        }
        Ok(Entry::Region(of_kinds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(digits: &str) -> Decimal {
        digits.parse().unwrap()
    }

    #[test]
    fn a_price_is_for_every_region_or_for_one() {
        let region: Place = "us-east-1".parse().unwrap();
        let everywhere = parse("prices", "t3.micro: 0.0104\nm5.large Windows: 1\n").unwrap();
        assert_eq!(everywhere.of(None, "t3.micro"), Some(decimal("0.0104")));
        assert_eq!(everywhere.of(Some(&region), "m5.large Windows"), Some(decimal("1")));
        let by_region = parse("prices", "us-east-1: {t3.micro: 0.0104, \"m5.large Windows\": 0.188}\neu-west-1: {}\n").unwrap();
        assert_eq!(by_region.of(Some(&region), "m5.large Windows"), Some(decimal("0.188")));
        assert_eq!(by_region.of(Some(&"eu-west-1".parse().unwrap()), "t3.micro"), None);
        assert_eq!(by_region.of(None, "t3.micro"), None);
    }

    #[test]
    fn date_and_source_are_of_the_list_and_may_be_missing() {
        let text = "date: 2026-11-30\nsource: AWS Price List API\nus-east-1: {t3.micro: 0.0104}\n";
        let list = parse("prices", text).unwrap();
        assert_eq!((list.date, list.source.as_deref()), ("2026-11-30".parse().ok(), Some("AWS Price List API")));
        let undated = parse("prices", "us-east-1: {t3.micro: 0.0104}\n").unwrap();
        assert_eq!((undated.date, undated.regions), (None, list.regions));
    }

    #[test]
    fn a_tenth_is_a_tenth() {
        let prices = parse("prices", "t3.micro: 0.1\nt3.small: 0.2\n").unwrap();
        let sum = prices.of(None, "t3.micro").unwrap() + prices.of(None, "t3.small").unwrap();
        assert_eq!(sum, decimal("0.3"));
    }

    #[test]
    fn wrong_price_is_said_with_its_place_and_the_expected_form() {
        for (text, line, words) in [
            ("t3.micro: cheap\n", 1, "`cheap` is not a price in US dollars an hour"),
            ("t3.nano: 0.0052\nt3.micro: -0.01\n", 2, "`-0.01` is not a price"),
            ("us-east-1:\n  t3.nano: 0.0052\n  t3.micro: 0.0104 USD\n", 3, "`0.0104 USD` is not a price"),
            ("t3.micro: .inf\n", 1, "non-finite"),
            ("us-east-1: {t3.micro: 0.0104}\nt3.micro: 0.0104\n", 2, "give each Region its own, or none"),
            ("US East: {t3.micro: 0.0104}\n", 1, "`US East` is not a place"),
            ("us-east-1: {t3.micro: {linux: 1}}\n", 1, "no Regions in them"),
            ("t3.micro: 0.0104\nt3.micro: 0.0208\n", 2, "t3.micro"),
            ("- t3.micro\n", 1, "map"),
            ("date: soon\nt3.micro: 1\n", 1, "`soon` is not a date"),
            ("t3.micro: 1\ndate: 5\n", 2, "`date` is no text"),
        ] {
            let said = parse("prices.yaml", text).expect_err(text);
            assert!(said.contains(words) && said.contains(&format!("prices.yaml:{line}:")), "{text}:\n{said}");
        }
        assert!(parse("prices.yaml", "{}\n").unwrap_err().contains("prices.yaml: the price list is empty"));
    }
}

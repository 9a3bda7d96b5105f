//! What instances cost an hour, by a price list that people bring: prices differ by Region and contract, and change.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Result, anyhow};
use guardrails_model::ids::Place;
use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::output;

/// A price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prices {
    /// The same in every Region: `t3.micro: 0.0104`.
    Everywhere(OfKinds),
    /// Each Region's: `us-east-1: {t3.micro: 0.0104}`.
    ByRegion(BTreeMap<Place, OfKinds>),
}

/// US dollars an hour, by an instance's type, and platform unless it is Linux: `m5.large`, `m5.large Windows`.
type OfKinds = BTreeMap<String, Price>;

/// US dollars an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price(Decimal);

/// Reads a price list. What is wrong with it is shown with its place; `None` then.
pub(crate) fn read(path: &Path) -> Result<Option<Prices>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        anyhow!("cannot read {}: {error}\nhint: a price list has lines such as `t3.micro: 0.0104`", path.display())
    })?;
    match parse(&path.display().to_string(), &text) {
        Ok(prices) => Ok(Some(prices)),
        Err(words) => {
            output::tell(&words);
            output::tell("nothing was done");
            Ok(None)
        }
    }
}

pub(crate) fn parse(name: &str, text: &str) -> Result<Prices, String> {
    let list: BTreeMap<String, Spanned<Entry>> = serde_saphyr::from_str(text)
        .map_err(|error| error.render_with_options(serde_saphyr::render_options! { source_name: Some(name) }))?;
    let wrong = |at: Location, what: &str| format!("error: {what}\n --> {name}:{}:{}", at.line(), at.column());
    let (mut everywhere, mut by_region, mut price_at) = (BTreeMap::new(), BTreeMap::new(), None);
    for (key, Spanned { value, referenced: at, .. }) in list {
        match value {
            Entry::Price(price) => {
                everywhere.insert(key, price);
                price_at = price_at.or(Some(at));
            }
            Entry::Region(of_kinds) => {
                let region = key.parse::<Place>().map_err(|error| wrong(at, &error.to_string()))?;
                by_region.insert(region, of_kinds);
            }
        }
    }
    match price_at {
        Some(at) if !by_region.is_empty() => {
            Err(wrong(at, "prices for every Region and for single Regions in one list: give each Region its own, or none"))
        }
        Some(_) => Ok(Prices::Everywhere(everywhere)),
        None if by_region.is_empty() => Err(format!(
            "error: {name}: the price list is empty: expected `t3.micro: 0.0104` for every Region, or \
             `us-east-1: {{t3.micro: 0.0104}}` for each"
        )),
        None => Ok(Prices::ByRegion(by_region)),
    }
}

impl Prices {
    /// What an instance of a kind costs in a Region; nothing when the list does not say.
    pub(crate) fn of(&self, region: Option<&Place>, kind: &str) -> Option<Decimal> {
        let of_kinds = match self {
            Self::Everywhere(of_kinds) => of_kinds,
            Self::ByRegion(regions) => regions.get(region?)?,
        };
        of_kinds.get(kind).map(|price| price.0)
    }
}

/// A price, or a Region's prices.
enum Entry {
    Price(Price),
    Region(OfKinds),
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
        }
    }
}

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
        if self.regions {
            "a price in US dollars an hour, such as 0.0104, or a Region's prices"
        } else {
            "a price in US dollars an hour, such as 0.0104"
        }
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
        Err(E::custom(format!("`{words}` is not {}", self.expected())))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entry, M::Error> {
        let mut of_kinds = OfKinds::new();
        while let Some((kind, price)) = map.next_entry::<String, Price>()? {
            of_kinds.insert(kind, price);
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
    fn a_tenth_is_a_tenth() {
        let prices = parse("prices", "t3.micro: 0.1\nt3.small: 0.2\n").unwrap();
        let sum = prices.of(None, "t3.micro").unwrap() + prices.of(None, "t3.small").unwrap();
        assert_eq!(sum, decimal("0.3"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_was_expected() {
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
        ] {
            let said = parse("prices.yaml", text).expect_err(text);
            assert!(said.contains(words) && said.contains(&format!("prices.yaml:{line}:")), "{text}:\n{said}");
        }
        assert!(parse("prices.yaml", "{}\n").unwrap_err().contains("prices.yaml: the price list is empty"));
    }
}

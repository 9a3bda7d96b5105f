//! The small words of `guardrails.yaml`: `2 USD`, `80% forecasted`, `monthly`. Each is read strictly and written back
//! the same way, since the ledger keeps them as they are read here.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::alert::AlertType;

/// A word that is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct BadWord {
    given: String,
    expected: &'static str,
}

/// An amount of money a period. Dollars only: Budgets' messages in other currencies are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(Decimal);

impl BadWord {
    /// `given`, where `expected` was.
    pub(super) fn new(given: &str, expected: &'static str) -> Self {
        Self { given: given.to_owned(), expected }
    }
}

impl Amount {
    const EXPECTED: &str = "an amount like `100 USD`: a number over 0 and below 10^18 with at most two decimals, a space, and \
        `USD` (alerts in other currencies are not understood yet)";
    /// `10000 USD`.
    pub const TEN_THOUSAND: Self = Self(Decimal::from_parts(10_000, 0, 0, false, 0));

    /// No amount is as large: a hundred times it can still be counted, to a tenth of a cent.
    const TOO_MUCH: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

    /// The amount in dollars.
    #[must_use]
    pub fn dollars(self) -> Decimal {
        self.0
    }
}

impl FromStr for Amount {
    type Err = BadWord;

    fn from_str(given: &str) -> Result<Self, BadWord> {
        let amount = given
            .strip_suffix(" USD")
            .filter(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            .and_then(|number| Decimal::from_str(number).ok())
            .filter(|amount| *amount > Decimal::ZERO && *amount < Self::TOO_MUCH && amount.scale() <= 2);
        amount.map(Self).ok_or_else(|| BadWord { given: given.to_owned(), expected: Self::EXPECTED })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USD", self.0)
    }
}

/// Where a stage stands: a percentage of the budget, spent or forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageAt {
    /// Percent of the budgeted amount.
    pub percent: Decimal,
    /// Spent or forecast.
    pub alert_type: AlertType,
}

impl StageAt {
    const EXPECTED: &str = "a threshold like `80% forecasted` or `100% actual`: a number over 0 and up to 10000, `%`, \
        a space, and `actual` or `forecasted`";

    /// The threshold in money, as exactly as the budget gives it; Budgets rounds it to cents in its messages.
    #[must_use]
    pub fn threshold(self, budgeted: Decimal) -> Decimal {
        // A limit that somebody else set may be of any size.
        budgeted.saturating_mul(self.percent) / Decimal::ONE_HUNDRED
    }
}

impl FromStr for StageAt {
    type Err = BadWord;

    fn from_str(given: &str) -> Result<Self, BadWord> {
        let read = || {
            let (percent, kind) = given.split_once("% ")?;
            let alert_type = match kind {
                "actual" => AlertType::Actual,
                "forecasted" => AlertType::Forecasted,
                _ => return None,
            };
            let plain = percent.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let percent = Decimal::from_str(percent).ok().filter(|_| plain)?.normalize();
            let in_range = percent > Decimal::ZERO && percent <= Decimal::from(10_000) && percent.scale() <= 3;
            in_range.then_some(Self { percent, alert_type })
        };
        read().ok_or_else(|| BadWord { given: given.to_owned(), expected: Self::EXPECTED })
    }
}

impl fmt::Display for StageAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}% {}", self.percent, self.alert_type.as_str().to_ascii_lowercase()))
    }
}

/// A part of something: `0%`, `10%`, `12.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(Decimal);

impl Percent {
    const EXPECTED: &str = "a percentage like `10%`: a number from 0 to 1000 with at most two decimals, and `%`";

    /// None of it.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// So much of `whole`, rounded down.
    #[must_use]
    pub fn of(self, whole: usize) -> usize {
        let part = Decimal::from(whole) * self.0 / Decimal::ONE_HUNDRED;
        part.floor().to_usize().unwrap_or(usize::MAX)
    }
}

impl FromStr for Percent {
    type Err = BadWord;

    fn from_str(given: &str) -> Result<Self, BadWord> {
        let percent = given
            .strip_suffix('%')
            .filter(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            .and_then(|number| Decimal::from_str(number).ok())
            .filter(|percent| *percent <= Decimal::ONE_THOUSAND && percent.scale() <= 2);
        percent
            .map(|percent| Self(percent.normalize()))
            .ok_or_else(|| BadWord { given: given.to_owned(), expected: Self::EXPECTED })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A length of time: `90m`, `2h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(SignedDuration);

impl Duration {
    const EXPECTED: &str = "a length of time like `90m`, `2h` or `30d`: a number over 0, and `s`, `m`, `h` or `d`";

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(SignedDuration::from_secs(seconds))
    }

    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.as_secs()
    }
}

impl FromStr for Duration {
    type Err = BadWord;

    fn from_str(given: &str) -> Result<Self, BadWord> {
        let read = || {
            let unit = given.chars().next_back()?;
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                _ => return None,
            };
            let number = given.strip_suffix(unit).filter(|number| number.bytes().all(|b| b.is_ascii_digit()))?;
            let number: i64 = number.parse().ok().filter(|number| (1..=1_000_000).contains(number))?;
            Some(Self::from_secs(number * seconds))
        };
        read().ok_or_else(|| BadWord { given: given.to_owned(), expected: Self::EXPECTED })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let (number, unit) = match seconds {
            _ if seconds % 86_400 == 0 => (seconds / 86_400, 'd'),
            _ if seconds % 3600 == 0 => (seconds / 3600, 'h'),
            _ if seconds % 60 == 0 => (seconds / 60, 'm'),
            _ => (seconds, 's'),
        };
        f.pad(&format!("{number}{unit}"))
    }
}

macro_rules! word {
    ($type:ident, $pattern:literal, $description:literal) => {
        impl TryFrom<String> for $type {
            type Error = BadWord;

            fn try_from(given: String) -> Result<Self, BadWord> {
                given.parse()
            }
        }

        impl From<$type> for String {
            fn from(word: $type) -> String {
                word.to_string()
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $description})
            }
        }
    };
}

word!(Duration, r"^[1-9][0-9]*[smhd]$", "A length of time, such as `90m`, `2h` or `30d`.");
word!(Percent, r"^[0-9]+(\.[0-9]{1,2})?%$", "A percentage, such as `10%`.");
word!(Amount, r"^[0-9]+(\.[0-9]{1,2})? USD$", "An amount of money, such as `100 USD`.");
word!(StageAt, r"^[0-9]+(\.[0-9]{1,3})?% (actual|forecasted)$", "A threshold in percent of the budget, such as `100% actual`.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were_read() {
        for word in ["80% forecasted", "100% actual", "0.5% actual", "10000% actual"] {
            assert_eq!(word.parse::<StageAt>().unwrap().to_string(), word);
        }
        assert_eq!("80.0% actual".parse::<StageAt>().unwrap(), "80% actual".parse().unwrap());
        assert_eq!("2 USD".parse::<Amount>().unwrap().to_string(), "2 USD");
    }

    #[test]
    fn other_words_are_refused_with_what_was_expected() {
        for word in ["80 actual", "80%", "80% spent", "0% actual", "-1% actual", "1e2% actual", "20000% actual", "% actual"] {
            let error = word.parse::<StageAt>().unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("`80% forecasted`"), "{error}");
        }
        for word in ["1000000000000000000 USD", "2", "2USD", "2 EUR", "0 USD", "-2 USD", "2.005 USD", "1,000 USD", " USD"] {
            assert!(word.parse::<Amount>().unwrap_err().to_string().contains("`100 USD`"), "{word}");
        }
    }

    #[test]
    fn a_percentage_is_of_a_whole_and_rounded_down() {
        for (word, whole, part) in [("0%", 50, 0), ("10%", 19, 1), ("12.5%", 16, 2), ("200%", 3, 6)] {
            let percent: Percent = word.parse().unwrap();
            assert_eq!((percent.to_string().as_str(), percent.of(whole)), (word, part));
        }
        for word in ["10", "-1%", "1e1%", "10 %", "2000%", "%", "1.555%"] {
            assert!(word.parse::<Percent>().unwrap_err().to_string().contains("`10%`"), "{word}");
        }
    }

    #[test]
    fn the_threshold_of_the_largest_budget_can_be_told() {
        let most: Amount = "999999999999999999.99 USD".parse().unwrap();
        let at: StageAt = "9999.999% actual".parse().unwrap();
        assert_eq!(at.threshold(most.dollars()).round_dp(2).to_string(), "99999989999999999999.00");
        assert!(at.threshold(Decimal::MAX) > most.dollars(), "a limit of any size");
    }
}

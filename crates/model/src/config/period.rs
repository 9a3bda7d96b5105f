//! How often a budget begins anew.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::words::BadWord;

const EXPECTED: &str =
    "a period: `monthly`, `daily`, or the first and the last day of a project, such as `2026-11-01..2027-02-28`";

/// How often a budget begins anew. Budgets' messages for quarters and years are not known, so those are not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Period {
    /// Every day, in UTC.
    Daily,
    /// Every calendar month, in UTC.
    Monthly,
    /// Never: it counts from the first day to the last, both in UTC. AWS deletes the budget after that.
    Custom {
        /// The first day.
        first: Date,
        /// The last day, which counts.
        last: Date,
    },
}

/// The day of a moment, in UTC as AWS Budgets counts.
#[must_use]
pub fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

impl Period {
    /// The period that is present at `now`, by the name that alerts of that day give it.
    #[must_use]
    pub fn present(self, now: Timestamp) -> String {
        self.of_alert(day(now))
    }

    /// The period that an alert of `date` speaks of: its month, or for a daily budget the day before.
    #[must_use]
    pub fn of_alert(self, date: Date) -> String {
        match self {
            Self::Daily => date.yesterday().unwrap_or(date).to_string(),
            Self::Monthly => date.strftime("%Y-%m").to_string(),
            Self::Custom { .. } => self.to_string(),
        }
    }

    /// Has it ended for good before `today`?
    #[must_use]
    pub fn has_ended(self, today: Date) -> bool {
        matches!(self, Self::Custom { last, .. } if last < today)
    }

    /// Is the period of this name one before `present`? Custom periods have no order: another one is one that was given up.
    #[must_use]
    pub fn is_before(self, name: &str, present: &str) -> bool {
        match self {
            Self::Daily | Self::Monthly => name < present,
            Self::Custom { .. } => name != present,
        }
    }
}

impl FromStr for Period {
    type Err = BadWord;

    fn from_str(given: &str) -> Result<Self, BadWord> {
        let custom = || {
            let (first, last) = given.split_once("..")?;
            let (first, last): (Date, Date) = (first.parse().ok()?, last.parse().ok()?);
            let read = Self::Custom { first, last };
            // As it is written, so is it stored and compared.
            (first <= last && read.to_string() == given).then_some(read)
        };
        match given {
            "daily" => Ok(Self::Daily),
            "monthly" => Ok(Self::Monthly),
            _ => custom().ok_or_else(|| BadWord::new(given, EXPECTED)),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daily => f.pad("daily"),
            Self::Monthly => f.pad("monthly"),
            Self::Custom { first, last } => f.pad(&format!("{first}..{last}")),
        }
    }
}

impl TryFrom<String> for Period {
    type Error = BadWord;

    fn try_from(given: String) -> Result<Self, BadWord> {
        given.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(daily|monthly|\d{4}-\d{2}-\d{2}\.\.\d{4}-\d{2}-\d{2})$",
            "description": "`daily`, `monthly`, or the first and the last day of a project, such as `2026-11-01..2027-02-28`."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_alert_speaks_of_the_day_before() {
        let date = "2026-03-01".parse().unwrap();
        assert_eq!(Period::Daily.of_alert(date), "2026-02-28");
        assert_eq!(Period::Monthly.of_alert(date), "2026-03");
    }

    #[test]
    fn custom_period_is_its_first_and_last_day() {
        let period: Period = "2026-11-01..2027-02-28".parse().unwrap();
        assert_eq!(period.of_alert("2030-01-01".parse().unwrap()), "2026-11-01..2027-02-28");
        assert_eq!(serde_json::to_string(&period).unwrap(), "\"2026-11-01..2027-02-28\"");
        assert!(!period.has_ended("2027-02-28".parse().unwrap()) && period.has_ended("2027-03-01".parse().unwrap()));
        assert!(!Period::Monthly.has_ended("2027-03-01".parse().unwrap()));
        for bad in
            ["2027-02-28..2026-11-01", "2026-11-01", "2026-11-01..", "2026-11-01..soon", "20261101..20270228", "yearly", ""]
        {
            assert!(bad.parse::<Period>().unwrap_err().to_string().contains("`monthly`"), "{bad}");
        }
    }
}

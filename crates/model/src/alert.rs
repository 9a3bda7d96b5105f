//! Reads the messages of the topic. AWS Budgets sends plain text for people, with no ARN, percent or period in it, so the parser
//! is strict. An alert is a budget alert when its first line and all six field lines say so, and anything less is unknown. The
//! field lines win over the sentence above them: the two do disagree in real messages.

use std::str::FromStr;

use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The text that AWS's walk-through tells people to publish to try their set-up.
pub const MOCK_TEXT: &str = "This is a mock notification";
const FIRST_LINE: &str = "AWS Budget Notification ";
/// No alert is older than AWS: a year that says so was misread, and would be a period of its own.
const FIRST_YEAR: i16 = 2000;
const ACCOUNT_LINE: &str = "AWS Account ";

/// Whether money is gone or is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlertType {
    /// The money is spent.
    Actual,
    /// AWS expects it to be spent by the period's end.
    Forecasted,
}

impl AlertType {
    /// As Budgets writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actual => "ACTUAL",
            Self::Forecasted => "FORECASTED",
        }
    }
}

/// A Budgets alert, every field of it read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetAlert {
    /// The date of the alert, not of the spending.
    pub date: Date,
    /// The account that the alert names, as it is written there.
    pub account: Option<String>,
    /// The budget's name.
    pub budget: String,
    /// Actual or forecasted.
    pub alert_type: AlertType,
    /// ISO 4217 code of the currency.
    pub currency: String,
    /// The budget's amount.
    pub budgeted: Decimal,
    /// The threshold in money, rounded to cents by Budgets.
    pub threshold: Decimal,
    /// The amount that was spent, or is expected to be.
    pub amount: Decimal,
}

/// The reading of a text on the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A Budgets alert.
    Budget(BudgetAlert),
    /// The walk-through's mock text.
    Mock,
    /// Anything else, with the reason it is not understood.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Reads one text.
#[must_use]
pub fn read(text: &str) -> Reading {
    if text.trim() == MOCK_TEXT {
        return Reading::Mock;
    }
    match read_budget(text) {
        Ok(alert) => Reading::Budget(alert),
        Err(why) => Reading::Unknown { why },
    }
}

fn read_budget(text: &str) -> Result<BudgetAlert, String> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    let Some(date) = first.strip_prefix(FIRST_LINE) else {
        return Err(format!("the first line is not `{FIRST_LINE}<date>`: {}", excerpt(first)));
    };
    let date = Date::strptime("%B %d, %Y", date.trim())
        .ok()
        .filter(|date| date.year() >= FIRST_YEAR)
        .ok_or_else(|| format!("the first line's date is not like `May 04, 2020`: {}", excerpt(date)))?;

    if text.lines().skip(1).any(|line| line.starts_with(FIRST_LINE)) {
        return Err(format!("the line `{FIRST_LINE}<date>` stands there more than once"));
    }

    let kind = field(text, "Budget Type")?;
    if kind != "Cost" {
        return Err(format!("Budget Type is {}: only Cost is understood", excerpt(kind)));
    }
    let alert_type = match field(text, "Alert Type")?.to_ascii_uppercase().as_str() {
        "ACTUAL" => AlertType::Actual,
        "FORECASTED" => AlertType::Forecasted,
        other => return Err(format!("Alert Type is {}: expected ACTUAL or FORECASTED", excerpt(other))),
    };
    let other_type = match alert_type {
        AlertType::Actual => AlertType::Forecasted,
        AlertType::Forecasted => AlertType::Actual,
    };
    if !values(text, &amount_field(other_type)).is_empty() {
        return Err(format!("it has an amount of type {} beside the alert's own", other_type.as_str()));
    }
    let threshold = field(text, "Alert Threshold")?;
    let threshold =
        threshold.strip_prefix('>').ok_or_else(|| format!("Alert Threshold is not `> $<amount>`: {}", excerpt(threshold)))?;

    Ok(BudgetAlert {
        date,
        account: account(text)?,
        budget: field(text, "Budget Name")?.to_owned(),
        alert_type,
        currency: "USD".to_owned(),
        budgeted: dollars("Budgeted Amount", field(text, "Budgeted Amount")?)?,
        threshold: dollars("Alert Threshold", threshold.trim_start())?,
        amount: dollars("the amount", field(text, &amount_field(alert_type))?)?,
    })
}

fn amount_field(alert_type: AlertType) -> String {
    format!("{} Amount", alert_type.as_str())
}

/// The value of the one line `name: value`. Two such lines contradict each other or hide one another: unknown.
fn field<'a>(text: &'a str, name: &str) -> Result<&'a str, String> {
    match values(text, name).as_slice() {
        [] => Err(format!("the line `{name}: ...` is missing")),
        [""] => Err(format!("the line `{name}: ...` is empty")),
        [value] => Ok(value),
        _ => Err(format!("the line `{name}: ...` stands there more than once")),
    }
}

fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let lines = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

fn account(text: &str) -> Result<Option<String>, String> {
    let mut accounts = text.lines().skip(1).filter_map(|line| line.strip_prefix(ACCOUNT_LINE));
    let account = accounts.next().map(|account| account.trim().to_owned());
    if accounts.next().is_some() {
        return Err(format!("the line `{ACCOUNT_LINE}...` stands there more than once"));
    }
    Ok(account)
}

/// `$1,234.56`: dollars only, since no body in another currency is known; separators at the thousands or not at all.
fn dollars(what: &str, text: &str) -> Result<Decimal, String> {
    let wrong = || format!("{what} is not an amount like `$1,234.56`: {}", excerpt(text));
    let number = text.strip_prefix('$').ok_or_else(wrong)?;
    let (whole, cents) = number.split_once('.').map_or((number, None), |(whole, cents)| (whole, Some(cents)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains(',');
    let well_grouped = digits(first) && (!grouped || first.len() <= 3) && groups.all(|group| digits(group) && group.len() == 3);
    if !well_grouped || cents.is_some_and(|cents| !digits(cents)) {
        return Err(wrong());
    }
    Decimal::from_str(&number.replace(',', "")).map_err(|_| wrong())
}

/// At most 60 characters of a foreign text, quoted, control characters escaped: fit for a log line.
fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "AWS Budget Notification March 04, 2023\nAWS Account 123456789012\n\nDear AWS Customer,\n\nYou \
        requested that we alert you when the ACTUAL Cost associated with your Budget Type: x budget is greater than \
        $9.00 per day.\n\nBudget Name: my budget: the second\nBudget Type: Cost\nBudgeted Amount: $1,070.00\n\
        Alert Type: ACTUAL\nAlert Threshold: > $0.00\nACTUAL Amount: $183,965,812,157.54 \n\n[1] https://x";

    fn unknown(text: &str, why: &str) {
        match read(text) {
            Reading::Unknown { why: said } => assert!(said.contains(why), "{said:?} does not say {why:?}"),
            other => panic!("{other:?} from {text:?}"),
        }
    }

    #[test]
    fn every_field_of_a_budget_alert_is_read() {
        let Reading::Budget(alert) = read(REAL) else { panic!("not a budget alert") };
        assert_eq!(alert.budget, "my budget: the second");
        assert_eq!(alert.account.as_deref(), Some("123456789012"));
        assert_eq!(alert.date.to_string(), "2023-03-04");
        assert_eq!((alert.budgeted.to_string(), alert.amount.to_string()), ("1070.00".into(), "183965812157.54".into()));
        assert_eq!(alert.alert_type, AlertType::Actual);
    }

    #[test]
    fn carriage_returns_and_the_type_in_any_case_are_fine() {
        let text = REAL.replace('\n', "\r\n").replace("Type: ACTUAL", "Type: Actual").replace("ACTUAL Am", "Actual Am");
        assert!(matches!(read(&text), Reading::Budget(_)));
    }

    #[test]
    fn less_than_the_whole_alert_is_unknown() {
        for (name, line) in [
            ("Budget Name", "Budget Name: my budget: the second\n"),
            ("Budget Type", "Budget Type: Cost\n"),
            ("Budgeted Amount", "Budgeted Amount: $1,070.00\n"),
            ("Alert Type", "Alert Type: ACTUAL\n"),
            ("Alert Threshold", "Alert Threshold: > $0.00\n"),
            ("ACTUAL Amount", "ACTUAL Amount: $183,965,812,157.54 \n"),
        ] {
            assert!(REAL.contains(line), "{line}");
            unknown(&REAL.replace(line, ""), &format!("`{name}: ...` is missing"));
            unknown(&REAL.replace(line, &format!("{line}{line}")), "more than once");
        }
        unknown(REAL.strip_prefix("AWS ").unwrap(), "first line");
        for date in ["a Saturday", "March 04, -1", "March 04, 23", "March 04, 0023"] {
            unknown(&REAL.replace("March 04, 2023", date), "date");
        }
        unknown(&REAL.replace("Dear AWS Customer", "AWS Budget Notification April 04, 2023"), "more than once");
        unknown(&format!("\n{REAL}"), "first line");
        unknown(&REAL.replace(": Cost", ": Usage"), "only Cost");
        unknown(&REAL.replace("> $0.00", "$0.00"), "Alert Threshold");
        unknown(&REAL.replace("Alert Type: ACTUAL", "Alert Type: ANOMALY"), "Alert Type");
        unknown(&REAL.replace("[1] ", "FORECASTED Amount: $1.00\n"), "beside");
    }

    #[test]
    fn amounts_that_are_not_plainly_dollars_are_unknown() {
        for bad in ["€10.00", "10.00", "$", "$1,00", "$,100", "$1,0000", "$-1", "$1.", "$1.0.0", "$1e3", "$ 1", "$1 000"] {
            unknown(&REAL.replace("$1,070.00", bad), "is not an amount");
        }
        unknown(&REAL.replace("$1,070.00", &format!("${}", "9".repeat(40))), "is not an amount");
    }

    #[test]
    fn the_mock_text_counts_only_alone() {
        assert_eq!(read(" This is a mock notification\n"), Reading::Mock);
        unknown("This is a mock notification, really", "first line");
    }
}

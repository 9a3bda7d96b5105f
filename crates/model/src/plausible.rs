//! Is an alert to be believed? In July 2026 AWS itself sent alerts of billions of dollars, and automation acted on them. So an
//! alert's amount is held against the budget, against what was spent before, and against what AWS Budgets says when it is asked. What
//! does not fit is for a person to decide. Pure, and in words with the numbers.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::alert::{AlertType, BudgetAlert};
use crate::config::{Guardrail, Period, StageAt};
use crate::record::Target;
use crate::spend::{Spend, Standing};

/// How many days of a period an alert may still be the old one's.
const EARLY_DAYS: i8 = 3;

/// What an alert is held against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// The last known spend, of whatever period.
    pub last: Option<&'a Spend>,
    /// What AWS Budgets says now; nothing when it knows no such budget.
    pub standing: Option<&'a Standing>,
    /// When the alert is read, in UTC.
    pub today: Date,
}

/// What becomes of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belief {
    /// It is believed.
    Plausible,
    /// It is not, for these reasons: a person is asked.
    Doubted(Vec<String>),
    /// It speaks of a period that is over: people are told, and nothing is begun.
    OldPeriod(String),
}

/// Is `alert`, which asks for `target`, to be believed?
#[must_use]
pub fn judge(alert: &BudgetAlert, target: &Target, guardrail: &Guardrail, against: Against<'_>) -> Belief {
    // What is shown of a daily budget may be another day's than the alert's: it contradicts nothing.
    let comparable = guardrail.budget.period == Period::Monthly;
    let standing = against.standing.filter(|_| comparable);
    if let Some(why) = standing.and_then(|standing| old_period(alert, standing, against.today)) {
        return Belief::OldPeriod(why);
    }
    let factor = Decimal::from(guardrail.plausibility.factor);
    let known = against.last.filter(|last| last.period == target.period);
    let doubts: Vec<String> = [
        absurd(alert.amount, guardrail).or_else(|| mad(against.standing?, guardrail)),
        known.and_then(|last| beyond_last(alert.amount, alert.alert_type, last, guardrail, factor)),
        against.standing.is_none().then(|| "AWS Budgets has no budget of this name".to_owned()),
        against.standing.and_then(|standing| other_limit(alert, standing)),
        standing.and_then(|standing| contradiction(alert, standing, target.stage, guardrail)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if doubts.is_empty() { Belief::Plausible } else { Belief::Doubted(doubts) }
}

/// Why what AWS Budgets itself says of `stage` in `period` is not to be believed, where its alert never arrived; nothing when it is.
#[must_use]
pub fn doubts(standing: &Standing, stage: StageAt, period: &str, guardrail: &Guardrail, last: Option<&Spend>) -> Vec<String> {
    let amount = match stage.alert_type {
        AlertType::Actual => standing.actual,
        AlertType::Forecasted => match standing.forecast {
            Some(forecast) => forecast,
            None => return vec!["its notification is in alarm, and AWS Budgets shows no forecast".to_owned()],
        },
    };
    let factor = Decimal::from(guardrail.plausibility.factor);
    let known = last.filter(|last| last.period == period);
    let beyond_last = known.and_then(|last| beyond_last(amount, stage.alert_type, last, guardrail, factor));
    let beside = (stage.alert_type == AlertType::Forecasted).then(|| mad(standing, guardrail)).flatten();
    absurd(amount, guardrail).into_iter().chain(beside).chain(beyond_last).collect()
}

/// Budgets computes the old period's last days in the new one's first days, and says so as if it were the new one's.
fn old_period(alert: &BudgetAlert, standing: &Standing, today: Date) -> Option<String> {
    let early = today.day() <= EARLY_DAYS || alert.date.day() <= EARLY_DAYS;
    let above = alert.alert_type == AlertType::Actual && is_above(alert.amount, standing.actual);
    (early && above).then(|| {
        format!(
            "in a period's first {EARLY_DAYS} days, an amount above what AWS Budgets shows belongs to the old period: the alert says ${}, \
             and AWS Budgets shows ${}",
            alert.amount, standing.actual
        )
    })
}

/// Why no such amount, of an alert or of what AWS Budgets shows, is believed or kept as known; nothing when it may be.
#[must_use]
pub fn absurd(amount: Decimal, guardrail: &Guardrail) -> Option<String> {
    beyond_budget(amount, guardrail).map(|why| format!("its amount of ${amount} is {why}"))
}

fn beyond_budget(amount: Decimal, guardrail: &Guardrail) -> Option<String> {
    let factor = Decimal::from(guardrail.plausibility.factor);
    let budget = guardrail.budget.amount.dollars();
    (amount > factor.saturating_mul(budget)).then(|| format!("more than {factor} times the budget of ${budget}"))
}

/// Why nothing that AWS Budgets says now is believed: of figures that are computed together one is mad.
fn mad(standing: &Standing, guardrail: &Guardrail) -> Option<String> {
    beyond_budget(standing.actual, guardrail).map(|why| format!("AWS Budgets shows ${} spent, which is {why}", standing.actual))
}

/// Early in a period any rise is a large one: a spend below that part of the budget is no measure.
fn beyond_last(amount: Decimal, alert_type: AlertType, last: &Spend, guardrail: &Guardrail, factor: Decimal) -> Option<String> {
    let (known, what) = match alert_type {
        AlertType::Actual => (last.actual, "spend"),
        AlertType::Forecasted => (last.forecast?, "forecast"),
    };
    let most = known.saturating_mul(factor);
    let counts = most >= guardrail.budget.amount.dollars();
    (counts && amount > most).then(|| {
        format!(
            "its amount of ${amount} is more than {factor} times the last known {what} of this period, ${known} (seen {})",
            last.seen
        )
    })
}

fn other_limit(alert: &BudgetAlert, standing: &Standing) -> Option<String> {
    (is_above(alert.budgeted, standing.limit) || is_above(standing.limit, alert.budgeted))
        .then(|| format!("it speaks of a budget of ${}, and AWS Budgets of ${}", alert.budgeted, standing.limit))
}

/// What Budgets shows may be newer than the alert, and higher; spending does not shrink.
fn contradiction(alert: &BudgetAlert, standing: &Standing, stage: StageAt, guardrail: &Guardrail) -> Option<String> {
    let threshold = stage.threshold(guardrail.budget.amount.dollars());
    let (shown, what) = match alert.alert_type {
        AlertType::Actual => (standing.actual, "spent"),
        AlertType::Forecasted => match standing.forecast {
            Some(forecast) => (forecast, "forecast"),
            None => return Some("it is a forecast, and AWS Budgets shows none".to_owned()),
        },
    };
    let updated = standing.updated.filter(|_| shown.is_zero()).map_or_else(String::new, |at| {
        format!(" (an update of the budget zeroes what it shows for hours; the last one was {at})")
    });
    if is_above(threshold, shown) {
        return Some(format!("AWS Budgets shows ${shown} {what}, which is below the threshold of ${threshold}{updated}"));
    }
    is_above(alert.amount, shown)
        .then(|| format!("its amount of ${} is more than the ${shown} that AWS Budgets shows {what}", alert.amount))
}

/// Is `amount` above `other` by more than rounding: a cent, and a hundredth of it?
fn is_above(amount: Decimal, other: Decimal) -> bool {
    amount.saturating_sub(other) > Decimal::new(1, 2).max(other / Decimal::ONE_HUNDRED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Amount, Budget, Tags};
    use crate::record::FORMAT;

    const NOW: &str = "2026-07-17";

    struct Case {
        kind: AlertType,
        amount: &'static str,
        last: Option<(&'static str, &'static str)>,
        shown: Option<(&'static str, Option<&'static str>)>,
        date: &'static str,
        today: &'static str,
        period: Period,
    }

    fn actual(amount: &'static str, shown: &'static str) -> Case {
        let shown = Some((shown, None));
        Case { kind: AlertType::Actual, amount, last: None, shown, date: NOW, today: NOW, period: Period::Monthly }
    }

    fn forecast(amount: &'static str, shown: Option<&'static str>) -> Case {
        Case { kind: AlertType::Forecasted, shown: Some(("40", shown)), ..actual(amount, "") }
    }

    fn dollars(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn guardrail(period: Period) -> Guardrail {
        let amount: Amount = "100 USD".parse().unwrap();
        let budget = Budget { amount, period, service: Vec::new(), tag: Tags::default() };
        Guardrail::new("beta".parse().unwrap(), budget, Vec::new())
    }

    fn believed(case: &Case) -> Belief {
        let guardrail = guardrail(case.period);
        let name = guardrail.name.clone();
        let date: Date = case.date.parse().unwrap();
        let alert = BudgetAlert {
            date,
            account: None,
            budget: "beta".to_owned(),
            alert_type: case.kind,
            currency: "USD".to_owned(),
            budgeted: dollars("100.00"),
            threshold: dollars("80.00"),
            amount: dollars(case.amount),
        };
        let percent = dollars("80");
        let stage = StageAt { percent, alert_type: case.kind };
        let target = Target { guardrail: name.clone(), stage, period: case.period.of_alert(date), simulated: false };
        let seen = "2026-07-16T12:00:00Z".parse().unwrap();
        let last = case.last.map(|(period, spent)| Spend {
            format: FORMAT,
            guardrail: name,
            period: period.to_owned(),
            actual: dollars(spent),
            forecast: Some(dollars(spent)),
            limit: dollars("100"),
            updated: None,
            seen,
            below_since: None,
        });
        let standing = case.shown.map(|(spent, forecast)| Standing {
            limit: dollars("100"),
            actual: dollars(spent),
            forecast: forecast.map(dollars),
            updated: Some(seen),
            alarms: Vec::new(),
        });
        let today = case.today.parse().unwrap();
        judge(&alert, &target, &guardrail, Against { last: last.as_ref(), standing: standing.as_ref(), today })
    }

    #[track_caller]
    fn doubted(case: &Case, because: &[&str]) {
        match believed(case) {
            Belief::Doubted(why) if why.len() == because.len() => {
                for (why, because) in why.iter().zip(because) {
                    assert!(why.contains(because), "{why:?} does not say {because:?}");
                }
            }
            other => panic!("{other:?}, expected {because:?}"),
        }
    }

    #[test]
    fn the_alert_that_aws_sent_in_july_2026_is_doubted_on_every_ground() {
        // A forecast on a $100 budget, as one of the mails is quoted.
        let quoted = "183965812157.54";
        doubted(&forecast(quoted, Some("183965812157.54")), &["more than 10 times the budget of $100"]);
        doubted(&forecast(quoted, Some("95")), &["$183965812157.54 is more than 10 times the budget", "the $95 that"]);
        doubted(&forecast(quoted, None), &["times the budget", "shows none"]);
        let spent = Case { last: Some(("2026-07", "60")), ..actual(quoted, quoted) };
        doubted(&spent, &["times the budget", "10 times the last known spend of this period, $60 (seen 2026-07-16T12:00:00Z)"]);
    }

    #[test]
    fn what_fits_is_believed() {
        for case in [
            actual("80.01", "80.01"),
            // Newer than the alert, and higher.
            actual("80.01", "97"),
            actual("1000", "1000"),
            // Rounded.
            actual("80.01", "80.00499999999999999999"),
            actual("84", "83.9"),
            forecast("104", Some("104")),
            forecast("104", Some("120")),
        ] {
            assert_eq!(believed(&case), Belief::Plausible, "${} against {:?}", case.amount, case.shown);
        }
    }

    #[test]
    fn a_cent_beyond_a_factor_of_the_budget_is_doubted() {
        doubted(&actual("1000.01", "1000.01"), &["more than 10 times the budget"]);
    }

    #[test]
    fn no_amount_is_too_large_to_be_doubted() {
        let most = "79228162514264337593543950335";
        doubted(&Case { last: Some(("2026-07", most)), ..actual(most, most) }, &["more than 10 times the budget"]);
    }

    #[test]
    fn a_rise_is_held_against_the_last_spend_of_the_same_period_unless_that_was_small() {
        let rise = |last| Case { last: Some(last), ..actual("900", "900") };
        doubted(&rise(("2026-07", "80")), &["the last known spend of this period, $80"]);
        doubted(&rise(("2026-07", "10")), &["the last known spend of this period, $10"]);
        assert_eq!(believed(&rise(("2026-07", "9.99"))), Belief::Plausible, "early in a period any rise is large");
        assert_eq!(believed(&rise(("2026-07", "90"))), Belief::Plausible);
        assert_eq!(believed(&rise(("2026-06", "80"))), Belief::Plausible, "another period's");
        doubted(&Case { last: Some(("2026-07", "80")), ..forecast("900", Some("900")) }, &["last known forecast"]);
    }

    #[test]
    fn what_budgets_itself_contradicts_is_doubted() {
        doubted(&actual("80.01", "42"), &["shows $42 spent, which is below the threshold of $80"]);
        doubted(&actual("80.01", "0"), &["an update of the budget zeroes"]);
        doubted(&actual("99", "85"), &["more than the $85 that AWS Budgets shows spent"]);
        doubted(&forecast("104", Some("70")), &["shows $70 forecast, which is below the threshold"]);
        doubted(&forecast("104", None), &["it is a forecast, and AWS Budgets shows none"]);
        doubted(&Case { shown: None, ..actual("80.01", "") }, &["no budget of this name"]);
    }

    #[test]
    fn in_the_first_three_days_what_is_above_what_budgets_shows_is_the_old_periods() {
        let early = |date, today| believed(&Case { date, today, ..actual("80.01", "3") });
        for (date, today) in [("2026-07-01", "2026-07-01"), ("2026-07-03", "2026-07-03"), ("2026-06-30", "2026-07-02")] {
            let Belief::OldPeriod(why) = early(date, today) else { panic!("{date} on {today}") };
            assert!(why.contains("says $80.01") && why.contains("shows $3"), "{why}");
        }
        assert!(matches!(early("2026-07-04", "2026-07-04"), Belief::Doubted(_)));
        let date = "2026-07-02";
        assert_eq!(believed(&Case { date, today: date, ..actual("80.01", "81") }), Belief::Plausible, "the new period's own");
        let expected = Case { date, today: date, ..forecast("104", Some("70")) };
        assert!(matches!(believed(&expected), Belief::Doubted(_)), "a forecast is never of the past");
    }

    #[test]
    fn beside_a_figure_that_is_mad_nothing_is_believed() {
        let mad = "183965812157.54";
        doubted(&actual("80.01", mad), &["AWS Budgets shows $183965812157.54 spent, which is more than 10 times the budget"]);
        let expected = Case { shown: Some((mad, Some("104"))), ..forecast("104", None) };
        doubted(&expected, &["AWS Budgets shows $183965812157.54 spent, which is"]);
        let daily = Case { period: Period::Daily, ..actual("80.01", mad) };
        doubted(&daily, &["AWS Budgets shows"]);

        let stage = |kind| StageAt { percent: dollars("80"), alert_type: kind };
        let standing = |spent, forecast| Standing {
            limit: dollars("100"),
            actual: dollars(spent),
            forecast: Some(dollars(forecast)),
            updated: None,
            alarms: Vec::new(),
        };
        let doubts = |standing: &Standing, kind| doubts(standing, stage(kind), "2026-07", &guardrail(Period::Monthly), None);
        assert_eq!(doubts(&standing("40", "104"), AlertType::Forecasted), Vec::<String>::new());
        for kind in [AlertType::Actual, AlertType::Forecasted] {
            let why = doubts(&standing(mad, "104"), kind);
            assert!(why.len() == 1 && why[0].contains("more than 10 times the budget of $100"), "{kind:?}: {why:?}");
        }
        assert_eq!(doubts(&standing(mad, mad), AlertType::Forecasted).len(), 2, "each figure is named");
    }

    #[test]
    fn what_is_shown_of_a_daily_budget_may_be_another_day_and_contradicts_nothing() {
        let daily = |amount| Case { period: Period::Daily, date: "2026-07-02", today: "2026-07-02", ..actual(amount, "3") };
        assert_eq!(believed(&daily("80.01")), Belief::Plausible);
        doubted(&daily("1000.01"), &["more than 10 times the budget"]);
    }
}

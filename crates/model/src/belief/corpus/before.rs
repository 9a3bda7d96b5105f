//! The judgement of version 5e03290, kept for comparison: its rules, as they were, and how a stage stood by them. There, a doubt
//! latched, a no was one to the period, and only a notification in alarm counted in a round.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::{Decimal, RoundingStrategy};

use super::history::{Budgets, Event, History, Lamp, Outcome, Says};
use crate::alert::{AlertType, BudgetAlert};
use crate::config::{Guardrail, Period, StageAt};
use crate::decide::Target;
use crate::record::FORMAT;
use crate::spend::{Spend, Standing};

/// How `history` ended by that judgement.
pub(super) fn play(history: &History) -> Outcome {
    let guardrail = history.guardrail();
    let limit = guardrail.budget.amount.dollars();
    let (actual, forecast, alarms, differences) = (Decimal::ZERO, None, Vec::new(), Vec::new());
    let standing = Standing { limit, actual, forecast, updated: None, alarms, differences };
    let mut before = Before {
        guardrail,
        at: history.at,
        standing,
        budgets: Budgets::There,
        lamp: true,
        last: None,
        stage: None,
        reported: false,
    };
    history.events.iter().for_each(|event| before.event(event));
    match before.stage {
        Some((_, how @ (Stands::Enforced | Stands::Asked))) => match how {
            Stands::Enforced => Outcome::Enforced,
            _ => Outcome::Asked,
        },
        _ if before.reported => Outcome::Reported,
        _ => Outcome::Quiet,
    }
}

/// How the stage stands in a period.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Enforced,
    Asked,
    Released,
    /// Nobody answered, and it was begun then.
    Unanswered(Timestamp),
}

struct Before {
    guardrail: Guardrail,
    at: StageAt,
    standing: Standing,
    budgets: Budgets,
    lamp: bool,
    last: Option<Spend>,
    stage: Option<(String, Stands)>,
    reported: bool,
}

impl Before {
    fn event(&mut self, event: &Event) {
        if let Some(limit) = event.limit {
            (self.standing.limit, self.standing.actual, self.standing.updated) = (limit, Decimal::ZERO, Some(event.on));
        }
        self.standing.actual = event.shows.unwrap_or(self.standing.actual);
        self.standing.forecast = event.expects.or(self.standing.forecast);
        self.budgets = event.budgets.unwrap_or(self.budgets);
        self.lamp &= event.lamp != Some(Lamp::Off);
        if let (Some(says), Some((period, _))) = (event.says, self.stage.clone()) {
            let stands = match says {
                Says::Yes => Stands::Enforced,
                Says::No | Says::NoForThePeriod => Stands::Released,
                Says::Nothing => Stands::Unanswered(event.on - SignedDuration::from_hours(25)),
            };
            self.stage = Some((period, stands));
        }
        if let Some(amount) = event.alert {
            self.alert(event, amount);
        }
        if self.budgets == Budgets::There {
            self.round(event.on);
        }
    }

    fn alert(&mut self, event: &Event, amount: Decimal) {
        let cents = |amount: Decimal| amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        let budgeted = cents(event.budgeted.unwrap_or(self.standing.limit));
        if (budgeted - self.guardrail.budget.amount.dollars()).abs() > Decimal::new(5, 3) {
            self.reported = true;
            return;
        }
        let date = event.dated.unwrap_or(event.on.to_zoned(TimeZone::UTC).date());
        let (account, budget, currency) = (None, "beta".to_owned(), "USD".to_owned());
        let threshold = self.at.threshold(budgeted);
        let alert = BudgetAlert { date, account, budget, alert_type: self.at.alert_type, currency, budgeted, threshold, amount };
        let (guardrail, stage, period) = (self.guardrail.name.clone(), self.at, self.guardrail.budget.period.of_alert(date));
        let target = Target { guardrail, stage, period, simulated: false };
        let standing = match self.budgets {
            // The function failed, and SNS delivered again twice.
            Budgets::Unreachable => return,
            Budgets::Gone => None,
            Budgets::There => Some(&self.standing),
        };
        let today = event.on.to_zoned(TimeZone::UTC).date();
        match judge(&alert, &target, &self.guardrail, Against { last: self.last.as_ref(), standing, today }) {
            Belief::OldPeriod(_) => self.reported = true,
            Belief::Plausible => self.begin(target.period, Stands::Enforced),
            Belief::Doubted(_) => self.begin(target.period, Stands::Asked),
        }
    }

    fn begin(&mut self, period: String, stands: Stands) {
        let is_free = |(of, how): &(String, Stands)| *of != period || matches!(how, Stands::Unanswered(_));
        if self.stage.as_ref().is_none_or(is_free) {
            self.stage = Some((period, stands));
        }
    }

    fn round(&mut self, now: Timestamp) {
        let present = self.guardrail.budget.period.of_alert(now.to_zoned(TimeZone::UTC).date());
        let mad = absurd(self.standing.actual, &self.guardrail).is_some();
        let settled = is_settled(self.guardrail.budget.period, now);
        let shown = if mad {
            let last = self.last.as_ref().map(|last| last.period.clone());
            if settled { present.clone() } else { last.unwrap_or_else(|| before(self.guardrail.budget.period, now)) }
        } else {
            let spend = self.known(now);
            let period = spend.period.clone();
            self.last = Some(spend);
            period
        };
        let figure = self.standing.of(self.at.alert_type);
        let over = figure.is_some_and(|figure| figure > self.at.threshold(self.standing.limit));
        let same_limit = self.standing.limit == self.guardrail.budget.amount.dollars();
        if !(self.lamp && over && same_limit && shown == present) {
            return;
        }
        let doubts = doubts(&self.standing, self.at, &present, &self.guardrail, self.last.as_ref());
        if let Some((_, Stands::Unanswered(asked))) = &self.stage
            && !doubts.is_empty()
            && now.duration_since(*asked) < SignedDuration::from_hours(24)
        {
            return;
        }
        self.begin(present, if doubts.is_empty() { Stands::Enforced } else { Stands::Asked });
    }

    fn known(&self, now: Timestamp) -> Spend {
        let kind = self.guardrail.budget.period;
        let present = kind.of_alert(now.to_zoned(TimeZone::UTC).date());
        let standing = &self.standing;
        let fresh = |period: String| Spend {
            format: FORMAT,
            guardrail: self.guardrail.name.clone(),
            forecast: standing.forecast.filter(|forecast| absurd(*forecast, &self.guardrail).is_none()),
            period,
            actual: standing.actual,
            limit: standing.limit,
            updated: standing.updated,
            seen: now,
            below_since: None,
        };
        let settled = is_settled(kind, now);
        let Some(last) = &self.last else { return fresh(if settled { present } else { before(kind, now) }) };
        let fell = if standing.actual.is_zero() {
            !last.actual.is_zero() && standing.updated == last.updated && standing.limit == last.limit
        } else {
            standing.actual * Decimal::TWO < last.actual
        };
        if last.period != present && (settled || fell) {
            return fresh(present);
        }
        let of_last = fresh(last.period.clone());
        let since = last.below_since.unwrap_or(now);
        if standing.actual >= last.actual || now.duration_since(since) >= SignedDuration::from_hours(72) {
            return of_last;
        }
        Spend { actual: last.actual, forecast: last.forecast, below_since: Some(since), ..of_last }
    }
}

fn is_settled(period: Period, now: Timestamp) -> bool {
    let now = now.to_zoned(TimeZone::UTC).datetime();
    let (since, hours) = match period {
        Period::Daily => (now.date(), 12),
        Period::Monthly | Period::Custom { .. } => (now.date().first_of_month(), 72),
    };
    now.duration_since(since.at(0, 0, 0, 0)) >= SignedDuration::from_hours(hours)
}

fn before(period: Period, now: Timestamp) -> String {
    let today = now.to_zoned(TimeZone::UTC).date();
    let last = match period {
        Period::Daily => today,
        Period::Monthly | Period::Custom { .. } => today.first_of_month(),
    };
    period.of_alert(last.checked_sub(1.day()).unwrap_or(last))
}

/// How many days of a period an alert may still be the old one's.
const EARLY_DAYS: i8 = 3;

/// The figures that an alert is held against.
#[derive(Debug, Clone, Copy)]
struct Against<'a> {
    /// The last known spend, of any period.
    last: Option<&'a Spend>,
    /// The figures of AWS Budgets now; nothing when it knows no such budget.
    standing: Option<&'a Standing>,
    /// When the alert is read, in UTC.
    today: Date,
}

/// The verdict on an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Belief {
    /// It is believed.
    Plausible,
    /// It is not, for these reasons: a person is asked.
    Doubted(Vec<String>),
    /// It speaks of a period that is over: people are told, and nothing is begun.
    OldPeriod(String),
}

/// Is `alert`, which asks for `target`, to be believed?
fn judge(alert: &BudgetAlert, target: &Target, guardrail: &Guardrail, against: Against<'_>) -> Belief {
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
fn doubts(standing: &Standing, stage: StageAt, period: &str, guardrail: &Guardrail, last: Option<&Spend>) -> Vec<String> {
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
fn absurd(amount: Decimal, guardrail: &Guardrail) -> Option<String> {
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

/// Budgets may show a newer and higher figure than the alert's; spending does not shrink.
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

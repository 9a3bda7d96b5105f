//! Points of spend: each round of the reconciler appends one. They are the memory that judgement needs: earlier bills, and the
//! cost an hour of the resources that ran.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::config::Period;
use crate::ids::GuardrailName;
use crate::record::FORMAT;

/// The most points that are kept of a period.
pub const MOST_POINTS: usize = 240;
/// A point that says the same as the last one is kept after so long only.
const UNCHANGED: SignedDuration = SignedDuration::from_hours(6);
/// Resources that were seen first are taken to have run for so long before, and no longer.
const BEFORE_SEEN: SignedDuration = SignedDuration::from_hours(24);
/// Resources that were seen are taken to run for so long after, unless they are seen again.
const AFTER_THE_LAST: SignedDuration = SignedDuration::from_hours(24);
/// A figure that was not believed, and stood for so long, was the bill.
const STOOD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The points of one budget in one period: one item of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Points {
    /// [`FORMAT`].
    pub format: u32,
    /// The guardrail.
    pub guardrail: GuardrailName,
    /// The period that the figures are of, such as `2026-11`.
    pub period: String,
    /// The points, oldest first; at most [`MOST_POINTS`].
    pub points: Vec<Point>,
}

/// The figures of AWS Budgets at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The moment.
    pub at: Timestamp,
    /// Spent, in dollars.
    pub actual: Decimal,
    /// Expected by the period's end, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Decimal>,
    /// The limit of the budget, in dollars a period.
    pub limit: Decimal,
    /// Cost an hour of the resources in scope, in dollars, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly: Option<Decimal>,
    /// The figures were not believed.
    #[serde(default, skip_serializing_if = "crate::omit::is_default")]
    pub doubted: bool,
}

impl Point {
    fn says_the_same(&self, other: &Self) -> bool {
        let figures = |point: &Self| (point.actual, point.forecast, point.limit, point.hourly, point.doubted);
        figures(self) == figures(other)
    }
}

impl Points {
    /// None yet, of this period.
    #[must_use]
    pub fn none(guardrail: GuardrailName, period: String) -> Self {
        Self { format: FORMAT, guardrail, period, points: Vec::new() }
    }

    /// Appends `point`. Says whether anything is to be written: a point that says the same as the last one is not.
    pub fn append(&mut self, point: Point) -> bool {
        let last = self.points.last();
        let is_early = last.is_some_and(|last| point.at <= last.at);
        let is_news = last.is_none_or(|last| !point.says_the_same(last) || point.at.duration_since(last.at) >= UNCHANGED);
        if is_early || !is_news {
            return false;
        }
        self.points.push(point);
        self.thin();
        true
    }

    /// Of the older half every second point goes, but for the first.
    fn thin(&mut self) {
        if self.points.len() <= MOST_POINTS {
            return;
        }
        let half = self.points.len() / 2;
        let mut index = 0;
        self.points.retain(|_| {
            index += 1;
            index > half || index % 2 == 1
        });
    }

    /// The last point.
    #[must_use]
    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// The bill of a period that is over, as far as it is to be believed: its last figure, if that was believed or stood for a week.
    #[must_use]
    pub fn bill(&self) -> Option<Decimal> {
        let last = self.points.last()?;
        if !last.doubted {
            return Some(last.actual);
        }
        let half = last.actual / Decimal::TWO;
        let since = self.points.iter().rev().take_while(|point| point.actual >= half).last()?;
        (last.at.duration_since(since.at) >= STOOD).then_some(last.actual)
    }

    /// The most that the resources which ran could have cost until `now`, in dollars; nothing where no price was known.
    #[must_use]
    pub fn ran(&self, now: Timestamp) -> Option<Decimal> {
        let priced: Vec<(Timestamp, Decimal)> = self.points.iter().filter_map(|point| Some((point.at, point.hourly?))).collect();
        let (mut covered, mut sum) = (self.begins()?, None);
        for (index, (at, hourly)) in priced.iter().copied().enumerate() {
            let end = priced.get(index + 1).map_or(now, |(next, _)| *next).min(seen_until(at));
            // Nobody looked since the covered time: these may have run for a day.
            let start = at.checked_sub(BEFORE_SEEN).unwrap_or(at).max(covered).min(at);
            let cost = cost(hourly, start, end);
            sum = Some(sum.map_or(cost, |sum: Decimal| sum.saturating_add(cost)));
            covered = end.max(at);
        }
        sum
    }

    /// Takes in the cost an hour of the resources that run now, in dollars, for [`Self::ran`] and [`Self::rest`].
    pub(super) fn see(&mut self, hourly: Option<Decimal>, now: Timestamp) {
        let (actual, limit) = self.last().map_or((Decimal::ZERO, Decimal::ZERO), |last| (last.actual, last.limit));
        if hourly.is_some() {
            self.points.push(Point { at: now, actual, forecast: None, limit, hourly, doubted: false });
        }
    }

    /// The cost of the resources that run now, from `now` to the end of the period, in dollars.
    #[must_use]
    pub fn rest(&self, period: Period, now: Timestamp) -> Decimal {
        let seen = self.points.iter().rev().find_map(|point| Some((point.at, point.hourly?)));
        let hourly = seen.filter(|(at, _)| now <= seen_until(*at)).map(|(_, hourly)| hourly).unwrap_or_default();
        let begins = self.begins().map(|begins| begins.to_zoned(TimeZone::UTC));
        let last = match period {
            Period::Daily => begins.and_then(|begins| begins.checked_add(1.day()).ok()),
            Period::Monthly => begins.and_then(|begins| begins.checked_add(1.month()).ok()),
            Period::Custom { last, .. } => last.tomorrow().ok().and_then(|end| end.to_zoned(TimeZone::UTC).ok()),
        };
        let end = last.map(|end| end.timestamp());
        end.map_or(Decimal::ZERO, |end| cost(hourly, now, end))
    }

    /// When the period begins, by its name.
    fn begins(&self) -> Option<Timestamp> {
        let first = self.period.split("..").next().unwrap_or_default();
        let date: Date = first.parse().or_else(|_| format!("{first}-01").parse()).ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

/// Until when resources count that were seen at `at`.
fn seen_until(at: Timestamp) -> Timestamp {
    at.checked_add(AFTER_THE_LAST).unwrap_or(at)
}

/// Dollars of `hourly` from one moment to another; nothing when they are the wrong way round.
fn cost(hourly: Decimal, from: Timestamp, to: Timestamp) -> Decimal {
    let seconds = to.duration_since(from).as_secs().max(0);
    hourly.saturating_mul(Decimal::from(seconds)) / Decimal::from(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn dollars(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn point(time: &str, actual: &str, hourly: Option<&str>, doubted: bool) -> Point {
        let (forecast, limit) = (None, dollars("100"));
        Point { at: at(time), actual: dollars(actual), forecast, limit, hourly: hourly.map(dollars), doubted }
    }

    fn points(of: &[Point]) -> Points {
        let mut points = Points::none("beta".parse().unwrap(), "2026-11".to_owned());
        for point in of {
            points.append(point.clone());
        }
        points
    }

    #[test]
    fn a_point_that_says_the_same_is_kept_after_hours_only() {
        let mut points = points(&[point("2026-11-02T00:00:00Z", "1", None, false)]);
        assert!(!points.append(point("2026-11-02T01:00:00Z", "1", None, false)));
        assert!(!points.append(point("2026-11-02T00:00:00Z", "2", None, false)), "not later");
        assert!(points.append(point("2026-11-02T02:00:00Z", "2", None, false)));
        assert!(points.append(point("2026-11-02T08:00:00Z", "2", None, false)));
        assert_eq!(points.points.len(), 3);
    }

    #[test]
    fn points_are_bounded_and_keep_the_first_and_the_latest() {
        let mut points = Points::none("beta".parse().unwrap(), "2026-11".to_owned());
        let first = at("2026-11-01T00:00:00Z");
        for minute in 0..20_000 {
            let now = first + SignedDuration::from_mins(minute);
            points.append(Point { at: now, actual: Decimal::from(minute), ..point("2026-11-01T00:00:00Z", "0", None, false) });
        }
        assert!(points.points.len() <= MOST_POINTS);
        assert_eq!(points.points[0].at, first);
        assert_eq!(points.last().unwrap().actual, dollars("19999"));
        let sorted = points.points.windows(2).all(|pair| pair[0].at < pair[1].at);
        assert!(sorted && serde_json::to_string(&points).unwrap().len() < 64 * 1024);
    }

    #[test]
    fn the_cost_of_resources_is_the_sum_over_their_hours() {
        let points = points(&[
            point("2026-11-01T02:00:00Z", "0", Some("3"), false),
            point("2026-11-01T10:00:00Z", "0", Some("100"), false),
        ]);
        // Two hours before the first point, eight at $3, and five at $100.
        assert_eq!(points.ran(at("2026-11-01T15:00:00Z")), Some(dollars("530")));
        let seen = |time: &str| super::tests::points(&[point(time, "0", Some("100"), false)]);
        assert_eq!(seen("2026-11-30T20:00:00Z").rest(Period::Monthly, at("2026-11-30T23:00:00Z")), dollars("100"));
        let custom: Period = "2026-11-01..2026-12-01".parse().unwrap();
        assert_eq!(seen("2026-12-01T20:00:00Z").rest(custom, at("2026-12-01T23:00:00Z")), dollars("100"));
        let late = super::tests::points(&[point("2026-11-20T00:00:00Z", "0", Some("1"), false)]);
        assert_eq!(late.ran(at("2026-11-20T00:00:00Z")), Some(dollars("24")), "a day before the first, and no more");
        assert_eq!(
            super::tests::points(&[point("2026-11-20T00:00:00Z", "0", None, false)]).ran(at("2026-11-21T00:00:00Z")),
            None
        );
    }

    #[test]
    fn resources_count_for_a_day_after_they_were_seen() {
        let mut points =
            points(&[point("2026-11-10T00:00:00Z", "0", Some("10"), false), point("2026-11-20T00:00:00Z", "0", None, false)]);
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!((points.ran(now), points.rest(Period::Monthly, now)), (Some(dollars("480")), Decimal::ZERO));
        points.see(Some(dollars("1")), now);
        assert_eq!((points.ran(now), points.rest(Period::Monthly, now)), (Some(dollars("504")), dollars("252")));
        let mut first = Points::none("beta".parse().unwrap(), "2026-11".to_owned());
        first.see(Some(dollars("1")), now);
        assert_eq!(first.ran(now), Some(dollars("24")), "no point is there yet");
    }

    #[test]
    fn a_bill_is_the_last_figure_that_was_believed_or_stood() {
        let bill = |of: &[Point]| points(of).bill().map(|bill| bill.to_string());
        let sane = point("2026-11-20T00:00:00Z", "90", None, false);
        assert_eq!(bill(std::slice::from_ref(&sane)).as_deref(), Some("90"));
        let wrong = point("2026-11-28T00:00:00Z", "90000", None, true);
        assert_eq!(bill(&[sane.clone(), wrong.clone()]), None, "for a moment");
        let week = [sane, point("2026-11-21T00:00:00Z", "80000", None, true), wrong];
        assert_eq!(bill(&week).as_deref(), Some("90000"), "for a week");
        assert_eq!(bill(&[]), None);
    }

    #[test]
    fn points_are_written_and_read_in_the_same_form() {
        let text = r#"{"format":1,"guardrail":"beta","period":"2026-11","points":[{"at":"2026-11-02T00:00:00Z","actual":"1.5","limit":"100"},{"at":"2026-11-03T00:00:00Z","actual":"2","forecast":"60","limit":"100","hourly":"0.5","doubted":true}]}"#;
        let points: Points = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&points).unwrap(), text);
    }
}

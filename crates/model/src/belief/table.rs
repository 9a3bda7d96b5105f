//! The table of docs/belief.md, row by row against the function, in every combination.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Belief, Evidence, Point, Points, Shown, weigh};
use crate::alert::{AlertType, BudgetAlert};
use crate::config::{Budget, Guardrail, Period, Stage, StageAt};
use crate::record::FORMAT;
use crate::spend::{Spend, Standing};

const PERIODS: [&str; 3] = ["present", "early", "over"];
const BUDGETS: [&str; 7] = ["confirms", "less", "zeroed", "no budget", "silent", "long silent", "other limit"];
const FIGURES: [&str; 3] = ["usual", "unusual", "beyond"];
const EVIDENCE: [&str; 3] = ["none", "ran", "bill"];
const ACTIONS: [&str; 2] = ["reversible", "lossy"];
const LAST: [&str; 2] = ["believed", "doubted"];

/// One combination: a word of each column.
type Case = [&'static str; 6];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for period in PERIODS {
        for budgets in BUDGETS {
            // Only a shown figure can be of the old period.
            if period == "early" && !["confirms", "less"].contains(&budgets) {
                continue;
            }
            for figure in FIGURES {
                for evidence in EVIDENCE {
                    for actions in ACTIONS {
                        cases.extend(LAST.map(|last| [period, budgets, figure, evidence, actions, last]));
                    }
                }
            }
        }
    }
    cases
}

fn rows() -> Vec<Vec<String>> {
    let document = include_str!("../../../../docs/belief.md");
    let is_row = |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.trim().parse::<u32>().is_ok());
    let rows = document.lines().filter(is_row);
    rows.map(|line| line.split('|').skip(2).map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn fits(row: &[String], case: &Case) -> bool {
    row.iter().zip(case).all(|(cell, word)| cell == "any" || cell.split(", ").any(|listed| listed == *word))
}

#[test]
fn each_row_of_the_table_is_the_function() {
    let rows = rows();
    let mut met = vec![false; rows.len()];
    for case in cases() {
        let at = rows.iter().position(|row| fits(&row[..6], &case)).unwrap_or_else(|| panic!("no row for {case:?}"));
        met[at] = true;
        let belief = judged(&case);
        let outcome = match &belief {
            Belief::Enforce(_) => "enforce",
            Belief::Ask(_) => "ask",
            Belief::Report(_) => "report",
        };
        assert_eq!(outcome, rows[at][6], "row {}: {case:?}: {belief:?}", at + 1);
        let told_first = rows[at][7].contains("People are told");
        assert!(!told_first || matches!(&belief, Belief::Enforce(remarks) if !remarks.is_empty()), "{case:?}: {belief:?}");
    }
    assert!(rows.len() == 15 && met.iter().all(|met| *met), "rows that no case meets: {met:?}");
}

fn judged([period, budgets, figure, evidence, actions, last]: &Case) -> Belief {
    let dollars = |amount: i64| Decimal::from(amount);
    let at: StageAt = "100% actual".parse().unwrap();
    let budget = Budget::new("100 USD".parse().unwrap(), Period::Monthly);
    let mut stage = Stage::new(at, Vec::new());
    stage.lossy = *actions == "lossy";
    let guardrail = Guardrail::new("beta".parse().unwrap(), budget, vec![stage]);
    let amount = dollars(match *figure {
        "usual" => 800,
        "unusual" => 6_000,
        _ => 50_000,
    });
    let now: Timestamp = if *period == "early" { "2026-12-02T08:00:00Z" } else { "2026-12-20T08:00:00Z" }.parse().unwrap();
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let date = if *period == "over" { "2026-11-30".parse().unwrap() } else { today };
    let alert = BudgetAlert {
        date,
        account: None,
        budget: "beta".to_owned(),
        alert_type: AlertType::Actual,
        currency: "USD".to_owned(),
        budgeted: dollars(if *budgets == "other limit" { 70 } else { 100 }),
        threshold: dollars(100),
        amount,
    };
    let shown = match *budgets {
        "less" => amount / Decimal::TWO,
        "zeroed" => Decimal::ZERO,
        _ => amount,
    };
    let standing = Standing {
        limit: dollars(100),
        actual: shown,
        forecast: None,
        updated: Some(now),
        alarms: Vec::new(),
        differences: Vec::new(),
    };
    let target = Period::Monthly.of_alert(date);
    // The known spend: of this period where an update zeroed it, and near the figure where it may be of the old one.
    let known = match (*period, *budgets) {
        ("early", _) => Some(("2026-11".to_owned(), amount)),
        (_, "zeroed") => Some((target.clone(), amount)),
        _ => (*last == "believed").then(|| ("2026-10".to_owned(), dollars(50))),
    };
    let spend = known.map(|(period, actual)| Spend {
        format: FORMAT,
        guardrail: guardrail.name.clone(),
        period,
        actual,
        forecast: None,
        limit: dollars(100),
        updated: None,
        seen: now - SignedDuration::from_hours(8),
        below_since: None,
    });
    let points = points(&guardrail, &target, evidence, last, amount, now);
    let shown = match *budgets {
        "no budget" => Shown::NoBudget,
        "silent" => Shown::Unreachable(SignedDuration::from_mins(59)),
        "long silent" => Shown::Unreachable(SignedDuration::from_mins(60)),
        _ => Shown::Standing(&standing),
    };
    let evidence = Evidence {
        guardrail: &guardrail,
        stage: at,
        period: &target,
        alert: Some(&alert),
        shown,
        last: spend.as_ref(),
        points: &points,
        hourly: None,
        now,
    };
    weigh(&evidence)
}

/// Points that are the evidence, and whose last one was believed or not.
fn points(guardrail: &Guardrail, target: &str, evidence: &str, last: &str, amount: Decimal, now: Timestamp) -> Vec<Points> {
    let mut bills = Points::none(guardrail.name.clone(), "2026-09".to_owned());
    let mut present = Points::none(guardrail.name.clone(), target.to_owned());
    let point = |hours: i64, actual: Decimal| Point {
        at: now - SignedDuration::from_hours(hours),
        actual,
        forecast: None,
        limit: Decimal::ONE_HUNDRED,
        hourly: None,
        doubted: false,
    };
    if evidence == "bill" {
        bills.append(point(2_000, amount));
    }
    let hourly = (evidence == "ran").then(|| amount / Decimal::from(24));
    present.append(Point { hourly, doubted: last == "doubted", ..point(9, Decimal::TEN) });
    vec![present, bills]
}

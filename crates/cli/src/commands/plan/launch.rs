//! Who can launch now, and who still could after the plan: IAM is asked about now, and what the plan takes is taken off.

use std::time::Duration;

use guardrails_aws::error::Failure;
use guardrails_aws::iam_verify::{Asker, Question};
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::decide::Target;
use guardrails_model::ids::RunId;
use guardrails_model::verify::{Changes, LIMITS, Left, Rule, Verification};
use guardrails_model::wire::Verified;
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use super::Made;
use crate::deployment::Deployment;

/// Seconds for which a person waits for an account of many people and roles.
const LONGEST: i64 = 300;

/// What IAM says of those whom the stage restricts.
pub(super) enum Look {
    /// Of each of them, now and then.
    Asked(Box<Verification>, Vec<Left>),
    /// It could not be asked.
    NotAsked(String),
}

/// Looks, if the stage restricts anybody.
pub(super) async fn look(deployment: &Deployment, rule: Option<&Rule>, target: &Target, made: &Made) -> Option<Look> {
    let rule = rule?;
    let mut changes = Changes::default();
    for part in &made.parts {
        part.steps().iter().for_each(|step| changes.add(&part.part, step));
    }
    let now = SystemClock.now();
    let mut asked = Verification::begin(&RunId::new(now), 0, now);
    match ask(deployment, rule, &mut asked).await {
        Ok(true) => {
            let then = asked.people.iter().map(|person| changes.left(person)).collect();
            Some(Look::Asked(Box::new(asked), then))
        }
        Ok(false) => Some(Look::NotAsked(format!("IAM did not answer for all of {} within {LONGEST} s", target.guardrail))),
        Err(failure) => Some(Look::NotAsked(failure.message)),
    }
}

/// Were all of them asked about?
async fn ask(deployment: &Deployment, rule: &Rule, known: &mut Verification) -> Result<bool, Failure> {
    let until = SystemClock.now() + SignedDuration::from_secs(LONGEST);
    // Nothing is changed yet, so nothing is waited for.
    let nothing = Changes::default();
    let question = Question { of: &rule.of, changes: &nothing, clock: &SystemClock, until };
    let asker = Asker::new(&deployment.sdk);
    loop {
        match question.go(&asker, known).await? {
            Verified::Done => return Ok(true),
            Verified::Settling { .. } if SystemClock.now() > until => return Ok(false),
            Verified::Settling { seconds } => {
                tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())).await;
            }
        }
    }
}

impl Look {
    pub(super) fn text(&self) -> String {
        match self {
            Self::NotAsked(why) => format!(
                "Who can launch was not asked: {why}\nhint: it takes iam:SimulatePrincipalPolicy, iam:GetGroup, iam:GetUser and \
                 iam:ListRoles; a run asks with rights of its own"
            ),
            Self::Asked(now, then) => {
                let mut lines = vec![format!("who can launch ({LIMITS}):")];
                for (person, left) in now.people.iter().zip(then) {
                    lines.push(format!("  now: {}", person.line_before()));
                    lines.push(format!("  then: {}", left.line()));
                }
                lines.extend(now.notes.iter().map(|note| format!("  {note}")));
                let more = now.counts.asked.saturating_sub(now.people.len());
                if more > 0 {
                    lines.push(format!("  ... and {more} more"));
                }
                lines.join("\n")
            }
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::NotAsked(why) => json!({"not_asked": why}),
            Self::Asked(now, then) => json!({"now": now.people, "then": then, "counts": now.counts, "notes": now.notes}),
        }
    }
}

//! The words of a round's judgement: all that it goes by, and all that may come of it.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::alert::BudgetAlert;
use crate::belief::Points;
use crate::config::{Guardrail, StageAt};
use crate::ids::RunId;
use crate::record::{Run, RunState};
use crate::runs::Grounds;
use crate::spend::{Spend, Standing};

/// A measure that a round takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// A stage's alert never arrived, or was not believed: it is enforced as if it had.
    Begin {
        /// The stage.
        stage: StageAt,
        /// The grounds. A person is asked where the figures are not believed.
        grounds: Grounds,
    },
    /// An execution may have died.
    TakeUp(RunId),
    /// A run holds: its holds are looked at again.
    LookAgain(RunId),
    /// A run is put back, for this reason.
    Release {
        /// The run.
        run: RunId,
        /// In words.
        why: String,
        /// Alerts of its period are enforced again.
        armed: bool,
    },
    /// Nothing is done, and people who ask are to know why.
    Say(String),
    /// Nothing is done, and an alarm is to ring.
    Trouble(String),
}

/// The facts of a judgement.
pub struct Books<'a> {
    /// The guardrail as it is deployed.
    pub guardrail: &'a Guardrail,
    /// The state of the budget in AWS Budgets; nothing when Budgets does not say.
    pub standing: Option<&'a Standing>,
    /// The last known spend.
    pub last: Option<&'a Spend>,
    /// Points of spend of this period and of earlier ones.
    pub points: &'a [Points],
    /// Dollars an hour of the resources that run in scope now, where they were asked for.
    pub hourly: Option<Decimal>,
    /// Alerts that wait because AWS Budgets could not be asked. They count only where it still cannot.
    pub waiting: &'a [Waiting],
    /// How the stages stand in the present period, by real alerts.
    pub stages: &'a [StageNow],
    /// The guardrail's open runs.
    pub open: &'a [Run],
    /// The present moment.
    pub now: Timestamp,
}

/// The outcome of a judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The known spend from now on, where Budgets said something and anything is known.
    pub spend: Option<Spend>,
    /// The period of the figures that Budgets shows, and whether they are not believed; nothing where it shows none.
    pub figures: Option<(String, bool)>,
    /// The measures, in order.
    pub measures: Vec<Measure>,
}

impl Books<'_> {
    /// The period that is present, by the name that alerts of today give it.
    pub(super) fn present(&self) -> String {
        self.guardrail.budget.period.present(self.now)
    }
}

/// A stage that has a slot in the present period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageNow {
    /// The stage.
    pub stage: StageAt,
    /// Where its latest run stands.
    pub run: RunState,
    /// A person released it for the period.
    pub released: bool,
    /// Its run waits only because its figure is not believed.
    pub doubted: bool,
    /// Figures, in dollars, that a person said no to.
    pub discarded: Vec<Decimal>,
    /// When people were asked about a figure last, where the question is over.
    pub asked: Option<Timestamp>,
    /// How often in a row nobody answered.
    pub unanswered: u32,
}

/// An alert whose run waits for a person because AWS Budgets could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its stage.
    pub stage: StageAt,
    /// The alert.
    pub alert: BudgetAlert,
    /// When it arrived.
    pub since: Timestamp,
}

/// The state of the budget in AWS Budgets, and the spend that it adds to the known one.
pub(super) struct Shown<'a> {
    pub(super) standing: &'a Standing,
    /// The period of its figures.
    pub(super) period: String,
    /// The known spend from now on.
    pub(super) spend: Option<Spend>,
    /// Why the spend that it shows is not believed, and not kept.
    pub(super) absurd: Option<String>,
}

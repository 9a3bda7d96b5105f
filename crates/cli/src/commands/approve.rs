//! `guardrails approve` and `guardrails reject`: shows the question, asks for a yes, writes the answer down, and follows the run
//! that goes on by it.

use anyhow::{Result, anyhow};
use clap::Args;
use guardrails_model::ids::RunId;
use guardrails_model::record::{Approval, ApprovalDecision, Because, Run, RunState};
use guardrails_model::runs::{Answer as Said, Answered};

use crate::args::{Consent, Format, Global, reason};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::{follow, output};

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The run that waits.
    pub(crate) run: RunId,
    /// Why, for the record.
    #[arg(long, value_parser = reason)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) answer: Answer,
    /// Release the stage for the rest of the period, also where only a figure is asked about.
    #[arg(long)]
    pub(crate) for_the_period: bool,
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Yes,
    No {
        /// And the stage is released for the rest of the period.
        for_the_period: bool,
    },
}

pub(crate) async fn run(global: &Global, args: &Answer, word: Word) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let run = follow::load(&deployment, &args.run).await?;
    let question = run.approval.as_ref().and_then(|approval| approval.question.clone());
    let question = question.ok_or_else(|| not_asked(&run))?;
    let asks = run.state == RunState::Waiting;
    let only_figure = run.approval.as_ref().is_some_and(|approval| approval.because == Because::Doubt);
    if asks {
        output::tell(&follow::question(&deployment, run).await?.text());
    }
    let ask = match word {
        Word::Yes => "Approve these changes?",
        Word::No { for_the_period: false } if only_figure => {
            "Reject this figure? The stage stays armed for any other. To release it for the period: --for-the-period."
        }
        Word::No { .. } => "Reject this? Alerts of this stage are then recorded, not enforced, for the rest of the period.",
    };
    if asks && !output::agreed(&args.consent, &format!("In {}: {ask}", deployment.place()))? {
        return Ok(Exit::Declined);
    }
    let said = Said {
        approved: word == Word::Yes,
        by: deployment.caller.arn.clone(),
        why: args.reason.clone(),
        digest: question.list.digest,
        for_the_period: word == Word::No { for_the_period: true },
    };
    match deployment.runs().answer(&args.run, &said).await? {
        Answered::Taken(_) => {}
        Answered::Already(run) => {
            let before = run.approval.as_ref().and_then(Approval::decision);
            output::tell(&format!("{} was {} already", run.id, before.map_or("answered".to_owned(), ApprovalDecision::words)));
        }
        Answered::NotAsked(run) => return Err(not_asked(&run)),
        Answered::AskedAnew(run) => {
            return Err(anyhow!(
                "{} asks about something else by now: nothing was answered\nhint: the same command shows it",
                run.id
            ));
        }
    }
    let Some(settled) = follow::until_settled(&deployment, &args.run, follow::Known::new()).await? else {
        return Ok(Exit::Interrupted);
    };
    let report = follow::report(&deployment, settled, global.output == Format::Json).await?;
    output::result(global, &report, &report.text())?;
    Ok(match report.run.state {
        RunState::ApplyFailed | RunState::RollbackFailed => Exit::PartlyFailed,
        // The present plan exceeds the approved list: it is asked again.
        RunState::Waiting => Exit::Waits,
        _ => Exit::Done,
    })
}

fn not_asked(run: &Run) -> anyhow::Error {
    let (id, state) = (&run.id, run.state.words());
    let said = run.approval.as_ref().and_then(Approval::decision);
    let said = said.map_or_else(String::new, |said| format!(": it was {}", said.words()));
    anyhow!("run {id} does not wait for an approval, it is {state}{said}\nhint: guardrails status --run {id}")
}

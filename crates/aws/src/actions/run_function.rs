//! `run-function`: an action in any language. A Lambda function of the user's turns targets that the guardrails know nothing of, and
//! turns them back. It keeps the contract in [`guardrails_model::contract`]; docs/run-function.md is its guide.
//!
//! The engine has the order of things as for every action: Before is in the ledger before a call, and a call is made under a lease. A
//! function of the user's may be slow, die, or be deployed anew, so three things are added:
//!
//! - A function whose timeout is longer than a lease can cover is refused, and no call begins that could outlive its invocation.
//! - A call has a fencing number. A program refuses a call that is older than the last one it carried out.
//! - A published version is called. The plan writes it down with the hash of its code and with all that it is told. The way back calls
//!   the same one, and tells it the same.

mod grants;
mod params;
mod program;
mod secrets;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use guardrails_model::action::{Action, ActionError, Change, ChangeOutcome, Known, Patience, Planned, Seen};
use guardrails_model::clock::Clock;
use guardrails_model::contract::{
    Call, ChangeAnswer, ObserveAnswer, Observed, Operation, Outcome, PlacesAnswer, PlanAnswer, PlannedFacet,
};
use guardrails_model::ids::{FacetId, Place, Value};
use guardrails_model::principal::Principal;
use jiff::SignedDuration;

pub use self::params::RunFunction;
use self::program::{Program, Told, Trouble, Version};
use crate::context::Context;
use crate::declared::{About, ActionType, Counted, Declared, Noun, Priced, Service, alike};
use crate::error::FailureKind;
use crate::grants::Grant;
use crate::iam::protected::Protected;

/// The kind of its facets.
const KIND: &str = "run-function";
/// Seconds between two looks at a change that a program accepted.
const POLL: i64 = 5;
/// For so many seconds a change is asked for again that a program or Lambda has no room for.
const GIVE_UP: i64 = 3600;

impl ActionType for RunFunction {
    const ABOUT: About = About {
        counts: &[Counted {
            facet: KIND,
            noun: Noun { one: "target of a function of yours", many: "targets of functions of yours" },
            doing: ("changing", "changing back"),
            limits: None,
            price: Priced::Unknown("the cost of", "that would change"),
        }],
        services: &[Service {
            name: "Anything else, by a function of yours",
            stops: "the cost that your function stops",
            goes_on: "the cost that it leaves",
            lost: "only what your function says, where the stage agrees with `terminates: true`",
        }],
        ..About::new(
            KIND,
            "calls a Lambda function of yours, which changes its own targets",
            "calls the same version of that function, which changes them back",
        )
    };

    fn checked(self) -> Result<Self, String> {
        self.check().map(|()| self)
    }
}

impl Declared for RunFunction {
    fn make(&self, context: &Context<'_>) -> Box<dyn Action> {
        Box::new(Running {
            program: Program::new(self, context),
            params: self.clone(),
            place: context.place.clone(),
            region: context.own_sdk().region().map(ToString::to_string).unwrap_or_default(),
            stack: context.stack.clone(),
            protected: Protected::of(context, BTreeSet::new()),
            clock: Arc::clone(&context.clock),
        })
    }

    fn grants(&self, all: &[&dyn Declared]) -> Vec<Grant> {
        grants::all(&alike(all))
    }

    fn restricts(&self) -> Vec<Principal> {
        self.restricts.principals()
    }

    fn functions(&self) -> Vec<String> {
        vec![self.function.clone()]
    }

    fn terminates(&self) -> bool {
        self.terminates
    }

    fn warnings(&self) -> Vec<String> {
        secrets::warning(&self.input).into_iter().collect()
    }

    fn caution(&self) -> Option<&'static str> {
        self.terminates.then_some(
            "the function of run-function may end things for good, since the stage says `terminates: true`: rollback brings those not back",
        )
    }
}

/// A program at work, in one place or in none.
struct Running {
    params: RunFunction,
    program: Program,
    place: Option<Place>,
    /// The Region of the function.
    region: String,
    stack: Option<String>,
    protected: Protected,
    clock: Arc<dyn Clock>,
}

impl Running {
    fn call(&self, operation: Operation, version: &Version, Told { tags, input }: Told) -> Call {
        Call {
            place: self.place.as_ref().map(Place::to_string),
            tags,
            input,
            ..Call::new(operation, self.clock.now() + version.longest_call())
        }
    }

    /// The facet that the program calls `target`.
    fn facet(&self, target: &str) -> Result<FacetId, ActionError> {
        let place = self.place.as_ref().map_or(self.region.as_str(), Place::as_str);
        let facet = FacetId::new(KIND, place, &format!("{}/{target}", self.params.function));
        facet.map_err(|error| ActionError::Refused(error.to_string()))
    }

    /// The name by which the program knows a facet.
    fn target<'a>(&self, facet: &'a FacetId) -> Result<&'a str, Trouble> {
        let of = facet.parts().2.split_once('/').filter(|(function, _)| *function == self.params.function);
        of.map(|(_, target)| target)
            .ok_or_else(|| Trouble::NotThere(format!("{facet} is not of function {}", self.params.function)))
    }

    /// Refuses a function, or a restriction, that no stage may have.
    async fn check(&self) -> Result<(), ActionError> {
        let name = &self.params.function;
        if self.stack.as_ref().is_some_and(|stack| name.starts_with(&format!("{stack}-"))) {
            let why = format!("function {name} is named as the guardrails' own functions are: give yours another name");
            return Err(ActionError::Refused(why));
        }
        let principals: BTreeSet<Principal> = self.params.restricts.principals().into_iter().collect();
        if principals.is_empty() {
            return Ok(());
        }
        let refused = self.protected.refusals(&principals).await?;
        refused.into_values().next().map_or(Ok(()), |why| Err(ActionError::Refused(why)))
    }

    /// All that the stage tells the program.
    fn told(&self) -> Told {
        Told { tags: self.params.told_tags(), input: self.params.input.clone() }
    }

    fn planned(&self, version: &Version, found: PlannedFacet) -> Result<Planned, ActionError> {
        let unagreed = found.terminates && !self.params.terminates && found.present != found.wanted;
        let unagreed = unagreed
            .then(|| "its program says that this ends something for good: the stage does not say `terminates: true`".to_owned());
        let label = found.label.unwrap_or_else(|| found.facet.clone());
        let planned = Planned {
            skip: found.skip,
            note: found.note,
            program: Some(version.record(&self.told())),
            ..Planned::new(self.facet(&found.facet)?, label, Value::new(found.present), Value::new(found.wanted))
        };
        // No later try changes it: the plan alone knows this reason.
        Ok(match found.refused.or(unagreed) {
            Some(why) => planned.without_plan(why),
            None => planned,
        })
    }

    /// The version that works on a facet, and all that it is told.
    async fn version(&self, record: Option<&String>) -> Result<(Version, Told), Trouble> {
        let told = record.and_then(|record| Told::of(record)).unwrap_or_else(|| self.told());
        let version = match record {
            Some(record) => self.program.recorded(record).await,
            None => self.program.chosen().await.map_err(|error| match error {
                ActionError::Retryable(why) => Trouble::Failed(why),
                ActionError::Refused(why) | ActionError::OutOfBounds(why) => Trouble::NotThere(why),
            }),
        };
        version.map(|version| (version, told))
    }

    async fn look(&self, facet: &FacetId, known: Option<&Known>) -> Result<Seen, Trouble> {
        let (version, told) = self.version(known.and_then(|known| known.programs.get(facet))).await?;
        let mut call = self.call(Operation::Observe, &version, told);
        call.facet = Some(self.target(facet)?.to_owned());
        call.run = known.map(|known| known.run.clone());
        let answer: ObserveAnswer = self.program.ask(&version, &call).await?;
        Ok(match answer.observed() {
            Observed::Is(value) => Seen::Is(Value::new(value)),
            Observed::Moving(value) => Seen::Moving(Value::new(value)),
            Observed::Gone(why) => Seen::Gone(why),
        })
    }

    async fn see(&self, facets: &[FacetId], known: Option<&Known>) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let mut seen = HashMap::new();
        for facet in facets {
            let found = match self.look(facet, known).await {
                Ok(found) => found,
                Err(Trouble::Service(failure)) if failure.kind != FailureKind::Refused => Seen::Unseen(failure.message),
                Err(Trouble::Service(failure)) => {
                    return Err(failure.reading(&format!("calling function {}", self.params.function)));
                }
                // One facet that the program cannot say anything of costs the others nothing.
                Err(Trouble::Failed(why)) => Seen::Unseen(why),
                Err(Trouble::NotThere(why)) => Seen::OutOfReach(why),
                Err(Trouble::Breach(breach)) => Seen::OutOfReach(breach.to_string()),
            };
            seen.insert(facet.clone(), found);
        }
        Ok(seen)
    }

    async fn turn(&self, operation: Operation, change: &Change) -> ChangeOutcome {
        match self.ask_to_turn(operation, change).await {
            Ok(outcome) => outcome,
            Err(trouble) => trouble.answer(),
        }
    }

    async fn ask_to_turn(&self, operation: Operation, change: &Change) -> Result<ChangeOutcome, Trouble> {
        if operation == Operation::Apply
            && let Err(error) = self.check().await
        {
            return Ok(error.into());
        }
        let (version, told) = self.version(change.program.as_ref()).await?;
        if self.clock.now() + version.longest_call() > change.deadline {
            return Ok(ChangeOutcome::Retry(
                "there was too little time left for a call: the next invocation makes it".to_owned(),
            ));
        }
        let call = Call {
            deadline: change.deadline,
            run: Some(change.run.clone()),
            facet: Some(self.target(&change.facet)?.to_owned()),
            to: Some(change.to.as_str().to_owned()),
            fencing: Some(change.fencing),
            ..self.call(operation, &version, told)
        };
        let answer: ChangeAnswer = self.program.change(&version, &call, change).await?;
        let why = answer.reason.unwrap_or_default();
        Ok(match answer.outcome {
            Outcome::Accepted => ChangeOutcome::Accepted,
            Outcome::Refused => ChangeOutcome::Refused(why),
            Outcome::Skipped => ChangeOutcome::Skipped(why),
            Outcome::Retry | Outcome::Superseded => ChangeOutcome::Retry(why),
        })
    }

    async fn turn_all(&self, operation: Operation, changes: &[Change]) -> Vec<ChangeOutcome> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            outcomes.push(self.turn(operation, change).await);
        }
        outcomes
    }
}

#[async_trait]
impl Action for Running {
    async fn places(&self) -> Result<Vec<Place>, ActionError> {
        self.check().await?;
        let version = self.program.chosen().await?;
        let answer = self.program.ask::<PlacesAnswer>(&version, &self.call(Operation::Places, &version, self.told())).await;
        Ok(answer.map_err(|trouble| trouble.reading("asking for its places"))?.places())
    }

    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        self.check().await?;
        let version = self.program.chosen().await?;
        let answer = self.program.ask::<PlanAnswer>(&version, &self.call(Operation::Plan, &version, self.told())).await;
        let answer = answer.map_err(|trouble| trouble.reading("asking for its plan"))?;
        answer.facets.into_iter().map(|found| self.planned(&version, found)).collect()
    }

    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.see(facets, None).await
    }

    async fn observe_for(&self, facets: &[FacetId], known: &Known) -> Result<HashMap<FacetId, Seen>, ActionError> {
        self.see(facets, Some(known)).await
    }

    async fn apply(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn_all(Operation::Apply, changes).await
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<ChangeOutcome> {
        self.turn_all(Operation::Rollback, changes).await
    }

    /// Two stages may tell a program different things of one target. They may not mean two targets by one name.
    fn clash(&self, held: &str, own: &str) -> Option<String> {
        let (held, own) = (Told::of(held)?, Told::of(own)?);
        (held != own).then(|| {
            "another run holds it, and told its program another `input` or other `tags`. By those of this stage it is not as it is held: \
             let the program give two targets two names"
                .to_owned()
        })
    }

    /// A call is about one facet, and each has a lease from its own beginning.
    fn batch(&self) -> usize {
        1
    }

    fn longest_call(&self) -> SignedDuration {
        self.program.longest_work()
    }

    fn patience(&self) -> Patience {
        Patience { poll: POLL, limit: self.params.patience(), give_up: GIVE_UP }
    }
}

//! The product's own actions over an account in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use guardrails_aws::actions::CATALOG;
use guardrails_aws::catalog::Catalog;
use guardrails_aws::context::{Account, Context};
use guardrails_model::action::Action;
use guardrails_model::config::ActionSpec;
use guardrails_model::pace::{Levels, Pace};
use guardrails_model::record::{Part, Run};
use guardrails_testkit::harness::MakeAction;
use guardrails_testkit::lock;

use crate::{Pacing, World};

/// The guardrails' own CloudFormation stack.
pub const STACK: &str = "guardrails";

/// Makes the actions of the catalog, over a world in which nobody may restrict `operators`.
pub fn catalog(world: &Arc<World>, operators: &[&str]) -> MakeAction {
    catalog_at(world, operators, Pace::default())
}

/// The same, at a pace.
pub fn catalog_at(world: &Arc<World>, operators: &[&str], pace: Pace) -> MakeAction {
    of_catalog(&CATALOG, world, operators, pace)
}

/// Makes the actions of `catalog`, over a world.
///
/// # Panics
/// When the catalogue has no such action, or other parameters for it.
pub fn of_catalog(catalog: &'static Catalog, world: &Arc<World>, operators: &[&str], pace: Pace) -> MakeAction {
    let (config, clock) = (world.config(), Arc::clone(&world.clock));
    let world = Arc::clone(world);
    let operators: Vec<String> = operators.iter().map(|arn| (*arn).to_owned()).collect();
    // Making clients takes longer than most of their work here, and an action keeps nothing in mind.
    let kept: Mutex<BTreeMap<String, Arc<dyn Action>>> = Mutex::default();
    Box::new(move |run: &Run, part: &Part| {
        let spec = |part: &Part| ActionSpec { name: part.action.clone(), params: part.params.clone() };
        let called = run.parts.iter().flat_map(|part| catalog.read(&spec(part)).expect("an action of the catalog").functions());
        let spec = spec(part);
        let mut context =
            Context::new(&config, &operators, clock.clone()).at(part.place.as_ref()).paced(pace.clone(), Levels::default());
        context.restricted = run.restricted();
        context.called = called.collect();
        context.stack = Some(STACK.to_owned());
        context.account = Some(Account { partition: "aws".to_owned(), id: "123456789012".to_owned() });
        let make = || {
            lock(&world.pacers).push(Pacing(Arc::clone(&context.pacer)));
            catalog.make(&spec, &context).expect("an action of the catalog").into()
        };
        Arc::clone(
            lock(&kept)
                .entry(format!("{spec:?} {:?} {:?} {:?}", part.place, context.restricted, context.called))
                .or_insert_with(make),
        )
    })
}

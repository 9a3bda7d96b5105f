//! The worked example of CONTRIBUTING.md: an action, whole. `disable-access-key` makes a user's access keys inactive, and active
//! again those that were. In the product this would be one file in `crates/aws/src/actions` and two lines beside it; here the
//! test at the end runs it as the product would.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::StatusType;
use guardrails_aws::actions::{ActionType, Context};
use guardrails_aws::calls;
use guardrails_aws::error::Failure;
use guardrails_aws::grants::{Grant, Use};
use guardrails_local_aws::walkthrough::{USER, Walkthrough};
use guardrails_local_aws::{LocalAws, Options};
use guardrails_model::action::{Action, ActionError, Answer, Change, Patience, Planned, Seen};
use guardrails_model::clock::SystemClock;
use guardrails_model::config::ActionSpec;
use guardrails_model::ids::{FacetId, Value};
use guardrails_model::record::Direction;
use guardrails_model::runs::Begun;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bench::{Bench, stage};

/// The kind of switch: first in each facet's id.
const FACET: &str = "access-key";

/// Makes the access keys of a user inactive.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The user's name.
    user: String,
}

pub struct DisableAccessKey {
    params: Params,
    iam: Client,
    iam_changes: Client,
}

impl ActionType for DisableAccessKey {
    // Stored in the ledger: chosen once, never changed.
    const NAME: &'static str = "disable-access-key";
    const CHANGES: &'static str = "makes a user's access keys inactive";
    const PUTS_BACK: &'static str = "the keys that were active";
    type Params = Params;

    // Which keys there are is known only by looking, so nothing can be said of them beforehand.
    fn wishes(_: &Params) -> Vec<(FacetId, Value)> {
        Vec::new()
    }

    // Becomes the function's role, scoped to what guardrails.yaml names.
    fn grants(all: &[Params]) -> Vec<Grant> {
        let users = all.iter().map(|params| format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:user/{}", params.user));
        vec![Grant {
            sid: "DisableKeys".to_owned(),
            uses: &[Use::Plan, Use::Apply, Use::Rollback],
            actions: &["iam:ListAccessKeys", "iam:UpdateAccessKey"],
            resources: users.collect(),
            condition: serde_json::Value::Null,
            why_any: None,
        }]
    }

    fn new(params: Params, context: &Context<'_>) -> Self {
        // Changes go through clients without retries: a lost answer is known as lost, and waited for.
        Self { params, iam: Client::new(&context.sdk), iam_changes: Client::new(&context.sdk_for_changes()) }
    }
}

#[async_trait]
impl Action for DisableAccessKey {
    // Reads only: what is in scope, what it is, what it shall be. What is as wanted already is left alone by `drive`.
    async fn plan(&self) -> Result<Vec<Planned>, ActionError> {
        let keys = self.keys(&self.params.user).await?.ok_or_else(|| ActionError::Refused("there is no such user".to_owned()))?;
        let planned = keys.into_iter().filter_map(|(id, present)| {
            let facet = FacetId::new(FACET, &self.params.user, &id).ok()?;
            Some(Planned::new(facet, format!("key {id} of {}", self.params.user), present, inactive()))
        });
        Ok(planned.collect())
    }

    // Answers for every facet. Gone only when IAM itself said so.
    async fn observe(&self, facets: &[FacetId]) -> Result<HashMap<FacetId, Seen>, ActionError> {
        let keys = self.keys(&self.params.user).await?.unwrap_or_default();
        let seen = |facet: &FacetId| match keys.get(facet.parts().2) {
            Some(value) => Seen::Is(value.clone()),
            None => Seen::Gone("the key was deleted".to_owned()),
        };
        Ok(facets.iter().map(|facet| (facet.clone(), seen(facet))).collect())
    }

    async fn apply(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes).await
    }

    async fn rollback(&self, changes: &[Change]) -> Vec<Answer> {
        self.turn(changes).await
    }

    fn batch(&self) -> usize {
        10
    }

    fn patience(&self) -> Patience {
        Patience { poll: 2, limit: 300, give_up: 3600 }
    }
}

impl DisableAccessKey {
    // One call for each key, so one that refuses costs the others nothing.
    async fn turn(&self, changes: &[Change]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for change in changes {
            let (_, user, key) = change.facet.parts();
            let status = if change.to == inactive() { StatusType::Inactive } else { StatusType::Active };
            let call = self.iam_changes.update_access_key().user_name(user).access_key_id(key).status(status);
            // Made so, the history says by which of AWS's requests it was.
            let turned = calls::make("iam:UpdateAccessKey", [change], call.send()).await;
            answers.push(turned.map_or_else(Failure::answer, |_| Answer::Accepted));
        }
        answers
    }

    async fn keys(&self, user: &str) -> Result<Option<HashMap<String, Value>>, ActionError> {
        match self.iam.list_access_keys().user_name(user).send().await {
            Ok(answer) => Ok(Some(
                answer
                    .access_key_metadata()
                    .iter()
                    .filter_map(|key| {
                        let value = if key.status() == Some(&StatusType::Active) { Value::new("active") } else { inactive() };
                        Some((key.access_key_id()?.to_owned(), value))
                    })
                    .collect(),
            )),
            Err(error) => {
                let failure = Failure::of(&error);
                if failure.is("NoSuchEntity") { Ok(None) } else { Err(failure.reading("listing access keys")) }
            }
        }
    }
}

fn inactive() -> Value {
    Value::new("inactive")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_example_applies_and_puts_back_exactly() {
    let local = LocalAws::start(Options::default()).await.unwrap();
    Walkthrough::seed(&local).await.unwrap();
    let sdk = local.sdk_config().await.unwrap();
    let iam = Client::new(&sdk);
    let second = iam.create_access_key().user_name(USER).send().await.unwrap().access_key.unwrap();
    let second = second.access_key_id();
    iam.update_access_key().user_name(USER).access_key_id(second).status(StatusType::Inactive).send().await.unwrap();

    let operators = Vec::new();
    let context = Context::new(&sdk, &operators, Arc::new(SystemClock));
    let action = DisableAccessKey::new(Params { user: USER.to_owned() }, &context);
    let before = keys(&iam).await;
    assert_eq!(before.len(), 2);

    let action: Arc<dyn Action> = Arc::new(action);
    let mine = Arc::clone(&action);
    let bench = Bench::new(Arc::default(), Arc::default(), |store| store, Box::new(move |_, _| Arc::clone(&mine)));
    let spec = ActionSpec { name: DisableAccessKey::NAME.parse().unwrap(), params: json!({"user": USER}) };
    let (target, guardrail) = stage("beta 100%", vec![vec![spec]]);
    let Begun::Started(run) = bench.alert(&target, &guardrail).await.unwrap() else { panic!("no run began") };
    bench.open(&run).await.unwrap();
    bench.execute(Direction::Apply, &run.id).await.unwrap();
    assert!(keys(&iam).await.values().all(|status| *status == StatusType::Inactive));

    bench.ask_back(&run.id, &[], false).await;
    bench.execute(Direction::Rollback, &run.id).await.unwrap();
    assert_eq!(keys(&iam).await, before, "the one that was inactive still is");
}

async fn keys(iam: &Client) -> HashMap<String, StatusType> {
    let keys = iam.list_access_keys().user_name(USER).send().await.unwrap();
    let keys = keys.access_key_metadata().iter();
    keys.map(|key| (key.access_key_id().unwrap().to_owned(), key.status().unwrap().clone())).collect()
}

//! The orders of the state machine and of CloudFormation to the functions: each order as it travels. Its receivers are in
//! `lambdas`; the machine's use of the answers is in `statemachine`.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::census::OfKind;
use crate::cursor::Cursor;
use crate::ids::{GuardrailName, Place, RunId};
use crate::record::{Direction, PartPlan, Run, Tally};

/// Letters of the digest of an action with its parameters.
const SCOPE_DIGEST: usize = 20;

/// The state machine's orders to the master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum MasterOrder {
    /// Each action said where it works: give each place a part.
    Spread {
        /// The run.
        run: RunId,
        /// Wave by wave.
        places: Vec<Vec<PlacesResult>>,
    },
    /// The plans are written: make them count.
    Open {
        /// The run.
        run: RunId,
        /// Wave by wave.
        plans: Vec<Vec<PlanResult>>,
    },
    /// An execution wants to wait for a person's approval: tell people what is asked.
    Ask {
        /// The run.
        run: RunId,
        /// The execution's number.
        attempt: u32,
        /// The token that wakes it.
        token: String,
    },
    /// It waits no more: what is it to do?
    Hear {
        /// The run.
        run: RunId,
        /// The execution's number.
        attempt: u32,
    },
    /// The work is over: judge the run.
    Close {
        /// The run.
        run: RunId,
        /// The direction that the execution went.
        direction: Direction,
        /// The try that the execution was started for.
        #[serde(default, rename = "try")]
        try_number: Option<u32>,
        /// Wave by wave.
        results: Vec<Vec<PartResult>>,
        /// Why IAM could not be asked who can still launch, where it was to be.
        #[serde(default)]
        unverified: Option<String>,
    },
}

/// Where one part's action works, or why it could not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacesResult {
    /// The part's index.
    pub part: usize,
    /// Where.
    #[serde(default)]
    pub places: Vec<Place>,
    /// Why it could not say.
    #[serde(default)]
    pub failed: Option<String>,
}

/// The outcome of planning one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanResult {
    /// The part's index.
    pub part: usize,
    /// Its plan.
    pub plan: PartPlan,
}

/// The outcome of working on one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartResult {
    /// The part's index.
    pub part: usize,
    /// How the work ended.
    pub end: End,
    /// Why, where it failed.
    #[serde(default)]
    pub why: Option<String>,
    /// Where an unfinished part was left.
    #[serde(default)]
    pub cursor: Option<Cursor>,
}

/// How the work on a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Nothing is left to do.
    Done,
    /// More rounds are needed than one execution has.
    Unfinished,
    /// The function failed for good.
    Failed,
}

/// The state machine's orders to an action's function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionOrder {
    /// The operation.
    pub op: Op,
    /// The run.
    pub run: RunId,
    /// The part's index.
    pub part: usize,
    /// Where an earlier invocation left off.
    #[serde(default)]
    pub cursor: Option<Cursor>,
    /// The run of a rehearsal: the ledger has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Box<Run>>,
}

/// An operation of an action's function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Says where it works.
    Places,
    /// Plans, and changes nothing.
    Plan,
    /// Takes the part on towards the values that the stage wants.
    Apply,
    /// Takes it on back.
    Rollback,
    /// Plans a part of a draft in all of its places, and writes nothing.
    Rehearse,
    /// Lists the resources of a part of a draft that run, in all of its places, and writes nothing.
    Running,
}

/// An order of the schedule or of `guardrails reconcile` for the reconciler: a round, and with it rehearsals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundOrder {
    /// The guardrails to rehearse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearse: Option<Which>,
}

/// The guardrails that are rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Those that were not for a day.
    Due,
    /// All.
    All,
}

/// An order of the reconciler for notify: to tell people of the last rehearsals of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TellOfRehearsals {
    /// The guardrails.
    pub rehearsals: Vec<GuardrailName>,
}

/// The answer of an action's function to a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalResult {
    /// The part's index.
    pub part: usize,
    /// Its tally.
    pub rehearsal: Tally,
}

/// The answer of an action's function about the resources that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningResult {
    /// The part's index.
    pub part: usize,
    /// The resources, by kind and place.
    pub running: Vec<OfKind>,
    /// Why not all of them could be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The state machine's order to verify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyOrder {
    /// The run.
    pub run: RunId,
}

/// The answer of verify. How far it has come is in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Verified {
    /// There is nobody left to ask about.
    Done,
    /// It goes on after so many seconds.
    Settling {
        /// How many.
        seconds: i64,
    },
}

/// The state machine's order to notify.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyOrder {
    /// The run.
    pub run: RunId,
    /// The direction that the execution went.
    pub direction: Direction,
    /// Set when the execution broke down before it could say how the run stands.
    #[serde(default)]
    pub broken: Option<String>,
}

/// The properties of a `Custom::Guardrail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GuardrailProperties {
    /// The guardrail, as JSON.
    pub definition: String,
    /// The principals that no guardrail may restrict; empty ones are parameters that were not given.
    #[serde(default)]
    pub operators: Vec<String>,
    /// How fast its runs work, as JSON.
    #[serde(default)]
    pub pace: Option<String>,
}

/// A digest of an action with its parameters. The parameters of 200 guardrails are longer than a template may be.
#[must_use]
pub fn scope_digest(action: &str, params: &Json) -> String {
    let digest = Sha256::digest(json!([action, sorted(params)]).to_string());
    format!("{digest:x}")[..SCOPE_DIGEST].to_owned()
}

/// The same with its keys in order: the ledger does not keep the file's.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Array(all) => all.iter().map(sorted).collect(),
        Json::Object(fields) => {
            let mut fields: Vec<(&String, &Json)> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            fields.into_iter().map(|(key, one)| (key.clone(), sorted(one))).collect()
        }
        other => other.clone(),
    }
}

impl OpenRunsProperties {
    /// May a part of this action with these parameters still be worked on?
    #[must_use]
    pub fn has(&self, action: &str, params: &Json) -> bool {
        let wanted = json!({"name": action, "params": params});
        let is_it = |text: &String| serde_json::from_str::<Json>(text).is_ok_and(|listed| listed == wanted);
        self.scopes.contains(&scope_digest(action, params)) || self.actions.iter().any(is_it)
    }
}

/// The bounds of the deployed functions from now on: the properties of `Custom::OpenRuns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenRunsProperties {
    /// Each action with its parameters, as JSON. The version before wrote it so, and CloudFormation may put its templates back.
    #[serde(default)]
    pub actions: Vec<String>,
    /// A digest of each action with its parameters: see [`scope_digest`].
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The guardrails' names.
    #[serde(default)]
    pub guardrails: Vec<String>,
    /// A digest of the rights of the actions' functions: another version may grant other rights for the same file.
    #[serde(default)]
    pub rights: Option<String>,
}

/// The error that the state machine heard, in people's words: its name, and the function's message, which Lambda puts into JSON.
#[must_use]
pub fn heard(why: &str) -> String {
    let (name, said) = why.split_once(": ").unwrap_or_default();
    let said = serde_json::from_str::<Json>(said).ok();
    match said.as_ref().and_then(|said| said["errorMessage"].as_str()) {
        Some(message) if name.starts_with("Guardrails.") => message.to_owned(),
        Some(message) => format!("{message} ({name})"),
        None => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_known_by_its_digest_and_in_its_former_form() {
        let params: Json = serde_json::from_str(r#"{"tag": {"Project": "Beta"}, "regions": ["eu-west-1"]}"#).unwrap();
        let again: Json = serde_json::from_str(r#"{"regions": ["eu-west-1"], "tag": {"Project": "Beta"}}"#).unwrap();
        let of = |properties: Json| serde_json::from_value::<OpenRunsProperties>(properties).unwrap();
        let new = of(json!({"Scopes": [scope_digest("stop-instances", &params)]}));
        let former = of(json!({"Actions": [json!({"name": "stop-instances", "params": params}).to_string()]}));
        for properties in [new, former] {
            assert!(properties.has("stop-instances", &again), "whatever the order of its keys");
            assert!(!properties.has("scale-group-to-zero", &params) && !properties.has("stop-instances", &json!({})));
        }
    }

    #[test]
    fn error_of_a_function_is_heard_as_its_message() {
        let of = |name: &str| format!("{name}: {{\"errorType\": \"{name}\", \"errorMessage\": \"there is no IAM group `X`\"}}");
        assert_eq!(heard(&of("Guardrails.Failed")), "there is no IAM group `X`");
        assert_eq!(heard(&of("Lambda.Unknown")), "there is no IAM group `X` (Lambda.Unknown)");
        for plain in ["States.Timeout: ", "planning: there is none", "", "{}"] {
            assert_eq!(heard(plain), plain);
        }
    }
}

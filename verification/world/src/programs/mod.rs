//! Lambda, as far as `run-function` calls it: functions of the user's, whose programs are closures. They are called by version.

mod kept;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::account::Account;
use super::wire::{Call, Refusal, Service};

pub use kept::{breaking, keeping};

/// The code of a version: it is given its memory, the event and the time.
pub type Program = Arc<dyn Fn(&mut Memory, &Json, Timestamp) -> Said + Send + Sync>;

/// The answer of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It returned this text.
    Text(String),
    /// It failed, with this message.
    Failed(String),
}

impl Said {
    /// It returned this.
    pub fn json(answer: &Json) -> Self {
        Self::Text(answer.to_string())
    }
}

/// The service that a function turns, which all of its versions share.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The places that it names.
    pub places: Vec<String>,
    /// Its targets, each with its value.
    pub targets: BTreeMap<String, String>,
    /// The highest fencing number of each.
    pub numbers: BTreeMap<String, u64>,
    /// Every call, with the version that was called.
    pub calls: Vec<(u32, Json)>,
}

/// A published version.
#[derive(Clone)]
pub struct Published {
    /// Its number.
    pub number: u32,
    /// The hash of its code.
    pub code: String,
    /// Its timeout in seconds.
    pub timeout: i64,
    /// May a call of it go on after its timeout?
    pub durable: bool,
    /// Does it run on instances, whose calls AWS does not end at the timeout?
    pub managed: bool,
    program: Program,
}

/// A function of the user's.
#[derive(Clone, Default)]
pub struct UserFunction {
    /// Its published versions.
    pub versions: Vec<Published>,
    /// The version of each alias, and of another one that it points to at once.
    pub aliases: BTreeMap<String, (String, Option<String>)>,
    /// The service that it turns.
    pub memory: Memory,
}

impl UserFunction {
    /// A function with these targets, of which no version is published.
    pub fn of(targets: &[(&str, &str)]) -> Self {
        let targets = targets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { memory: Memory { targets, ..Memory::default() }, ..Self::default() }
    }

    /// The same, after a new version is published.
    pub fn publish(mut self, code: &str, program: Program) -> Self {
        self.deploy(code, program);
        self
    }

    /// Publishes a new version.
    pub fn deploy(&mut self, code: &str, program: Program) -> &mut Published {
        let number = self.versions.last().map_or(1, |last| last.number + 1);
        self.versions.push(Published { number, code: code.to_owned(), timeout: 3, durable: false, managed: false, program });
        self.versions.last_mut().expect("a version")
    }

    /// The newest version.
    pub fn newest(&mut self) -> &mut Published {
        self.versions.last_mut().expect("a version")
    }

    /// The answer of a version to an event.
    pub fn call(&mut self, number: u32, event: &Json, now: Timestamp) -> Said {
        let version = self.versions.iter().find(|version| version.number == number).expect("a version").clone();
        self.memory.calls.push((number, event.clone()));
        (version.program)(&mut self.memory, event, now)
    }
}

/// The functions of the user's, by name.
pub type UserFunctions = BTreeMap<String, UserFunction>;

/// A call as it is sent: a method and a path that name the operation. Nothing, when it is another service's.
pub(super) fn read(uri: &str, region: &str, body: &[u8]) -> Option<Call> {
    let path = uri.split_once("/2015-03-31/functions/")?.1;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut form: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let (name, rest) = path.split_once('/')?;
    form.insert("FunctionName".to_owned(), name.to_owned());
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let operation = match rest {
        "invocations" if ["apply", "rollback"].contains(&json["operation"].as_str().unwrap_or_default()) => "Invoke",
        // A gate knows by this name that it changes nothing.
        "invocations" => "GetByInvoke",
        "configuration" => "GetFunctionConfiguration",
        "versions" => "ListVersionsByFunction",
        alias => {
            form.insert("Name".to_owned(), alias.strip_prefix("aliases/")?.to_owned());
            "GetAlias"
        }
    };
    Some(Call::read_path(Service::Programs, region, operation, json, form))
}

/// The header by which Lambda tells that a program failed.
pub(super) fn failed(call: &Call, body: &str) -> Option<(&'static str, &'static str)> {
    let is_failure = || serde_json::from_str::<Json>(body).is_ok_and(|said| !said["errorMessage"].is_null());
    (call.operation.ends_with("Invoke") && is_failure()).then_some(("x-amz-function-error", "Unhandled"))
}

/// A call for the record: IAM's action, and the resource.
pub(super) fn told(call: &Call) -> (String, String, BTreeMap<String, String>) {
    let operation = if call.operation.ends_with("Invoke") { "InvokeFunction" } else { call.operation.as_str() };
    let name = call.get("FunctionName").unwrap_or_default();
    let qualifier = call.get("Qualifier").map(|version| format!(":{version}")).unwrap_or_default();
    let arn = format!("arn:aws:lambda:{}:123456789012:function:{name}{qualifier}", call.region);
    (format!("lambda:{operation}"), arn, BTreeMap::new())
}

/// The answer to a call.
pub(super) fn answer(account: &mut Account, call: &Call, now: Timestamp) -> Result<String, Refusal> {
    let name = call.require("FunctionName")?;
    let missing = |what: &str| Refusal(404, "ResourceNotFoundException", format!("Function not found: {name}{what}"));
    let (page, region) = (account.page, call.region.clone());
    let function = account.user_functions.get_mut(name).ok_or_else(|| missing(""))?;
    match call.operation.as_str() {
        "ListVersionsByFunction" => {
            let all = std::iter::once("$LATEST".to_owned()).chain(function.versions.iter().map(|one| one.number.to_string()));
            let (page, next) = super::wire::page(all.collect(), call.get("Marker"), page);
            let shown: Vec<Json> = page.into_iter().map(|number| json!({"Version": number})).collect();
            return Ok(json!({"Versions": shown, "NextMarker": next}).to_string());
        }
        "GetAlias" => {
            let alias = call.require("Name")?;
            let (version, other) = function.aliases.get(alias).ok_or_else(|| missing(&format!(":{alias}")))?;
            let weights: BTreeMap<&String, f64> = other.iter().map(|other| (other, 0.1)).collect();
            let routing = json!({"AdditionalVersionWeights": weights});
            return Ok(json!({"Name": alias, "FunctionVersion": version, "RoutingConfig": routing}).to_string());
        }
        _ => {}
    }
    let qualifier = call.get("Qualifier").unwrap_or("$LATEST");
    let version = function.versions.iter().find(|one| one.number.to_string() == qualifier);
    let version = version.ok_or_else(|| missing(&format!(":{qualifier}")))?.clone();
    if call.operation == "GetFunctionConfiguration" {
        let mut shown =
            json!({"FunctionName": name, "Version": qualifier, "Timeout": version.timeout, "CodeSha256": version.code});
        if version.durable {
            shown["DurableConfig"] = json!({"ExecutionTimeout": 3600});
        }
        if version.managed {
            let provider = "arn:aws:lambda:us-east-1:123456789012:capacity-provider:own";
            shown["CapacityProviderConfig"] =
                json!({"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider}});
        }
        return Ok(shown.to_string());
    }
    let before = function.memory.targets.clone();
    let said = function.call(version.number, &call.json, now);
    let changed = function.memory.targets.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
    for name in &changed {
        account.touch(&region, name);
    }
    Ok(match said {
        Said::Text(text) => text,
        Said::Failed(message) => json!({"errorMessage": message, "errorType": "RuntimeError"}).to_string(),
    })
}

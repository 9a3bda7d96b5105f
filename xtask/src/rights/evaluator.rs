//! The evaluator: `@cloud-copilot/iam-simulate`, in Node.js. It knows which resources and condition keys each action has, from
//! AWS's service authorization reference.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use guardrails_local_aws::ACCOUNT;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::recorded::{Call, Policies};

/// The pinned version.
const PACKAGE: &str = "@cloud-copilot/iam-simulate@0.1.173";
/// Its word for a call that may be made.
pub const ALLOWED: &str = "Allowed";

/// A call to judge.
#[derive(Debug, Serialize)]
pub struct Question {
    policies: String,
    principal: String,
    action: String,
    /// One that the action works on, where that does not matter.
    resource: Option<String>,
    account: String,
    keys: BTreeMap<String, Json>,
    key_policy: Option<Json>,
}

impl Question {
    /// May `call` be made?
    pub fn of(call: &Call) -> Self {
        // AWS's own policies are in no account, and read as if they were in the caller's.
        let numbered = |account: &&str| account.bytes().all(|b| b.is_ascii_digit()) && !account.is_empty();
        let account = |arn: &str| arn.split(':').nth(4).filter(numbered).map(str::to_owned);
        Self {
            policies: call.policies.clone(),
            principal: call.principal.clone(),
            action: call.action.clone(),
            resource: Some(call.resource.clone()),
            account: account(&call.resource).or_else(|| account(&call.principal)).unwrap_or_default(),
            keys: call.keys.iter().map(|(key, value)| (key.clone(), texts(value))).chain([of_role(call)]).collect(),
            key_policy: call.key_policy.as_deref().and_then(|policy| serde_json::from_str(policy).ok()),
        }
    }

    /// May a user with `policies` call `action` on anything?
    pub fn of_user(policies: &str, action: &str) -> Self {
        Self {
            policies: policies.to_owned(),
            principal: format!("arn:aws:iam::{ACCOUNT}:user/beta-developer"),
            action: action.to_owned(),
            resource: None,
            account: ACCOUNT.to_owned(),
            keys: BTreeMap::new(),
            key_policy: None,
        }
    }
}

/// `aws:PrincipalArn`, which of a session is its role's ARN.
fn of_role(call: &Call) -> (String, Json) {
    let session: Vec<&str> = call.principal.split('/').collect();
    let account = call.principal.split(':').nth(4).unwrap_or_default();
    let role = session.get(1).copied().unwrap_or_default();
    ("aws:PrincipalArn".to_owned(), json!(format!("arn:aws:iam::{account}:role/{role}")))
}

/// A condition key's value as a text or a list of texts, which is all that it can be.
fn texts(value: &str) -> Json {
    match serde_json::from_str(value) {
        Ok(Json::String(text)) => json!(text),
        Ok(Json::Array(all)) => {
            all.into_iter().map(|one| one.as_str().map_or_else(|| json!(one.to_string()), |text| json!(text))).collect()
        }
        _ => json!(value),
    }
}

/// The evaluator, ready to be asked.
pub struct Evaluator {
    program: PathBuf,
}

/// Installs it into `target`, where it is not there yet.
///
/// # Errors
/// When npm is not there, or cannot.
pub fn install(root: &Path) -> Result<Evaluator> {
    let folder = root.join("target/ci/npm");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-save", "--prefix"]).arg(&folder).arg(PACKAGE);
    let status = npm.status().context("running npm: this needs Node.js 20 or newer")?;
    if !status.success() {
        return Err(anyhow!("npm could not install {PACKAGE}: {status}"));
    }
    // Node.js looks for packages beside and above the program, so it has to stand there.
    let program = folder.join("rights.mjs");
    std::fs::write(&program, include_str!("../../rights/evaluate.mjs"))
        .with_context(|| format!("writing {}", program.display()))?;
    Ok(Evaluator { program })
}

impl Evaluator {
    /// A verdict for each question.
    ///
    /// # Errors
    /// When it fails, or answers for fewer.
    pub fn judge(&self, policies: &BTreeMap<String, Policies>, questions: &[Question]) -> Result<Vec<String>> {
        let input = serde_json::to_vec(&json!({"policies": policies, "calls": questions}))?;
        let mut node = Command::new("node");
        let mut child = node.arg(&self.program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("running node")?;
        let mut stdin = child.stdin.take().ok_or_else(|| anyhow!("node takes no input"))?;
        stdin.write_all(&input).context("asking node")?;
        drop(stdin);
        let output = child.wait_with_output().context("waiting for node")?;
        let verdicts: Vec<String> = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("node ended with {} and `{}`", output.status, String::from_utf8_lossy(&output.stdout)))?;
        if verdicts.len() == questions.len() {
            return Ok(verdicts);
        }
        Err(anyhow!("{} questions, and {} verdicts", questions.len(), verdicts.len()))
    }
}

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

/// The program, and the packages that it needs: each version pinned, with the hash of its files.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../rights/package.json")),
    ("package-lock.json", include_str!("../../rights/package-lock.json")),
    ("evaluate.mjs", include_str!("../../rights/evaluate.mjs")),
];
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

/// Installs it into `target`.
///
/// # Errors
/// When npm is not there, or cannot, or a package is not the pinned one.
pub fn install(root: &Path) -> Result<Evaluator> {
    let folder = root.join("target/ci/rights");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // Node.js looks for packages beside and above the program, so it has to stand there.
    for (name, content) in FILES {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    let mut npm = Command::new("npm");
    let status = npm.args(["ci", "--silent", "--prefix"]).arg(&folder).status();
    let status = status.context("running npm: this needs Node.js 20 or newer")?;
    if !status.success() {
        return Err(anyhow!("npm could not install the packages of {}/package-lock.json: {status}", folder.display()));
    }
    Ok(Evaluator { program: folder.join("evaluate.mjs") })
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

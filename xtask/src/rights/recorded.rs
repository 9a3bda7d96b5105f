//! The calls as the local AWS wrote them down, and the policies that the roles had then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// All that was written down.
pub struct Recorded {
    /// The policies of a role, by a digest of them.
    pub policies: BTreeMap<String, Policies>,
    /// The calls of the stack's own roles, each once.
    pub calls: BTreeSet<Call>,
    /// Of roles that are not the stack's: actions that they may call on any resource of their kind, each with the reason.
    pub wide: BTreeMap<String, BTreeMap<String, String>>,
}

/// The policies of a role.
#[derive(Debug, Deserialize, Serialize)]
pub struct Policies {
    /// Its own policies, and those attached to it.
    identity: Vec<Named>,
    /// Its permissions boundary, if it had one.
    boundary: Option<Json>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Named {
    name: String,
    policy: Json,
}

/// A call that a role made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The role's name in the template.
    pub role: String,
    /// The role itself.
    pub principal: String,
    /// Its policies, by their digest.
    pub policies: String,
    /// The IAM action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// The condition keys, each with its values as JSON text.
    pub keys: BTreeMap<String, String>,
    /// The policy of the KMS key that it is on, as JSON text.
    pub key_policy: Option<String>,
    /// The local AWS's verdict.
    pub allowed: bool,
}

/// Sessions under which nobody works. Tests act as somebody who stole a role's credentials. When a stack is made, the local AWS
/// itself looks whether the role of a function or of the machine has the rights that Lambda and Step Functions ask for.
const NOT_AT_WORK: [&str; 3] = ["/thief", "/lambda", "/states"];

/// A line of the record.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Call {
        role: String,
        principal: String,
        policies: String,
        action: String,
        resource: String,
        keys: BTreeMap<String, Json>,
        decision: String,
        key_policy: Option<Json>,
    },
    Reasons {
        reasons_of: String,
        wide: BTreeMap<String, String>,
    },
    Policies {
        policies: String,
        #[serde(flatten)]
        what: Policies,
    },
}

impl Recorded {
    /// Reads every file in `folder`.
    ///
    /// # Errors
    /// When there is none, or one is not of the form that the local AWS writes.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut recorded = Self { policies: BTreeMap::new(), calls: BTreeSet::new(), wide: BTreeMap::new() };
        let files = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        for file in files {
            let path = file?.path();
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            // The last line of a launcher that was killed may be cut.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines() {
                let line = serde_json::from_str(line).with_context(|| format!("a line of {}: {line}", path.display()))?;
                recorded.add(line);
            }
        }
        if recorded.calls.is_empty() {
            return Err(anyhow!("no call of the stack's roles is written down in {}", folder.display()));
        }
        Ok(recorded)
    }

    fn add(&mut self, line: Line) {
        match line {
            Line::Reasons { reasons_of, wide } => {
                self.wide.insert(reasons_of, wide);
            }
            Line::Policies { policies, what } => {
                self.policies.insert(policies, what);
            }
            Line::Call { role, principal, policies, action, resource, keys, decision, key_policy } => {
                // STACK-LogicalId-SUFFIX; others are those of the tests' world, not ours.
                let Some(role) = role.rsplit('-').nth(1).filter(|name| name.ends_with("Role")).map(str::to_owned) else { return };
                if NOT_AT_WORK.iter().any(|session| principal.ends_with(session)) {
                    return;
                }
                let keys = keys.into_iter().map(|(key, value)| (key, value.to_string())).collect();
                let key_policy = key_policy.map(|policy| policy.to_string());
                let allowed = decision == "Allow";
                self.calls.insert(Call { role, principal, policies, action, resource, keys, key_policy, allowed });
            }
        }
    }

    /// Every action that each role's own policies allow anywhere.
    pub fn grants(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let mut grants: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for call in &self.calls {
            let actions = self.policies.get(&call.policies).into_iter().flat_map(Policies::allowed);
            grants.entry(&call.role).or_default().extend(actions);
        }
        grants
    }
}

impl Policies {
    /// Of these, each with its name, and no boundary.
    pub fn of(policies: impl IntoIterator<Item = (String, Json)>) -> Self {
        Self { identity: policies.into_iter().map(|(name, policy)| Named { name, policy }).collect(), boundary: None }
    }

    fn allowed(&self) -> impl Iterator<Item = String> {
        let statements = self.identity.iter().flat_map(|named| list(&named.policy["Statement"]));
        let allowing = statements.filter(|statement| statement["Effect"] == "Allow");
        allowing.flat_map(|statement| list(&statement["Action"])).filter_map(|action| action.as_str().map(str::to_owned))
    }

    /// Whether a condition anywhere in them is about `key`.
    pub fn ask_about(&self, key: &str) -> bool {
        let statements = self.identity.iter().flat_map(|named| list(&named.policy["Statement"]));
        let operators = statements.filter_map(|statement| statement["Condition"].as_object()).flat_map(|all| all.values());
        operators.filter_map(Json::as_object).flat_map(|keys| keys.keys()).any(|asked| asked.eq_ignore_ascii_case(key))
    }
}

/// One or many, as policies have it.
fn list(value: &Json) -> Vec<&Json> {
    value.as_array().map_or_else(|| if value.is_null() { Vec::new() } else { vec![value] }, |all| all.iter().collect())
}

/// Whether the action of a grant, which may end in `*`, is that of a call.
pub fn covers(granted: &str, called: &str) -> bool {
    granted.strip_suffix('*').map_or_else(|| granted.eq_ignore_ascii_case(called), |start| called.starts_with(start))
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} on {} with {:?}", self.role, self.action, self.resource, self.keys)
    }
}

//! May somebody assume a role? Its trust policy is judged here, for callers of the role's own account; IAM is asked about their
//! own policies.
//!
//! Within an account, a trust policy that names a user or a role itself lets them in without more; one that names the account
//! leaves it to their own policies. A Deny of either side decides.

use serde_json::Value as Json;

use super::answers::Simulated;
use crate::condition::{Known, holds, strings};
use crate::glob::glob;
use crate::verdict::Verdict;

const ASSUME: &str = "sts:assumerole";

/// The caller that would assume the role: a user or a role of the same account, by its ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// `arn:aws:iam::123456789012:user/ann`.
    pub arn: &'a str,
}

impl<'a> Caller<'a> {
    fn part(&self, index: usize) -> &'a str {
        self.arn.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// The account's number.
    #[must_use]
    pub fn account(&self) -> &'a str {
        self.part(4)
    }

    /// The name, without a path.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// Is it a role?
    #[must_use]
    pub fn is_role(&self) -> bool {
        self.part(5).starts_with("role/")
    }
}

/// A role's trust policy.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Nothing when it could not be read.
    statements: Option<Vec<Statement>>,
}

#[derive(Debug, Clone)]
struct Statement {
    denies: bool,
    covers: bool,
    whom: Whom,
    conditions: Option<Json>,
}

#[derive(Debug, Clone)]
enum Whom {
    Anybody,
    These(Vec<String>),
    AllBut(Vec<String>),
}

/// How a trust policy lets a caller in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// It names them, or anybody: their own policies need not allow it.
    pub named: Verdict,
    /// It names their account: their own policies must allow it.
    pub account: Verdict,
}

impl Trusted {
    /// Surely neither way.
    #[must_use]
    pub fn is_no(&self) -> bool {
        self.named == Verdict::No && self.account == Verdict::No
    }
}

/// May they assume the role?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assumable {
    /// They may.
    Yes,
    /// They may not.
    No,
    /// It cannot be told, for this reason.
    CannotTell(String),
}

impl Trust {
    /// Reads a policy document.
    #[must_use]
    pub fn read(document: &str) -> Self {
        let policy: Option<Json> = serde_json::from_str(document).ok();
        let statements = policy.as_ref().and_then(|policy| policy.get("Statement")).and_then(|statements| {
            statements.as_array().map_or_else(
                || statement(statements).map(|one| vec![one]),
                |statements| statements.iter().map(statement).collect(),
            )
        });
        Self { statements }
    }

    /// Does it let nobody in but services and those that other providers know?
    #[must_use]
    pub fn is_for_services_only(&self) -> bool {
        let allows = |statement: &Statement| {
            !statement.denies && statement.covers && !matches!(&statement.whom, Whom::These(principals) if principals.is_empty())
        };
        self.statements.as_ref().is_some_and(|statements| !statements.iter().any(allows))
    }

    /// How it lets `caller` in.
    #[must_use]
    pub fn of(&self, caller: &Caller<'_>) -> Trusted {
        let Some(statements) = &self.statements else {
            let unknown = Verdict::Unknown("its trust policy cannot be read".to_owned());
            return Trusted { named: unknown, account: Verdict::No };
        };
        let (mut named, mut account, mut denied) = (Verdict::No, Verdict::No, Verdict::No);
        for statement in statements.iter().filter(|statement| statement.covers) {
            let matched = statement.matches(caller);
            let holds = || in_its_trust(holds(statement.conditions.as_ref(), &|key| known(key, caller)));
            if statement.denies {
                denied = denied.or(matched.named.or(matched.account).and(holds()));
            } else {
                named = named.or(matched.named.and(holds()));
                account = account.or(matched.account.and(holds()));
            }
        }
        Trusted { named: named.and(!denied.clone()), account: account.and(!denied) }
    }
}

fn in_its_trust(answer: Verdict) -> Verdict {
    if let Verdict::Unknown(why) = answer { Verdict::Unknown(format!("its trust policy has a condition: {why}")) } else { answer }
}

/// The knowledge about a key of a request to assume a role.
fn known(key: &str, caller: &Caller<'_>) -> Known {
    let is = |value: &str| Known::Is(value.to_owned());
    match key {
        "aws:principalarn" => is(caller.arn),
        "aws:principalaccount" => is(caller.account()),
        "aws:principaltype" => is(if caller.is_role() { "AssumedRole" } else { "User" }),
        "aws:username" if caller.is_role() => Known::Absent,
        "aws:username" => is(caller.name()),
        // STS takes no other requests.
        "aws:securetransport" => is("true"),
        // Those that an AWS service makes for somebody.
        "aws:principalisawsservice" | "aws:viaawsservice" => is("false"),
        "aws:sourcearn" | "aws:sourceaccount" => Known::Absent,
        _ => Known::Unknown,
    }
}

impl Statement {
    fn matches(&self, caller: &Caller<'_>) -> Trusted {
        match &self.whom {
            Whom::Anybody => Trusted { named: Verdict::Yes, account: Verdict::No },
            Whom::These(principals) => {
                principals.iter().fold(Trusted { named: Verdict::No, account: Verdict::No }, |so_far, one| {
                    let this = principal(one, caller);
                    Trusted { named: so_far.named.or(this.named), account: so_far.account.or(this.account) }
                })
            }
            // A principal that is not to be meant must be named together with its account; with one of them only, AWS's own words
            // differ.
            Whom::AllBut(principals) => {
                let listed = principals.iter().map(|one| principal(one, caller));
                let (named, account) = listed
                    .fold((Verdict::No, Verdict::No), |(named, account), this| (named.or(this.named), account.or(this.account)));
                let meant = match (self.denies, named, account) {
                    (true, Verdict::No, Verdict::No) => Verdict::Yes,
                    (true, Verdict::Yes, Verdict::Yes) => Verdict::No,
                    _ => Verdict::Unknown("its trust policy has a NotPrincipal".to_owned()),
                };
                Trusted { named: meant, account: Verdict::No }
            }
        }
    }
}

/// How one principal of a trust policy means `caller`.
fn principal(one: &str, caller: &Caller<'_>) -> Trusted {
    let no = Trusted { named: Verdict::No, account: Verdict::No };
    if one == "*" || one == caller.arn {
        return Trusted { named: Verdict::Yes, ..no };
    }
    let parts: Vec<&str> = one.splitn(6, ':').collect();
    match parts.as_slice() {
        [account] if *account == caller.account() => Trusted { account: Verdict::Yes, ..no },
        ["arn", _, "iam", "", account, "root"] if *account == caller.account() => Trusted { account: Verdict::Yes, ..no },
        // A session of the role: its name is chosen by the caller that assumes it.
        ["arn", _, "sts", "", account, session] if *account == caller.account() && caller.is_role() => {
            let mut session = session.split('/').skip(1);
            if session.next() == Some(caller.name()) {
                let name = session.next().unwrap_or_default();
                return Trusted { named: Verdict::Unknown(format!("it trusts only the session `{name}`")), ..no };
            }
            no
        }
        _ => no,
    }
}

fn statement(statement: &Json) -> Option<Statement> {
    let denies = match statement.get("Effect").and_then(Json::as_str)? {
        "Allow" => false,
        "Deny" => true,
        _ => return None,
    };
    let fits = |actions: &Json| strings(actions).iter().any(|action| glob(&action.to_ascii_lowercase(), ASSUME));
    let covers = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), _) => fits(actions),
        (None, Some(others)) => !fits(others),
        (None, None) => return None,
    };
    let whom = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(Json::String(all)), _) if all == "*" => Whom::Anybody,
        (Some(principal), _) => Whom::These(of_aws(principal)?),
        (None, Some(others)) => Whom::AllBut(of_aws(others)?),
        (None, None) => return None,
    };
    Some(Statement { denies, covers, whom, conditions: statement.get("Condition").cloned() })
}

/// The accounts, users and roles of a `Principal`: services and identity providers are others.
fn of_aws(principal: &Json) -> Option<Vec<String>> {
    let kinds = principal.as_object()?;
    Some(kinds.get("AWS").map(strings).unwrap_or_default())
}

/// May `caller`, whose own policies say `identity` of assuming the role, assume it?
#[must_use]
pub fn assumable(trusted: Trusted, identity: &Simulated, caller: &Caller<'_>) -> Assumable {
    // A role's boundary bounds the rights that a trust policy gives to the role; not those that it gives to a user.
    let bounded = if caller.is_role() { identity.beyond_boundary() } else { Verdict::No };
    let named = trusted.named.and(!identity.denied()).and(!bounded);
    match named.or(trusted.account.and(identity.allowed())) {
        Verdict::Yes => Assumable::Yes,
        Verdict::No => Assumable::No,
        Verdict::Unknown(why) => Assumable::CannotTell(why),
    }
}

//! Who gets into a role when some may assume nothing any more? Its trust policy is judged for everybody but those: whom it
//! names, and whether anybody else is among them.

use serde_json::Value as Json;

use crate::condition::strings;
use crate::glob::glob;
use crate::principal::Principal;
use crate::verdict::Verdict;

/// The ways into a role.
const ASSUMES: [&str; 3] = ["sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity"];

/// Does the trust policy of a role of `account` let anybody in of whom `is_denied` does not hold? A principal from elsewhere
/// (another account, an identity provider, an AWS service) is denied nothing.
#[must_use]
pub fn lets_others_in(document: &str, account: &str, is_denied: impl Fn(&Principal) -> bool) -> Verdict {
    let policy: Option<Json> = serde_json::from_str(document).ok();
    let Some(statements) = policy.as_ref().and_then(|policy| policy.get("Statement")) else {
        return Verdict::Unknown("its trust policy cannot be read".to_owned());
    };
    let statements = statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice);
    let (mut any, mut denies) = (Verdict::No, false);
    for statement in statements.iter().filter(|statement| is_entry(statement)) {
        if statement["Effect"] == "Deny" {
            denies = true;
            continue;
        }
        let whom = whom(&statement["Principal"], account, &is_denied);
        let depends = || Verdict::Unknown("its trust policy has conditions".to_owned());
        any = any.or(if statement.get("Condition").is_some() { whom.and(depends()) } else { whom });
    }
    if denies { any.and(Verdict::Unknown("its trust policy has a Deny".to_owned())) } else { any }
}

fn is_entry(statement: &Json) -> bool {
    let fits = |actions: &Json| {
        let patterns = strings(actions);
        patterns.iter().any(|pattern| ASSUMES.iter().any(|assume| glob(&pattern.to_ascii_lowercase(), assume)))
    };
    // A call that is not among these may be a way in.
    statement.get("Action").is_none_or(fits)
}

fn whom(principal: &Json, account: &str, is_denied: &impl Fn(&Principal) -> bool) -> Verdict {
    // "*", or a NotPrincipal.
    let Some(kinds) = principal.as_object() else { return Verdict::Yes };
    let one = |name: &String| match name.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["*"] => Verdict::Yes,
        [number] if *number == account => left_to_the_account(),
        ["arn", _, "iam", "", number, "root"] if *number == account => left_to_the_account(),
        ["arn", _, "iam" | "sts", "", number, _] if *number == account => {
            Verdict::from(Principal::of_arn(name).is_none_or(|principal| !is_denied(&principal)))
        }
        ["arn", ..] => Verdict::Yes,
        [number] if number.len() == 12 && number.bytes().all(|digit| digit.is_ascii_digit()) => Verdict::Yes,
        // IAM writes this in the place of somebody who was deleted.
        _ => Verdict::No,
    };
    kinds.iter().fold(Verdict::No, |any, (kind, names)| {
        let these = if kind == "AWS" { strings(names).iter().map(one).fold(Verdict::No, Verdict::or) } else { Verdict::Yes };
        any.or(these)
    })
}

fn left_to_the_account() -> Verdict {
    Verdict::Unknown("its trust policy leaves it to the account's own policies who may assume it".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether anybody but Bea and the role `pipeline` gets in, by such statements.
    fn judged(statements: &Json) -> Verdict {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let denied = [Principal::User("bea".to_owned()), Principal::Role("pipeline".to_owned())];
        lets_others_in(&document, "123456789012", |principal| denied.contains(principal))
    }

    fn by(principal: &Json) -> Verdict {
        judged(&json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]))
    }

    #[test]
    fn denied_principal_is_nobody_and_any_other_is_somebody() {
        let arn = |resource: &str| format!("arn:aws:iam::123456789012:{resource}");
        for denied in [
            json!({"AWS": arn("user/bea")}),
            json!({"AWS": [arn("user/team/bea"), arn("role/pipeline"), "AIDAEXAMPLE"]}),
            json!({"AWS": "arn:aws:sts::123456789012:assumed-role/pipeline/build"}),
        ] {
            assert_eq!(by(&denied), Verdict::No, "{denied}");
        }
        for somebody in [
            json!("*"),
            json!({"AWS": "*"}),
            json!({"AWS": [arn("user/bea"), arn("user/ann")]}),
            json!({"AWS": "arn:aws:iam::999999999999:root"}),
            json!({"AWS": "999999999999"}),
            json!({"AWS": arn("user/bea"), "Service": "ec2.amazonaws.com"}),
        ] {
            assert_eq!(by(&somebody), Verdict::Yes, "{somebody}");
        }
        let saml =
            json!({"Effect": "Allow", "Action": "sts:AssumeRoleWithSAML", "Principal": {"Federated": arn("saml-provider/x")}});
        assert_eq!(judged(&json!([saml])), Verdict::Yes);
        let others = json!({"Effect": "Allow", "Action": "sts:*", "NotPrincipal": {"AWS": arn("user/bea")}});
        assert_eq!(judged(&json!([others])), Verdict::Yes);
        let no_way_in = json!({"Effect": "Allow", "Action": "sts:TagSession", "Principal": "*"});
        assert_eq!(judged(&json!([no_way_in])), Verdict::No);
    }

    #[test]
    fn trust_that_hangs_on_policies_or_request_cannot_be_told() {
        for account in ["123456789012", "arn:aws:iam::123456789012:root"] {
            assert!(matches!(by(&json!({"AWS": account})), Verdict::Unknown(why) if why.contains("the account's own policies")));
        }
        let allow = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"});
        let mut depends = allow.clone();
        depends["Condition"] = json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}});
        assert!(matches!(judged(&json!([depends])), Verdict::Unknown(why) if why.contains("conditions")));
        let deny =
            json!({"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:user/ann"}});
        assert!(matches!(judged(&json!([allow, deny])), Verdict::Unknown(why) if why.contains("a Deny")));
        assert!(matches!(lets_others_in("{", "123456789012", |_| true), Verdict::Unknown(_)));
    }
}

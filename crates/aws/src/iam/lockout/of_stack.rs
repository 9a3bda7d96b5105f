//! The roles of the guardrails' own stack: by the names that CloudFormation gives, and by those that the boundary of the stack's
//! roles keeps them from.

use aws_sdk_iam::types::Role;
use guardrails_model::glob::glob;
use sha2::{Digest, Sha256};

use crate::grants::sid;

/// Letters of a role's name.
const ROLE: usize = 64;
/// The most letters of a role's name in the template: those of `ScaleGroupToZeroRole`.
const LOGICAL: usize = 20;
/// Letters of a longer action's name that its names in the template begin with, and those of its hash.
const BEGINNING: usize = 10;
const HASH: usize = 6;
/// The letters by chance with which CloudFormation ends a name.
const CHANCE: usize = 13;
/// Letters that a stack's name may have. A role is named by its stack, its name in the template and letters by chance, with
/// hyphens between. CloudFormation gives the stack's name the room that the others leave, and cuts it: the rights on
/// `role/NAME-*` would not mean the role any more. Functions have as much room, and shorter names.
pub const LONGEST_STACK_NAME: usize = ROLE - LOGICAL - CHANCE - 2;

/// The beginning of the names of an action's resources in the template, such as `StopInstances`.
///
/// A long name is cut, with a hash after it: so no action limits the stack's name. A name that fits stays as it is, because
/// CloudFormation takes a resource of another name for another resource.
#[must_use]
pub fn logical(action: &str) -> String {
    let whole = sid(&action.split('-').collect::<Vec<_>>());
    if whole.len() + "Role".len() <= LOGICAL {
        return whole;
    }
    let hash = format!("{:x}", Sha256::digest(action));
    format!("{}{}", &whole[..BEGINNING], &hash[..HASH])
}

/// Where CloudFormation says whose a role is.
const STACK_TAG: &str = "aws:cloudformation:stack-name";

/// The resources that are named after `stack`, as the last part of an ARN: the boundary keeps the stack's roles from all of them.
#[must_use]
pub fn named_after(kind: &str, stack: &str) -> String {
    format!("{kind}/{stack}-*")
}

/// Why the guardrails of `stack` can or must not restrict `role`, if so.
pub(super) fn why_not(role: &Role, stack: &str) -> Option<String> {
    let name = role.role_name();
    if is_of(role, stack) {
        return Some(format!("role `{name}` is of the guardrails' own stack `{stack}`, which could then not roll back"));
    }
    let resource = role.arn().splitn(6, ':').nth(5).unwrap_or_default();
    let kept = named_after("role", stack);
    glob(&kept, resource).then(|| {
        format!(
            "role `{name}` is named as the roles of the guardrails' own stack are ({kept}), and the boundary of those lets them change \
             none such: give it another name, or leave it out"
        )
    })
}

/// By its tag, its path, or a name such as CloudFormation gives.
fn is_of(role: &Role, stack: &str) -> bool {
    let tagged = role.tags().iter().any(|tag| tag.key() == STACK_TAG && tag.value() == stack);
    tagged || role.path().split('/').any(|part| part == stack) || is_named_for(role.role_name(), stack)
}

/// CloudFormation names a role by its stack, its logical id and a random word: `guardrails-MasterRole-1ABC2DEF3GHI`. Where
/// another tool deployed a stack of a longer name than `guardrails deploy` takes, that is cut.
fn is_named_for(role: &str, stack: &str) -> bool {
    let mut parts = role.rsplitn(3, '-').skip(1);
    let (Some(logical), Some(of)) = (parts.next(), parts.next()) else { return false };
    let is_cut = of.len() >= LONGEST_STACK_NAME && stack.starts_with(of);
    logical.ends_with("Role") && (of == stack || is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_of_any_name_leaves_the_stack_s_name_its_room() {
        for (action, expected) in [("deny-actions", "DenyActions"), ("scale-group-to-zero", "ScaleGroupToZero")] {
            assert_eq!(logical(action), expected, "deployed stacks have it by this name");
        }
        let long = ["scale-task-groups-to-zero", "scale-task-groups-down", "stop-sagemaker-notebook-instances"].map(logical);
        for (at, name) in long.iter().enumerate() {
            let role = format!("{name}Role");
            assert!(role.len() <= LOGICAL && name.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{role}");
            assert!(!long[..at].contains(name), "{name} is two actions'");
            assert!(is_named_for(&format!("guardrails-{role}-1ABC2DEF3GHI"), "guardrails"));
        }
    }

    #[test]
    fn role_of_stack_is_known_by_its_cloudformation_name() {
        let long = "budget-guardrails-of-the-platform-team";
        assert!(is_named_for("guardrails-MasterRole-1ABC2DEF3GHI", "guardrails"));
        assert!(is_named_for("budget-guardrails-of-the-plat-ScaleGroupToZeroRole-1ABC2DEF3GHIJ", long));
        assert!(is_named_for("budget-guardrails-of-the-platform-team-MasterRole-1ABC2DEF3GHIJ", long));
        assert!(!is_named_for("budget-guardrails-MasterRole-1ABC2DEF3GHIJ", long));
        assert!(!is_named_for("guardrails-beta-ci", "guardrails"));
        assert!(!is_named_for("ci-deployer", "guardrails"));
    }
}

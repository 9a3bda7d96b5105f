"""SimulatePrincipalPolicy as on AWS: every call on every resource, with the boundary.

It leaves out the policies of PolicyExclusionList, by their ARNs only. It names the policies that decide as AWS does. The keys of
the simulated request are those that the caller gives. A key counts as missing when any statement of the policies asks for it and
the caller gave none, also where the statement is about another call.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam


@dataclass
class _Policy:
    """A policy by the name that AWS's simulator gives it."""

    name: str
    statements: list


def simulate(params):
    source = iam._p(params, "PolicySourceArn")
    kind, _, path = source.split(":", 5)[-1].partition("/")
    name = path.rpartition("/")[2]
    entity = {"user": iam._users, "role": iam._roles}.get(kind, {}).get(name)
    if not entity or entity["Arn"] != source:
        return iam._error(404, "NoSuchEntity", f"The {kind} {source} cannot be found.")
    without = _excluded(params)
    policies = _of_user(name, entity, without) if kind == "user" else _of_role(name, entity, without)
    boundary = entity.get("PermissionsBoundary")
    limit = [_managed(boundary)] if boundary else None
    keys = {
        "aws:principalarn": source,
        "aws:principalaccount": get_account_id(),
        "aws:principaltype": "User" if kind == "user" else "AssumedRole",
    }
    if kind == "user":
        keys |= {"aws:username": name, "aws:userid": entity["UserId"]}
    keys |= _context(params)
    resources = _list(params, "ResourceArns") or ["*"]
    results = "".join(_result(action, resources, policies, limit, keys) for action in _list(params, "ActionNames"))
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{results}</EvaluationResults>"
        "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>",
    )


def _list(params, name):
    found = []
    while value := iam._p(params, f"{name}.member.{len(found) + 1}"):
        found.append(value)
    return found


def _excluded(params):
    """ARNs of the policies that count as attached to nobody."""
    found = set()
    while arn := iam._p(params, f"PolicyExclusionList.member.{len(found) + 1}.PolicyArn"):
        found.add(arn)
    return found


def _context(params):
    """What the request that is simulated is said to have; of several values the first."""
    found, index = {}, 1
    while key := iam._p(params, f"ContextEntries.member.{index}.ContextKeyName"):
        found[key.lower()] = iam._p(params, f"ContextEntries.member.{index}.ContextKeyValues.member.1")
        index += 1
    return found


def _of_user(name, user, without):
    policies = _inline(f"user_{name}", iam._user_inline_policies.get(name)) + _attached(user, without)
    for group_name, group in iam._groups.items():
        if name in group["Users"]:
            policies += _inline(f"group_{group_name}", iam._group_inline_policies.get(group_name)) + _attached(group, without)
    return policies


def _of_role(name, role, without):
    return _inline(f"role_{name}", role.get("InlinePolicies")) + _attached(role, without)


def _inline(prefix, documents):
    return [
        _Policy(f"{prefix}_{name}", iam_evaluator.parse_policy_document(document)) for name, document in (documents or {}).items()
    ]


def _attached(entity, without):
    return [_managed(arn) for arn in entity.get("AttachedPolicies", []) if arn not in without]


def _managed(arn):
    document = iam_evaluator._resolve_managed_policy_document(arn, get_account_id())
    return _Policy(arn.rpartition("/")[2], iam_evaluator.parse_policy_document(document or {}))


def _result(action, resources, policies, limit, keys):
    each = [_evaluate(action, resource, policies, limit, keys) for resource in resources]
    overall = next((one for one in each if one[1] != "allowed"), each[0])
    specific = "".join(_xml_of("EvalResourceDecision", *one, bounded=limit is not None) for one in each)
    whole = _xml_of("EvalDecision", *overall, bounded=limit is not None, inner=False)
    return (
        f"<member><EvalActionName>{action}</EvalActionName>{whole}"
        f"<ResourceSpecificResults>{specific}</ResourceSpecificResults></member>"
    )


def _evaluate(action, resource, policies, limit, keys):
    """(resource, decision, names of the policies that decide, missing keys, whether the boundary allows it)"""

    def matched(of, effect):
        return [
            policy.name
            for policy in of
            if any(statement.effect == effect and _matches(statement, action, resource, keys) for statement in policy.statements)
        ]

    denies, allows = matched(policies, "Deny"), matched(policies, "Allow")
    within = limit is None or bool(matched(limit, "Allow"))
    denies += matched(limit or [], "Deny")
    if denies:
        decision, names = "explicitDeny", denies
    elif allows and within:
        decision, names = "allowed", allows
    else:
        decision, names = "implicitDeny", []
    return resource, decision, names, _missing([*policies, *(limit or [])], keys), within


def _missing(policies, keys):
    """As on AWS: of all statements, also those of other services' calls."""
    asked = {
        key
        for policy in policies
        for statement in policy.statements
        for wanted in (statement.conditions or {}).values()
        for key in wanted
    }
    return sorted(key for key in asked if key.lower() not in keys)


def _matches(statement, action, resource, keys):
    if not (
        iam_evaluator._action_matches(action, statement.actions, statement.not_actions)
        and iam_evaluator._resource_matches(resource, statement.resources, statement.not_resources)
    ):
        return False
    holds = True
    for operator, wanted in (statement.conditions or {}).items():
        for key, values in wanted.items():
            actual = keys.get(key.lower())
            each = values if isinstance(values, list) else [str(values)]
            holds = iam_evaluator._evaluate_single_condition(operator, actual, each) and holds
    return holds


def _xml_of(decision_tag, resource, decision, names, missing, within, bounded, inner=True):
    members = "".join(
        f"<member><SourcePolicyId>{escape(name)}</SourcePolicyId><SourcePolicyType>IAM Policy</SourcePolicyType>"
        "<StartPosition><Line>1</Line><Column>1</Column></StartPosition>"
        "<EndPosition><Line>1</Line><Column>2</Column></EndPosition></member>"
        for name in names
    )
    missing = "".join(f"<member>{escape(key)}</member>" for key in missing)
    boundary = (
        "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>"
        f"{str(within).lower()}</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
        if bounded
        else ""
    )
    body = (
        f"<EvalResourceName>{escape(resource)}</EvalResourceName><{decision_tag}>{decision}</{decision_tag}>"
        f"<MatchedStatements>{members}</MatchedStatements><MissingContextValues>{missing}</MissingContextValues>{boundary}"
    )
    return f"<member>{body}</member>" if inner else body

"""CloudFormation: change sets in pages, stale descriptions, drift, and deletions that fail."""

from ministack.core import iam_evaluator
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, stacks

from services.cloudformation import drift

__all__ = ["install"]

# AWS cuts at a megabyte, which is some hundred changes. Here few are enough, so that a small stack has several pages.
_CHANGES_A_PAGE = 20
_STALE = ("DescribeStacks", "DescribeStackEvents")
_HANDLERS = handlers._ACTION_HANDLERS

_before = {}  # (action, stack) -> the answer of before, where it was not given yet


def install():
    # upstream: has no pages
    _HANDLERS["DescribeChangeSet"] = _a_page_of(_HANDLERS["DescribeChangeSet"])
    # upstream: detects drift of a resource that the caller may not read
    _HANDLERS["DetectStackDrift"] = drift.with_rights(_HANDLERS["DetectStackDrift"])
    # ours: the caller of DetectStackDrift is known where it is authorized, and no more where it is answered
    iam_evaluator.enforce = drift.remembering(iam_evaluator.enforce)
    # upstream: descriptions are never stale
    _HANDLERS["ExecuteChangeSet"] = _remembering(_HANDLERS["ExecuteChangeSet"])
    for action in _STALE:
        # upstream: descriptions are never stale
        _HANDLERS[action] = _stale_once(action, _HANDLERS[action])
    # upstream: goes on deleting what a resource depends on that could not be deleted
    stacks._delete_resource = _keep_what_a_failed_deletion_needs(stacks._delete_resource)


# ---- Change sets ----


def _a_page_of(original):
    def describe(params):
        _id, found = changesets._find_change_set(handlers._p(params, "ChangeSetName"), handlers._p(params, "StackName"))
        if not found:
            return original(params)
        changes, begin = found.get("Changes", []), int(handlers._p(params, "NextToken") or 0)
        found["Changes"] = changes[begin : begin + _CHANGES_A_PAGE]
        try:
            status, headers, body = original(params)
        finally:
            found["Changes"] = changes
        if begin + _CHANGES_A_PAGE < len(changes):
            more = f"<NextToken>{begin + _CHANGES_A_PAGE}</NextToken></DescribeChangeSetResult>"
            body = body.replace(b"</DescribeChangeSetResult>", more.encode())
        return status, headers, body

    return describe


# ---- Stale answers ----
#
# CloudFormation's descriptions are eventually consistent: for a moment after an execution began they say the state before it. A
# caller that takes that state for the end would not be caught here otherwise. So the first DescribeStacks and the first
# DescribeStackEvents after each ExecuteChangeSet answer as they would have before it.


def _remembering(execute):
    describe = {action: _HANDLERS[action] for action in _STALE}

    def executed(params):
        _id, change_set = changesets._find_change_set(handlers._p(params, "ChangeSetName"), handlers._p(params, "StackName"))
        stack = (change_set or {}).get("StackName", "")
        answers = {action: handler({"StackName": [stack]}) for action, handler in describe.items()} if stack else {}
        answer = execute(params)
        if answer[0] < 400:
            _before.update({(action, stack): seen for action, seen in answers.items()})
        return answer

    return executed


def _stale_once(action, describe):
    def described(params):
        stale = None if handlers._p(params, "NextToken") else _before.pop((action, handlers._p(params, "StackName")), None)
        return stale or describe(params)

    return described


# ---- Deletions ----


def _keep_what_a_failed_deletion_needs(delete):
    def deleted(resource_type, physical_id, props, stack_name, logical_id, *rest):
        stack = cloudformation._stacks.get(stack_name) or {}
        resources = stack.get("_resources", {})
        failed = [name for name, resource in resources.items() if resource.get("ResourceStatus") == "DELETE_FAILED"]
        failed = [name for name in failed if name != logical_id and stack.get("StackStatus") == "DELETE_IN_PROGRESS"]
        definitions = (stack.get("_template") or {}).get("Resources", {})
        if logical_id in stacks._with_dependencies(failed, definitions, set(resources)):
            raise ValueError(f"{', '.join(failed)} needs it, and could not be deleted")
        return delete(resource_type, physical_id, props, stack_name, logical_id, *rest)

    return deleted

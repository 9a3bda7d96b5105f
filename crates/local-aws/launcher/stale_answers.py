"""CloudFormation says for a moment after an execution began what was before: its descriptions are eventually consistent. MiniStack's
never are, so whoever waits for a stack here would not be seen to take the state before for the end.

The first DescribeStacks and the first DescribeStackEvents after each ExecuteChangeSet answer what they would have before it.
"""

from ministack.services.cloudformation import changesets, handlers

_HANDLERS = handlers._ACTION_HANDLERS
_STALE = ("DescribeStacks", "DescribeStackEvents")

_before = {}  # (action, stack) -> the answer of before


def install():
    _HANDLERS["ExecuteChangeSet"] = _remembering(_HANDLERS["ExecuteChangeSet"])
    for action in _STALE:
        _HANDLERS[action] = _stale_once(action, _HANDLERS[action])


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

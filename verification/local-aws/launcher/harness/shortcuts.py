"""Work that MiniStack does again and again, with the same result: it is done once for a process, or for a virtual environment.

The fork server (fork_server.py) would read botocore's models, which are megabytes of JSON, only to know a few facts of each
service.
"""

import functools
import json
import os
import pathlib
import sys
import tempfile
import time
import types

from ministack.core import iam_actions, iam_evaluator, responses, router
from ministack.services import dynamodb, lambda_svc, stepfunctions

SAVED = False  # these variables are of this process
_FOLDER = pathlib.Path(sys.prefix)
_places = {}


def install():
    # ours: an answer's content type follows from the service's protocol, for which no whole model need be read
    responses._service_model = _protocol(responses._service_model)
    # ours: two lists of operations follow from a service's model, which is read for nothing else
    iam_actions._tag_operations = _kept("tag-operations", iam_actions._tag_operations)
    # ours: the second list
    iam_actions.unsigned_operations = _kept("unsigned-operations", iam_actions.unsigned_operations)
    # ours: the digest of the functions' code is taken once, not before each start of a function
    lambda_svc._provided_runtime_code_dir = _once_for_each_code(lambda_svc._provided_runtime_code_dir)
    # ours: an expression is taken apart once, not for each item that it is held against
    dynamodb._condition_syntax_error = functools.lru_cache(dynamodb._condition_syntax_error)
    # ours: the same, and each caller has a list of its own
    dynamodb._tokenize = _fresh_lists(functools.lru_cache(dynamodb._tokenize))
    # ours: a policy's text is read once, not at each request of its principal
    iam_evaluator.parse_policy_document = _read_once(iam_evaluator.parse_policy_document)
    # ours: a caller's ARN follows from its key, for which none of its policies need be read
    iam_evaluator.request_caller_arn = _by_key(iam_evaluator.request_caller_arn)
    # ours: the sizes of items are counted only where they may fill a page
    dynamodb._paginate_evaluated_items = _of_small_pages(dynamodb._paginate_evaluated_items)
    # ours: an execution begins at once, not after 150 ms
    stepfunctions.time = _time_without(0.15)


def _protocol(original):
    """A service's model with nothing but its protocol."""

    def names(service):
        model = original(service)
        known = ("protocol", "jsonVersion")
        return model and {name: model.metadata[name] for name in known if name in model.metadata}

    kept = _kept("protocols", names)

    def protocol(service):
        found = kept(service)
        return None if found is None else types.SimpleNamespace(metadata=found)

    return protocol


def _kept(name, original):
    """The answers of `original`, which follow from the service alone, in a file of the virtual environment."""
    place = _FOLDER / f"{name}.json"
    answers = _read(place)

    def answer(service):
        if service not in answers:
            answers.update(_read(place))  # another process may have asked meanwhile
        if service not in answers:
            found = original(service)
            answers[service] = sorted(found) if isinstance(found, frozenset) else found
            _keep(place, answers)
        return answers[service]

    return answer


def _read(place):
    return json.loads(place.read_text()) if place.exists() else {}


def _keep(place, answers):
    """Whole or not at all: other processes read and write the same file."""
    with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False) as file:
        json.dump(answers, file)
    os.replace(file.name, place)


def _time_without(pause):
    """The module `time`, where one pause takes no time."""
    changed = types.ModuleType("time")
    vars(changed).update(vars(time))
    changed.sleep = lambda seconds: time.sleep(0 if seconds == pause else seconds)
    return changed


def _fresh_lists(answers):
    return lambda question: list(answers(question))


def _read_once(original):
    kept = functools.lru_cache(1024)(original)
    return lambda document: list(kept(document)) if isinstance(document, str) else original(document)


def _by_key(original):
    def arn(headers, query_params=None):
        key = router.extract_access_key_id(headers or {}, query_params or {})
        account = key and (responses._account_from_sts_session(key) or responses.get_account_id())
        found = iam_evaluator.resolve_credential(key, account) if key else None
        return getattr(found, "principal_arn", None) or original(headers, query_params)

    return arn


def _of_small_pages(original):
    """As JSON an item is longer than AWS counts it: each letter takes a byte or more, and each value has a type and brackets."""

    def paginate(items, limit, table, index_name=None):
        page = items if limit is None else items[: int(limit)]
        if not page or len(json.dumps(page)) >= dynamodb._DDB_PAGE_SIZE_BYTES:
            return original(items, limit, table, index_name)
        return list(page), limit is not None and len(page) == int(limit)

    return paginate


def _once_for_each_code(original):
    def place(code_zip):
        found = _places.get(id(code_zip))
        if not found or found[0] is not code_zip or not os.path.isdir(found[1]):
            found = _places[id(code_zip)] = code_zip, original(code_zip)
        return found[1]

    return place

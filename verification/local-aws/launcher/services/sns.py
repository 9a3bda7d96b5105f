"""SNS: publishing through a key, and delivery to functions that let the topic in."""

import json
import logging

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import kms, lambda_svc, sns

from harness import resource_types
from harness.calls import Check

SERVICE = "sns"
log = logging.getLogger("launcher")


def install():
    # upstream: delivers to a function whose policy does not let the topic in, once, and without retries
    sns._deliver_to_lambda = _deliver_to_lambda
    # upstream: ignores a topic's key in a template
    resource_types.around("AWS::SNS::Topic", after=_set_key)


def checks(call):
    """Publishing to an encrypted topic takes its key, in the publisher's name."""
    topic = call.param("TopicArn") or call.param("TargetArn")
    if call.operation not in ("Publish", "PublishBatch") or not topic:
        return None
    checks = [Check("sns:Publish", topic)]
    key = (sns._topic_by_arn_any_scope(topic) or {}).get("attributes", {}).get("KmsMasterKeyId")
    record = kms._resolve_key(key) if key else None
    if record:
        keys = {"kms:ViaService": f"sns.{call.region}.amazonaws.com", "kms:CallerAccount": call.account}
        checks += [Check(action, record["Arn"], keys, "kms") for action in ("kms:GenerateDataKey", "kms:Decrypt")]
    return checks


# ---- To Lambda ----


def _deliver_to_lambda(endpoint, envelope, topic_arn, subscription_arn, _message_id, _message, _attributes):
    """An asynchronous invocation, with Lambda's retries and failure destination, if the function lets the topic in."""
    function, config, name = lambda_svc._get_func_record_for_ref(endpoint)
    if not function or not config:
        log.warning("SNS: no function %s", name)
        return
    if not _topic_may_invoke(function["policy"], endpoint, topic_arn):
        log.warning("SNS: the resource policy of %s does not let %s invoke it: not delivered", endpoint, topic_arn)
        return
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription_arn,
        "Sns": _lambda_message(json.loads(envelope)),
    }
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), {"Records": [record]})


def _lambda_message(message):
    """The message as functions see it, which is not as HTTP endpoints see it."""
    message = {name.replace("URL", "Url"): value for name, value in message.items()}
    return {"Subject": None, "MessageAttributes": {}, **message}


def _topic_may_invoke(policy, function_arn, topic_arn):
    context = iam_evaluator.EvalContext(
        principal_arn="sns.amazonaws.com",
        principal_type="Service",
        principal_account=get_account_id(),
        action="lambda:InvokeFunction",
        resource_arn=function_arn,
        region=get_region(),
        service_context={"aws:sourcearn": topic_arn, "aws:sourceaccount": topic_arn.split(":")[4]},
    )
    return iam_evaluator.evaluate_resource_policy(policy, context, service="sns.amazonaws.com").decision == "Allow"


# ---- AWS::SNS::Topic ----


def _set_key(topic, props):
    attributes = sns._topics[topic]["attributes"]
    attributes.pop("KmsMasterKeyId", None)
    if props.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = props["KmsMasterKeyId"]

"""Behaviour of IAM, Lambda, logs and load balancers that the product meets on AWS and that MiniStack lacks."""

import re

from ministack.services import alb, cloudwatch_logs, ec2, iam, lambda_svc


def install():
    for kind, holders, attach in (("Group", iam._groups, iam._attach_group_policy), ("User", iam._users, iam._attach_user_policy),
                                  ("Role", iam._roles, iam._attach_role_policy)):
        iam._IAM_HANDLERS[f"Attach{kind}Policy"] = _attaching(kind, holders, attach)
    lambda_svc._provided_worker_env = _function_environment(lambda_svc._provided_worker_env)
    cloudwatch_logs._compile_filter_pattern = _any_of(cloudwatch_logs._compile_filter_pattern)
    alb._ACTION_MAP |= {"DescribeTargetHealth": _describe_target_health, "DescribeInstanceHealth": _describe_instance_health}


# ---- IAM ----

_ATTACHED_POLICIES = 10  # as GetAccountSummary says, for each kind


def _attaching(kind, holders, attach):
    """MiniStack attaches policies that do not exist, and any number of them."""
    def attaching(p):
        holder, policy = holders.get(iam._p(p, f"{kind}Name")), iam._p(p, "PolicyArn")
        if holder and not iam._lookup_policy(policy):
            return iam._error(404, "NoSuchEntity", f"Policy {policy} does not exist or is not attachable.", ns="iam")
        attached = holder["AttachedPolicies"] if holder else []
        if policy not in attached and len(attached) >= _ATTACHED_POLICIES:
            return iam._error(409, "LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind}: {_ATTACHED_POLICIES}", ns="iam")
        return attach(p)
    return attaching


# ---- Lambda ----

_RUNTIME_VARIABLES = re.compile(r"AWS_(LAMBDA_.*|REGION|DEFAULT_REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)"
                                r"|AWS_ENDPOINT_URL.*|_HANDLER|_X_AMZN_.*|LAMBDA_TASK_ROOT|PATH|TMPDIR")


def _function_environment(original):
    """A function sees its own variables and Lambda's, where MiniStack hands down everything of the host's, such as a
    developer's AWS_PROFILE. What stays of the host's is PATH, TMPDIR and where the SDK shall call."""
    def environment(config, *rest):
        own = (config.get("Environment") or {}).get("Variables") or {}
        inherited = {name: value for name, value in original(config, *rest).items()
                     if name in own or _RUNTIME_VARIABLES.fullmatch(name)}
        logging = config.get("LoggingConfig") or {}
        return {"TZ": ":UTC", "LANG": "en_US.UTF-8", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
                "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup", f"/aws/lambda/{config['FunctionName']}"), **inherited}
    return environment


# ---- Logs ----

def _any_of(original):
    """`?A ?"B C"` finds what has any of these words; MiniStack wants all of them, and a letter before each."""
    def compiled(pattern):
        words = [quoted or plain for quoted, plain in re.findall(r'\?(?:"([^"]*)"|(\S+))', pattern or "")]
        if not (pattern or "").lstrip().startswith("?"):
            return original(pattern)
        return lambda message: any(word in message for word in words)
    return compiled


# ---- Load balancers ----

def _describe_target_health(p):
    """MiniStack finds every target healthy. A load balancer does not use an instance that does not run."""
    group = alb._tgs.get(alb._p(p, "TargetGroupArn"))
    if not group:
        return alb._error("TargetGroupNotFound", "One or more target groups not found")
    asked = alb._parse_targets_param(p)
    members = ""
    for target in asked or alb._targets[group["TargetGroupArn"]]:
        registered = any(each["Id"] == target["Id"] for each in alb._targets[group["TargetGroupArn"]])
        port = target.get("Port", group["Port"])
        members += (f"<member><Target><Id>{target['Id']}</Id><Port>{port}</Port></Target><HealthCheckPort>{port}"
                    f"</HealthCheckPort><TargetHealth>{_target_health(target['Id'], registered)}</TargetHealth></member>")
    return alb._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>")


def _target_health(target, registered):
    state = (ec2._instances.get(target) or {}).get("State", {}).get("Name", "running")  # an address is always up
    if not registered:
        return ("<State>unused</State><Reason>Target.NotRegistered</Reason>"
                "<Description>Target is not registered to the target group</Description>")
    if state != "running":
        return (f"<State>unused</State><Reason>Target.InvalidState</Reason>"
                f"<Description>Target is in the {state} state</Description>")
    return "<State>healthy</State>"


def _describe_instance_health(p):
    """MiniStack has no Classic Load Balancers."""
    return alb._error("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{alb._p(p, 'LoadBalancerName')}'")

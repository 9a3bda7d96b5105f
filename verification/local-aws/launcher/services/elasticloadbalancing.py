"""Elastic Load Balancing: the health of targets follows the state of their instances."""

from ministack.services import alb, ec2

from harness.calls import Check

SERVICE = "elasticloadbalancing"


def install():
    alb._ACTION_MAP |= {
        # upstream: finds every target healthy
        "DescribeTargetHealth": _describe_target_health,
        # upstream: has no Classic Load Balancers
        "DescribeInstanceHealth": _describe_instance_health,
    }


def checks(call):
    """Reads take no resource; of the rest MiniStack's own reading does."""
    return [Check(call.action)] if call.operation.startswith("Describe") else None


def _describe_target_health(p):
    """A load balancer does not use an instance that does not run."""
    group = alb._tgs.get(alb._p(p, "TargetGroupArn"))
    if not group:
        return alb._error("TargetGroupNotFound", "One or more target groups not found")
    asked = alb._parse_targets_param(p)
    members = ""
    for target in asked or alb._targets[group["TargetGroupArn"]]:
        registered = any(each["Id"] == target["Id"] for each in alb._targets[group["TargetGroupArn"]])
        port = target.get("Port", group["Port"])
        members += (
            f"<member><Target><Id>{target['Id']}</Id><Port>{port}</Port></Target><HealthCheckPort>{port}"
            f"</HealthCheckPort><TargetHealth>{_target_health(target['Id'], registered)}</TargetHealth></member>"
        )
    return alb._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>")


def _target_health(target, registered):
    state = (ec2._instances.get(target) or {}).get("State", {}).get("Name", "running")  # an address is always up
    if not registered:
        return (
            "<State>unused</State><Reason>Target.NotRegistered</Reason>"
            "<Description>Target is not registered to the target group</Description>"
        )
    if state != "running":
        return (
            f"<State>unused</State><Reason>Target.InvalidState</Reason><Description>Target is in the {state} state</Description>"
        )
    return "<State>healthy</State>"


def _describe_instance_health(p):
    return alb._error("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{alb._p(p, 'LoadBalancerName')}'")

